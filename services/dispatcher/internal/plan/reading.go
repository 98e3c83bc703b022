package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Order is what Amazon shows of an order; nothing about the buyer.
type Order struct {
	Found        bool
	ID           string
	OwnNumber    string // the seller's own
	Marketplace  string // id
	Status       string // UNSHIPPED, PARTIALLY_SHIPPED, SHIPPED, CANCELLED, PENDING ...
	FulfilledBy  string // MERCHANT or AMAZON
	ServiceLevel string
	Programs     []string
	ShipBy       time.Time
	LastUpdated  time.Time
	Items        []OrderItem
	Packages     []Package
}

// OrderItem is one item with what is ordered and not yet shipped.
type OrderItem struct {
	ID          string
	Ordered     int
	Unfulfilled int
}

// Package is a package Amazon knows.
type Package struct {
	Reference string
	Carrier   string
	Tracking  string
}

// Reading is what one look at an order proves about a shipment.
type Reading struct {
	To      shipment.State // "" while nothing is proven
	Kind    shipment.Kind
	Missing bool // the package was not there
	Settled bool // and it will not come any more
	Text    string
}

// Timing bounds the conclusions drawn from a reading that does not show the package: Amazon's reading side lags behind.
type Timing struct {
	After time.Duration // first reading, counted from the doubt
	Again time.Duration // between two readings
}

// Due returns when a shipment in doubt is to be asked about next.
func (t Timing) Due(q shipment.Inquiry) time.Time {
	switch {
	case q.LastAsked.IsZero():
		return q.Since.Add(t.After)
	case q.NotThere.IsZero():
		return q.LastAsked.Add(t.After)
	}
	return q.LastAsked.Add(t.Again)
}

// Read concludes what an order read at now says about a shipment in doubt.
func Read(s shipment.Shipment, o Order, now time.Time, t Timing) Reading {
	if r := Facts(s, o); r.To != "" {
		return r
	}
	if answered(s) {
		return Reading{To: shipment.Deferred, Kind: shipment.Rejected, Text: "Amazon refused it and shows the order as " + status(o)}
	}
	r := Reading{Missing: true, Text: "package " + s.Package + " is not there, order " + status(o)}
	q := s.Inquiry
	switch {
	case q == nil:
	case o.Found && o.Status == "UNSHIPPED" && s.Attempt != nil && o.LastUpdated.After(s.Attempt.AnswerBy):
		r.Settled = true // Amazon has written the order since and still shows nothing
	case !q.NotThere.IsZero() && !now.Before(q.NotThere.Add(t.Again)):
		r.Settled = true
	}
	if r.Settled {
		r.Text += ": it was not taken in, the same request may be sent again"
	}
	return r
}

// Facts concludes only what the order shows for certain, which holds for shipments in any state.
func Facts(s shipment.Shipment, o Order) Reading {
	if !o.Found {
		return Reading{}
	}
	if s.Attempt != nil && s.Attempt.Correction {
		return edit(s, o)
	}
	if i := slices.IndexFunc(o.Packages, func(p Package) bool { return s.EverSent && p.Reference == s.Package }); i >= 0 {
		return Reading{To: shipment.Confirmed, Text: "Amazon shows package " + s.Package + ", tracking " + o.Packages[i].Tracking}
	}
	if slices.ContainsFunc(o.Packages, func(p Package) bool {
		return s.Data.Tracking != "" && strings.EqualFold(p.Tracking, s.Data.Tracking)
	}) {
		return Reading{To: shipment.Confirmed, Kind: shipment.Elsewhere, Text: "Amazon shows the parcel under another package number"}
	}
	switch {
	case o.Status == "SHIPPED":
		return Reading{To: shipment.Confirmed, Kind: shipment.Elsewhere, Text: "Amazon shows the order as shipped by another way"}
	case o.Status == "CANCELLED":
		return Reading{To: shipment.Closed, Kind: shipment.Cancelled, Text: "Amazon shows the order as cancelled"}
	case slices.Contains(o.Programs, shipPlus):
		return Reading{To: shipment.NotRequired, Text: "Ship+ orders need no confirmation"}
	case o.FulfilledBy == "AMAZON" || slices.Contains(o.Programs, easyShip):
		return Reading{To: shipment.NotRequired, Text: "Amazon ships this order itself"}
	}
	return Reading{}
}

// edit concludes whether an edit of our package has arrived: the package was there before.
func edit(s shipment.Shipment, o Order) Reading {
	if slices.ContainsFunc(o.Packages, func(p Package) bool {
		return p.Reference == s.Package && strings.EqualFold(p.Tracking, s.Data.Tracking)
	}) {
		return Reading{To: shipment.Confirmed, Text: "Amazon shows package " + s.Package + " with tracking " + s.Data.Tracking}
	}
	return Reading{}
}

// answered reports whether the open attempt was refused with words, so that sending it again would only be refused again.
func answered(s shipment.Shipment) bool {
	return s.Attempt != nil && s.Answer != nil && s.Answer.Status >= 400 && s.Answer.Status < 500 && !s.Answer.At.Before(s.Attempt.At)
}

func status(o Order) string {
	if !o.Found {
		return "unknown"
	}
	return fmt.Sprintf("%s (%d packages)", o.Status, len(o.Packages))
}

// WholeOrder returns the items of a package that takes all that is left of the order.
func WholeOrder(o Order) []shipment.Item {
	var out []shipment.Item
	for _, i := range o.Items {
		if i.Unfulfilled > 0 {
			out = append(out, shipment.Item{OrderItemID: i.ID, Quantity: i.Unfulfilled})
		}
	}
	return out
}
