package amazonsim

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Status is an order's fulfilment status, in the words of Orders API 2026-01-01.
type Status string

// The statuses. PartiallyShipped and Shipped follow from the packages; an order loaded as Shipped without
// packages was confirmed by some other way.
const (
	PendingAvailability Status = "PENDING_AVAILABILITY"
	Pending             Status = "PENDING"
	Unshipped           Status = "UNSHIPPED"
	PartiallyShipped    Status = "PARTIALLY_SHIPPED"
	Shipped             Status = "SHIPPED"
	Cancelled           Status = "CANCELLED"
	Unfulfillable       Status = "UNFULFILLABLE"
)

// ProgramShipPlus marks an order that Amazon confirms itself and that confirmShipment refuses.
const ProgramShipPlus = "FBM_SHIP_PLUS"

// Order is an order as it is loaded and as Orders reports it. There is no buyer in it.
type Order struct {
	ID            string    `json:"id"`                      // 3-7-7 characters
	Seller        string    `json:"seller,omitempty"`        // the first account's unless given
	MarketplaceID string    `json:"marketplaceId,omitempty"` // Germany unless given
	OwnNumber     string    `json:"ownNumber,omitempty"`     // the seller's own, an alias of the order
	ServiceLevel  string    `json:"serviceLevel,omitempty"`  // such as STANDARD or NEXT_DAY
	Status        Status    `json:"status,omitempty"`        // Unshipped unless given
	FulfilledBy   string    `json:"fulfilledBy,omitempty"`   // MERCHANT (default) or AMAZON
	Programs      []string  `json:"programs,omitempty"`
	Items         []Item    `json:"items"`
	ShipBy        Window    `json:"shipBy,omitzero"`
	CreatedAt     time.Time `json:"createdAt,omitzero"`
	UpdatedAt     time.Time `json:"updatedAt,omitzero"`
	CancelledBy   string    `json:"cancelledBy,omitempty"` // BUYER, MERCHANT or AMAZON
	// Packages are what was confirmed. A package that is loaded with the order stands for a label bought
	// from Amazon, which Amazon confirms itself; with a CreatedAt to come it appears at that time.
	Packages []Package `json:"packages,omitempty"`
}

// Item is a line of an order.
type Item struct {
	ID        string   `json:"orderItemId"`
	Quantity  int      `json:"quantity"`
	Fulfilled int      `json:"fulfilled,omitempty"` // units in packages
	SKU       string   `json:"sku,omitempty"`
	ASIN      string   `json:"asin,omitempty"`
	Programs  []string `json:"programs,omitempty"`
}

// Window is a span of time; either end may be open.
type Window struct {
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}

// Package is a confirmed package.
type Package struct {
	Reference      string        `json:"packageReferenceId"` // any text when Amazon gave it
	Carrier        string        `json:"carrier,omitempty"`
	CarrierName    string        `json:"carrierName,omitempty"`
	ShippingMethod string        `json:"shippingMethod,omitempty"`
	TrackingNumber string        `json:"trackingNumber,omitempty"`
	ShipDate       time.Time     `json:"shipDate,omitzero"`
	CreatedAt      time.Time     `json:"createdAt,omitzero"`
	Status         string        `json:"status,omitempty"` // SHIPPED unless given
	Items          []PackageItem `json:"items,omitempty"`  // none means all units left
	Edits          int           `json:"edits,omitempty"`  // how often it was sent again
	Origin         PackageOrigin `json:"origin,omitempty"`
}

// PackageItem is how many units of a line a package holds.
type PackageItem struct {
	ItemID            string   `json:"orderItemId"`
	Quantity          int      `json:"quantity"`
	TransparencyCodes []string `json:"transparencyCodes,omitempty"`
}

// PackageOrigin tells who confirmed a package.
type PackageOrigin string

// A package came from confirmShipment or was there by itself.
const (
	OriginCall   PackageOrigin = "confirmShipment"
	OriginAmazon PackageOrigin = "amazon"
)

var orderIDForm = regexp.MustCompile(`^\w{3}-\w{7}-\w{7}$`)

// prepared checks a loaded order and fills in what was left out.
func (o Order) prepared(seller string, now time.Time) (Order, error) {
	if !orderIDForm.MatchString(o.ID) {
		return o, fmt.Errorf("order.id is %q: use the 3-7-7 form, such as 302-1234567-1234567", o.ID)
	}
	o.Seller = orElse(o.Seller, seller)
	o.MarketplaceID = orElse(o.MarketplaceID, "A1PA6795UKMFR9")
	o.FulfilledBy = orElse(o.FulfilledBy, "MERCHANT")
	o.Status = orElse(o.Status, Unshipped)
	if o.CreatedAt.IsZero() {
		o.CreatedAt = now
	}
	if o.UpdatedAt.IsZero() {
		o.UpdatedAt = o.CreatedAt
	}
	switch o.Status {
	case PendingAvailability, Pending, Unshipped, PartiallyShipped, Shipped, Cancelled, Unfulfillable:
	default:
		return o, fmt.Errorf("order %s: status is %q: use a fulfilment status such as UNSHIPPED", o.ID, o.Status)
	}
	if o.FulfilledBy != "MERCHANT" && o.FulfilledBy != "AMAZON" {
		return o, fmt.Errorf("order %s: fulfilledBy is %q: use MERCHANT or AMAZON", o.ID, o.FulfilledBy)
	}
	if len(o.Items) == 0 {
		return o, fmt.Errorf("order %s: items is empty: name at least one", o.ID)
	}
	o.Items = slices.Clone(o.Items)
	for i, item := range o.Items {
		if item.ID == "" || item.Quantity < 1 {
			return o, fmt.Errorf("order %s: items[%d] needs an orderItemId and a quantity of 1 or more", o.ID, i)
		}
		if slices.ContainsFunc(o.Items[:i], func(other Item) bool { return other.ID == item.ID }) {
			return o, fmt.Errorf("order %s: items[%d] repeats orderItemId %q", o.ID, i, item.ID)
		}
	}
	return o, nil
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}
