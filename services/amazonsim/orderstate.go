package amazonsim

import (
	"slices"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

// orderState is an order with what getOrder may show of it. Slices of the order are replaced, never
// changed in place, so that what was shown to a reader stays as it was.
type orderState struct {
	Order
	coming []Package // Amazon's own packages that lie in the future, earliest first
	shown  Order
	views  []view // what becomes visible later, earliest first
	tries  map[string]int
}

type view struct {
	from  time.Time
	order Order
}

func newOrderState(o Order, now time.Time) *orderState {
	given := o.Packages
	o.Packages = nil
	elsewhere := o.Status == Shipped && len(given) == 0
	for i := range o.Items {
		if o.Items[i].Fulfilled = 0; elsewhere {
			o.Items[i].Fulfilled = o.Items[i].Quantity
		}
	}
	s := &orderState{Order: o, tries: map[string]int{}}
	for _, p := range given {
		p.Origin = orElse(p.Origin, OriginAmazon)
		p.Status = orElse(p.Status, "SHIPPED")
		if p.CreatedAt.IsZero() {
			p.CreatedAt = o.CreatedAt
		}
		s.coming = append(s.coming, p)
	}
	slices.SortStableFunc(s.coming, func(a, b Package) int { return a.CreatedAt.Compare(b.CreatedAt) })
	s.settle(now, 0, false)
	s.shown, s.views = s.Order, nil // what was loaded is old news
	return s
}

// settle lets happen what was due by now: Amazon's own packages and its cancellation of late orders.
func (s *orderState) settle(now time.Time, delay time.Duration, autoCancel bool) {
	for len(s.coming) > 0 && !s.coming[0].CreatedAt.After(now) {
		p := s.coming[0]
		s.coming = s.coming[1:]
		if len(p.Items) == 0 {
			p.Items = s.unitsLeft()
		}
		s.put(p, p.CreatedAt, delay)
	}
	if !autoCancel || s.Status != Unshipped || s.ShipBy.Latest.IsZero() {
		return
	}
	if at := afterBusinessDays(s.ShipBy.Latest, 7); !at.After(now) {
		s.Status, s.CancelledBy, s.UpdatedAt = Cancelled, "AMAZON", at
		s.publish(at, delay)
	}
}

// put adds or replaces the package and counts the units again.
func (s *orderState) put(p Package, now time.Time, delay time.Duration) {
	packages := slices.Clone(s.Packages)
	items := slices.Clone(s.Items)
	if i := s.find(p.Reference); i >= 0 {
		count(items, packages[i].Items, -1)
		packages[i] = p
	} else {
		packages = append(packages, p)
	}
	count(items, p.Items, 1)
	s.Packages, s.Items, s.UpdatedAt = packages, items, now
	if s.Status == Unshipped || s.Status == PartiallyShipped || s.Status == Shipped {
		s.Status = statusOf(items)
	}
	s.publish(now, delay)
}

func (s *orderState) publish(now time.Time, delay time.Duration) {
	if delay <= 0 {
		s.shown, s.views = s.Order, nil
		return
	}
	s.views = append(s.views, view{from: now.Add(delay), order: s.Order})
}

// visible is the order as a read at now sees it.
func (s *orderState) visible(now time.Time) Order {
	for len(s.views) > 0 && !s.views[0].from.After(now) {
		s.shown, s.views = s.views[0].order, s.views[1:]
	}
	return s.shown
}

func (s *orderState) find(reference string) int {
	return slices.IndexFunc(s.Packages, func(p Package) bool { return p.Reference == reference })
}

func (s *orderState) unitsLeft() []PackageItem {
	var left []PackageItem
	for _, item := range s.Items {
		if n := item.Quantity - item.Fulfilled; n > 0 {
			left = append(left, PackageItem{ItemID: item.ID, Quantity: n})
		}
	}
	return left
}

// refuseState names why an order in this state takes no confirmation at all, or "".
func (s *orderState) refuseState() Text {
	switch {
	case s.Status == Cancelled:
		return TextCancelled
	case s.Status == Pending, s.Status == PendingAvailability:
		return TextPending
	case s.Status == Unfulfillable:
		return TextUnfulfillable
	case s.FulfilledBy == "AMAZON":
		return TextFulfilledByAmazon
	case slices.Contains(s.Programs, ProgramShipPlus):
		return TextShipPlus
	}
	return ""
}

// refuseUnits names why the units of a package do not fit the order, or "". A package that is known by
// its reference gives its own units back first.
func (s *orderState) refuseUnits(p wire.PackageDetail, editCap int) Text {
	items := slices.Clone(s.Items)
	known := s.find(p.PackageReferenceID)
	if known >= 0 {
		count(items, s.Packages[known].Items, -1)
	}
	for _, wanted := range p.Items {
		i := slices.IndexFunc(items, func(item Item) bool { return item.ID == wanted.OrderItemID })
		if i < 0 {
			return TextItem
		}
		items[i].Fulfilled += wanted.Quantity
	}
	switch {
	case known < 0 && s.Status == Shipped:
		return TextAlreadyFulfilled
	case known >= 0 && s.Packages[known].Edits >= editCap:
		return TextEditCap
	case slices.ContainsFunc(items, func(item Item) bool { return item.Fulfilled > item.Quantity }):
		return TextOverfulfilment
	}
	return ""
}

func count(items []Item, units []PackageItem, sign int) {
	for _, u := range units {
		for i := range items {
			if items[i].ID == u.ItemID {
				items[i].Fulfilled += sign * u.Quantity
			}
		}
	}
}

func statusOf(items []Item) Status {
	some, all := false, true
	for _, item := range items {
		some = some || item.Fulfilled > 0
		all = all && item.Fulfilled >= item.Quantity
	}
	switch {
	case all:
		return Shipped
	case some:
		return PartiallyShipped
	}
	return Unshipped
}

func afterBusinessDays(t time.Time, days int) time.Time {
	for days > 0 {
		t = t.AddDate(0, 0, 1)
		if d := t.Weekday(); d != time.Saturday && d != time.Sunday {
			days--
		}
	}
	return t
}
