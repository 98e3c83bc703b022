package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Check reports everything that is wrong with the envelope and the data, joined; nil when the event is usable.
func (e Event) Check() error {
	return errors.Join(e.envelope(TypeShipped, TypeAmended, TypeWithdrawn), e.Data.Check(e.Type))
}

func (e Event) envelope(types ...string) error {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, fault.Field(field, format, args...)) }
	if e.SpecVersion != "1.0" {
		bad("specversion", "must be \"1.0\"")
	}
	for _, f := range []struct{ name, value, hint string }{
		{"id", e.ID, "give every event an id of its own"}, {"source", e.Source, "name the producer, for example /erp/warehouse-2"},
	} {
		if f.value == "" {
			bad(f.name, "is missing: %s", f.hint)
		} else if len(f.value) > 200 || !plain(f.value) && strings.ContainsFunc(f.value, unicode.IsControl) {
			bad(f.name, "must be at most 200 bytes long and free of control characters")
		}
	}
	if !slices.Contains(types, e.Type) {
		bad("type", "%q is not known: use %s", e.Type, strings.Join(types, ", "))
	}
	return errors.Join(errs...)
}

// plain reports whether s is printable ASCII without blanks around it, as nearly every text is: then there is nothing to
// look for.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s == "" || s[0] != ' ' && s[len(s)-1] != ' '
}

// word reports whether s is 1 to most characters without blanks or control characters.
func word(s string, most int) bool {
	return s != "" && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, blank)
}

func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// Check reports everything in the data that no shipment can have, joined; nil when it is usable. typ is the event type.
func (s Shipped) Check(typ string) error {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, fault.Field(field, format, args...)) }
	if s.Account == "" {
		bad("account", "is missing")
	} else if !shipment.ValidID(s.Account) {
		bad("account", "%q is not an account: capital letters, digits, _ and - only", s.Account)
	}
	if s.Connection != "" && !shipment.ValidID(s.Connection) {
		bad("connection", "%q is not a connection: capital letters, digits, _ and - only", s.Connection)
	}
	if !shipment.ValidOrder(s.Order) {
		bad("amazonOrderId", "%q is not an Amazon order id: it looks like 302-1234567-1234567", s.Order)
	}
	if !shipment.ValidPackage(s.Package) {
		bad("packageReferenceId", "%q must be a positive number", s.Package)
	}
	if typ != TypeWithdrawn || !s.ShippedAt.absent() {
		errs = append(errs, s.ShippedAt.check("shippedAt"))
	}
	if s.ShipBy != nil {
		errs = append(errs, s.ShipBy.check("shipBy"))
	}
	errs = append(errs, s.texts(), s.checkItems())
	if s.Source == "" || strings.Trim(s.Source, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		bad("source", "%q must name the door in small letters: service, api, hand or import", s.Source)
	}
	switch s.Label {
	case "", shipment.LabelOwn, shipment.LabelAmazon, shipment.LabelUnknown:
	default:
		bad("labelSource", "%q must be own, amazon or unknown", s.Label)
	}
	return errors.Join(errs...)
}

// texts checks the free texts. The limits are those of Amazon's order fulfillment feed, 50 characters a field.
func (s Shipped) texts() error {
	var errs []error
	for _, f := range []struct {
		name, value string
		max         int
	}{
		{"carrier", s.Carrier, 50}, {"service", s.Service, 50}, {"trackingNumber", s.Tracking, 50},
		{"reference", s.Reference, 100}, {"source", s.Source, 20},
	} {
		if n := utf8.RuneCountInString(f.value); n > f.max {
			errs = append(errs, fault.Field(f.name, "is %d characters long: at most %d are allowed", n, f.max))
		}
		if plain(f.value) {
			continue
		}
		if strings.ContainsFunc(f.value, unicode.IsControl) || strings.TrimSpace(f.value) != f.value {
			errs = append(errs, fault.Field(f.name, "has blanks around it or control characters inside: remove them"))
		}
	}
	if strings.ContainsFunc(s.Tracking, unicode.IsSpace) {
		errs = append(errs, fault.Field("trackingNumber", "%q has a blank inside: remove it", s.Tracking))
	}
	if len(s.Programs) > 20 {
		errs = append(errs, fault.Field("programs", "has %d entries: at most 20 are allowed", len(s.Programs)))
	}
	for i, p := range s.Programs {
		if !word(p, 50) {
			errs = append(errs, fault.Field(fmt.Sprintf("programs[%d]", i), "must be one word of at most 50 characters"))
		}
	}
	return errors.Join(errs...)
}

func (s Shipped) checkItems() error {
	var errs []error
	var seen map[string]bool
	if len(s.Items) > 1 {
		seen = make(map[string]bool, len(s.Items))
	}
	if len(s.Items) > 500 {
		return fault.Field("items", "has %d entries: at most 500 are allowed", len(s.Items))
	}
	for i, it := range s.Items {
		field := func(name string) string { return fmt.Sprintf("items[%d].%s", i, name) }
		switch {
		case !word(it.OrderItemID, 50):
			errs = append(errs, fault.Field(field("orderItemId"), "is missing or unusable: take it from the Amazon order"))
		case seen[it.OrderItemID]:
			errs = append(errs, fault.Field(field("orderItemId"), "%q occurs twice: add the quantities up", it.OrderItemID))
		}
		if it.Quantity < 1 || it.Quantity > 1_000_000 {
			errs = append(errs, fault.Field(field("quantity"), "is %d: must lie between 1 and 1000000", it.Quantity))
		}
		for j, c := range it.TransparencyCodes {
			if !word(c, 100) {
				errs = append(errs, fault.Field(field(fmt.Sprintf("transparencyCodes[%d]", j)), "must be one word of at most 100 characters"))
			}
		}
		if seen != nil {
			seen[it.OrderItemID] = true
		}
	}
	return errors.Join(errs...)
}
