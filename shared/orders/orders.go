// Package orders is what Fertig knows of Amazon's orders: items and quantities, ship-by, programmes, state and the
// seller's own number, each as of a moment. It owns their form, their place on the FERTIG_ORDERS stream and the rule that
// the newer knowledge counts, and guarantees that nothing about a buyer has a place in it. It is knowledge, not truth: what
// is decided about a shipment stands in the ledger, and whoever must be sure asks Amazon.
package orders

import (
	"slices"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Status is the state of an order in Amazon's words.
type Status string

// Amazon's states of an order. Source: Amazon's model orders_2026-01-01.json, FulfillmentStatus.
const (
	PendingAvailability Status = "PENDING_AVAILABILITY"
	Pending             Status = "PENDING"
	Unshipped           Status = "UNSHIPPED"
	PartiallyShipped    Status = "PARTIALLY_SHIPPED"
	Shipped             Status = "SHIPPED"
	Cancelled           Status = "CANCELLED"
	Unfulfillable       Status = "UNFULFILLABLE"

	// NotOpen is ours: Amazon no longer lists the order as open, and what became of it was not read.
	NotOpen Status = "NOT_OPEN"
)

// Statuses lists all states.
var Statuses = [...]Status{PendingAvailability, Pending, Unshipped, PartiallyShipped, Shipped, Cancelled, Unfulfillable}

// Open reports whether Amazon waits for a confirmation.
func (s Status) Open() bool { return s == Unshipped || s == PartiallyShipped }

// Waiting reports whether the order may not be shipped yet.
func (s Status) Waiting() bool { return s == Pending || s == PendingAvailability }

// Item is one line of an order, in units.
type Item struct {
	ID          string `json:"orderItemId"`
	Ordered     int    `json:"ordered"`
	Unfulfilled int    `json:"unfulfilled"`
}

// Order is what is known of one order.
type Order struct {
	Connection   shipment.ConnectionID `json:"connection"`
	Account      shipment.AccountID    `json:"account"`
	ID           string                `json:"amazonOrderId"`
	OwnNumber    string                `json:"ownNumber,omitempty"`
	Status       Status                `json:"status"`
	ServiceLevel string                `json:"serviceLevel,omitempty"`
	Programs     []string              `json:"programs,omitempty"`
	ShipBy       time.Time             `json:"shipBy,omitzero"`
	Items        []Item                `json:"items,omitempty"`
	Packages     int                   `json:"packages,omitempty"` // that Amazon knows
	Source       string                `json:"source"`             // amazon, or the door it was told at
	AsOf         time.Time             `json:"asOf"`               // the moment this was true
}

// FromAmazon is the source of what was read from Amazon itself.
const FromAmazon = "amazon"

// Whole returns the items of a package that takes all that is left of the order, false where they are not known.
func (o Order) Whole() ([]shipment.Item, bool) {
	var out []shipment.Item
	for _, i := range o.Items {
		if i.Unfulfilled > 0 {
			out = append(out, shipment.Item{OrderItemID: i.ID, Quantity: i.Unfulfilled})
		}
	}
	return out, len(out) > 0
}

// Merge returns what is known when news of an order arrive: the newer counts, except that an own number and items are kept
// where the newer does not say any. It reports whether anything changed but the moment.
func Merge(known, news Order) (Order, bool) {
	if known.ID == "" {
		return news, true
	}
	newer, older := news, known
	if news.AsOf.Before(known.AsOf) {
		newer, older = known, news
	}
	if newer.OwnNumber == "" {
		newer.OwnNumber = older.OwnNumber
	}
	if len(newer.Items) == 0 {
		newer.Items = older.Items
	}
	if newer.ShipBy.IsZero() {
		newer.ShipBy = older.ShipBy
	}
	return newer, !same(known, newer)
}

// same compares everything but the moment and who said it.
func same(a, b Order) bool {
	return a.Account == b.Account && a.OwnNumber == b.OwnNumber && a.Status == b.Status && a.ServiceLevel == b.ServiceLevel && a.ShipBy.Equal(b.ShipBy) &&
		a.Packages == b.Packages && slices.Equal(a.Items, b.Items) && slices.Equal(a.Programs, b.Programs)
}

// Normal is an own number as it is compared: carriers' files are not strict about blanks and case.
func Normal(ownNumber string) string {
	return strings.ToUpper(strings.Join(strings.Fields(ownNumber), " "))
}

// Sweep is one reconciliation of a connection with Amazon.
type Sweep struct {
	Connection shipment.ConnectionID                           `json:"connection"`
	StartedAt  time.Time                                       `json:"startedAt"`
	At         time.Time                                       `json:"at"`
	Finished   bool                                            `json:"finished"`
	Since      time.Time                                       `json:"since"`          // changes looked for
	Pages      int                                             `json:"pages"`          // read with searchOrders
	Open       int                                             `json:"open"`           // orders Amazon waits for
	Asked      int                                             `json:"asked"`          // orders read one by one
	Left       int                                             `json:"left,omitempty"` // that could not be asked about
	Found      map[shipment.AccountID]map[shipment.Finding]int `json:"found,omitempty"`
}

// Note counts a finding.
func (s *Sweep) Note(a shipment.AccountID, f shipment.Finding) {
	if s.Found == nil {
		s.Found = map[shipment.AccountID]map[shipment.Finding]int{}
	}
	if s.Found[a] == nil {
		s.Found[a] = map[shipment.Finding]int{}
	}
	s.Found[a][f]++
}
