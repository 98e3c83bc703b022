package page

import (
	"time"

	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Open is the list of orders that Amazon waits for.
type Open struct {
	Frame
	Accounts []Option
	Account  string
	All      bool // also those that were reported here
	Rows     []OpenRow
	Next     string // address of the next page
	AsOf     []OpenAsOf
	Empty    string // why there are no rows: a key of the catalogue
	Problem  *Sentence
}

// OpenRow is one order that Amazon waits for.
type OpenRow struct {
	orders.Order
	Packages    []shipment.Shipment // that were reported of it here
	AccountName string
	Zone        *time.Location
	Due         string // late or soon
	Units       int    // left to ship
	ShipURL     string // where it is marked as shipped; "" where the visitor may not
}

// OpenAsOf says how far what is known of a connection's orders goes.
type OpenAsOf struct {
	Name string
	At   time.Time // zero: never compared
	Open int
}

// NewOpenRow prepares an open order for the list.
func NewOpenRow(x orders.Order, packages []shipment.Shipment, account string, now time.Time, zone *time.Location) OpenRow {
	r := OpenRow{Order: x, Packages: packages, AccountName: account, Zone: zone, Due: nearness(x.ShipBy, now)}
	for _, i := range x.Items {
		r.Units += i.Unfulfilled
	}
	return r
}

// URL is the page of a package that was reported.
func (r OpenRow) URL(s shipment.Shipment) string { return OrderURL(s.Key) }
