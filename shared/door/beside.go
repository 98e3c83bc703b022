package door

import (
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// First reports whether the verdict takes a shipment in that was not known before.
func (r Result) First() bool { return r == Accepted || r == TooOld || r == NotRequired }

// Beside checks a first report against the other packages of its order. An order belongs to one account, and at most one
// of its packages may leave the items out: that one takes the whole order, and a second one would never be told to
// Amazon. It is pure; verdicts other than first reports are returned as they are.
func Beside(v Verdict, e event.Event, others []shipment.Entry) Verdict {
	if !v.Result.First() {
		return v
	}
	for _, o := range others {
		s := o.After
		switch {
		case string(s.Account) != v.Account:
			return v.refuse(fault.Field("account", "order %s is already known under account %s: an order belongs to one account", s.Order, s.Account))
		case len(e.Data.Items) == 0 && len(s.Data.Items) == 0 && s.State != shipment.Closed:
			return v.refuse(fault.Field("items", "package %s of this order takes the whole order already: say which items are in this one", s.Package))
		}
	}
	return v
}

// Neighbours collects the first reports of one batch by order, so that they are checked against each other, too.
type Neighbours map[shipment.Key][]shipment.Entry

func whole(k shipment.Key) shipment.Key {
	return shipment.Key{Connection: k.Connection, Order: k.Order}
}

// Of returns what the batch has already taken in of the shipment's order, its own package left out.
func (n Neighbours) Of(k shipment.Key) []shipment.Entry {
	var out []shipment.Entry
	for _, e := range n[whole(k)] {
		if e.After.Package != k.Package {
			out = append(out, e)
		}
	}
	return out
}

// Add remembers a first report.
func (n Neighbours) Add(v Verdict, e event.Event) {
	if v.Result.First() {
		s := shipment.Shipment{Key: v.Key, Account: shipment.AccountID(v.Account), State: v.State, Data: shipment.Data{Items: e.Data.Items}}
		n[whole(v.Key)] = append(n[whole(v.Key)], shipment.Entry{After: s})
	}
}
