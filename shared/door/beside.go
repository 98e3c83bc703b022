package door

import (
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// First reports whether the verdict takes a shipment in that was not known before.
func (r Result) First() bool { return r == Accepted || r == TooOld || r == NotRequired }

// Neighbour is another package of an order: as much of it as others have to know.
type Neighbour struct {
	pack    string
	account string
	whole   bool // it takes the whole order
}

// Beside checks a first report against the other packages of its order. An order belongs to one account, and at most one
// of its packages may leave the items out: that one takes the whole order, and a second one would never be told to
// Amazon. It is pure; verdicts other than first reports are returned as they are.
func Beside(v Verdict, e event.Event, others []Neighbour) Verdict {
	if !v.Result.First() {
		return v
	}
	for _, o := range others {
		switch {
		case o.account != v.Account:
			return v.refuse(fault.Field("account", "order %s is already known under account %s: an order belongs to one account", v.Key.Order, o.account))
		case len(e.Data.Items) == 0 && o.whole:
			return v.refuse(fault.Field("items", "package %s of this order takes the whole order already: say which items are in this one", o.pack))
		}
	}
	return v
}

// Orders are the last entries of shipments by their order.
type Orders map[shipment.Key][]shipment.Entry

// ByOrder sorts what a ledger knows of many orders.
func ByOrder(known map[shipment.Key]shipment.Entry) Orders {
	out := make(Orders, len(known))
	for k, e := range known {
		out[whole(k)] = append(out[whole(k)], e)
	}
	return out
}

// Around returns the shipment's own last entry and those of the other packages of its order.
func (o Orders) Around(k shipment.Key) (last shipment.Entry, others []Neighbour) {
	for _, e := range o[whole(k)] {
		if e.After.Package == k.Package {
			last = e
		} else {
			s := e.After
			others = append(others, Neighbour{s.Package, string(s.Account), len(s.Data.Items) == 0 && s.State != shipment.Closed})
		}
	}
	return last, others
}

// Neighbours collects the first reports of one batch by order, so that they are checked against each other, too.
type Neighbours map[shipment.Key][]Neighbour

func whole(k shipment.Key) shipment.Key {
	return shipment.Key{Connection: k.Connection, Order: k.Order}
}

// Of returns what the batch has already taken in of the shipment's order, its own package left out.
func (n Neighbours) Of(k shipment.Key) []Neighbour {
	var out []Neighbour
	for _, o := range n[whole(k)] {
		if o.pack != k.Package {
			out = append(out, o)
		}
	}
	return out
}

// Add remembers a first report.
func (n Neighbours) Add(v Verdict, e event.Event) {
	if v.Result.First() {
		n[whole(v.Key)] = append(n[whole(v.Key)], Neighbour{v.Key.Package, v.Account, len(e.Data.Items) == 0})
	}
}
