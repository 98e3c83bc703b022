package view

import (
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/fertig-project/fertig/shared/shipment"
)

// layout changes whenever the meaning of a key or member does; an image of another layout is rebuilt, not read.
const layout = "2"

// root starts every key. The braces keep all of them in one slot of a cluster.
const root = "fertig:{view}:"

// cursorKey is a hash: layout, epoch, seq, image (the current one) and rev, which every sweep raises. Because the
// pointer to the image and the position are one key, watching it guards everything.
const cursorKey = root + "cursor"

// image names one build of the view; all its keys share its name, so that a rebuild fills a fresh one beside it.
type image string

func (i image) key(name string) string { return root + string(i) + ":" + name }

// pattern matches every key of the image.
func (i image) pattern() string { return i.key("*") }

// building marks an image that is not yet current. Only an image that has it may become current.
func (i image) building() string { return i.key("building") }

// docs is a hash: member -> what encode writes.
func (i image) docs() string { return i.key("docs") }

// The counters are exact; a field that reaches zero is removed.

// counts is a hash: cell without fingerprint -> number of shipments.
func (i image) counts() string { return i.key("counts") }

// prints is a hash like counts for cells with a fingerprint, of which there may be many.
func (i image) prints() string { return i.key("prints") }

// orders is a hash: orderField -> number of the order's shipments with the flag.
func (i image) orders() string { return i.key("orders") }

// flagged is a hash: account -> number of orders with the flag.
func (i image) flagged() string { return i.key("flagged") }

// accountOf is the account in what facts.orderField writes.
func accountOf(field string) string {
	a, _, _ := strings.Cut(field, "|")
	return a
}

// The sorted sets. Unless said otherwise the member is the shipment's key ("connection/order/package") and times are
// unix milliseconds.

// queueSet scores by Deadline: the retry priority of a run. What is new is what is pending, which needs no set of its own.
func queueSet(a shipment.AccountID, q shipment.Queue) string {
	if q == shipment.New {
		return cellSet(cellKey(Cell{Account: a, State: shipment.Pending}), ByShipBy)
	}
	return "queue:" + string(a) + ":" + string(q)
}

// cellSet holds the shipments of a cell, once for each order people sort by. The cell (account, deferred) is the deferred
// set, (account, excluded) are the exclusion flags.
func cellSet(cell string, by Sort) string { return "by-" + string(by) + ":" + cell }

// dueSet holds what carries the flag and has a ship-by, by ship-by.
func dueSet(a shipment.AccountID) string { return "due:" + string(a) }

// sendingSet holds what is transmitting, by the moment after which no answer will come.
func sendingSet(c shipment.ConnectionID) string { return "sending:" + string(c) }

// doubtSet holds unsettled doubts, by the last time Amazon was asked, or the doubt's beginning.
func doubtSet(c shipment.ConnectionID) string { return "doubt:" + string(c) }

// cellKey names a cell: the shipments of an account in a state, further of a kind, further with a fingerprint. The
// fingerprint comes last because it may contain anything.
func cellKey(c Cell) string {
	s := string(c.Account) + "|" + string(c.State)
	if c.Kind != "" || c.Fingerprint != "" {
		s += "|" + string(c.Kind)
	}
	if c.Fingerprint != "" {
		s += "|" + c.Fingerprint
	}
	return s
}

// parseCell reads what cellKey writes.
func parseCell(s string) (Cell, bool) {
	p := strings.SplitN(s, "|", 4)
	if len(p) < 2 {
		return Cell{}, false
	}
	c := Cell{Account: shipment.AccountID(p[0]), State: shipment.State(p[1])}
	if len(p) > 2 {
		c.Kind = shipment.Kind(p[2])
	}
	if len(p) > 3 {
		c.Fingerprint = p[3]
	}
	return c, true
}

// The searchable attributes.
const (
	byOrder     = "o:"
	byTracking  = "t:"
	byReference = "r:"
)

// orderPrefix is how much of an order id a search must give at least.
const orderPrefix = 6

// lookup places an attribute: members are "<kind><value>\x00<shipment key>" with score 0, found by range of text. They
// are spread over 256 sets, because miniredis sorts a whole set for each query; order ids by their beginning, so that
// one can be searched for by it.
func lookup(kind, value string) (part byte, prefix string) {
	value = strings.ToUpper(strings.TrimSpace(value))
	spread := value
	if kind == byOrder && len(value) > orderPrefix {
		spread = value[:orderPrefix]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(kind)) // never fails
	_, _ = h.Write([]byte(spread))
	return byte(h.Sum32()), kind + value
}

func lookupSet(part byte) string { return fmt.Sprintf("lookup:%02x", part) }
