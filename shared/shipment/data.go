package shipment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Diff lists the fields in which two versions of a shipment's data differ, with both values as people read them.
func Diff(old, new Data) []Change {
	var out []Change
	add := func(field, o, n string) {
		if o != n {
			out = append(out, Change{Field: field, Old: o, New: n})
		}
	}
	add("shippedAt", stamp(old.ShippedAt), stamp(new.ShippedAt))
	add("shipBy", stamp(old.ShipBy), stamp(new.ShipBy))
	add("carrier", old.Carrier, new.Carrier)
	add("service", old.Service, new.Service)
	add("trackingNumber", old.Tracking, new.Tracking)
	add("items", items(old.Items), items(new.Items))
	add("labelSource", label(old.LabelSource), label(new.LabelSource))
	add("programs", set(old.Programs), set(new.Programs))
	add("reference", old.Reference, new.Reference)
	return out
}

// Differs lists the fields in which a second report contradicts what is known. The door it came through is not content,
// and neither is the own reference or ship-by where only one of the two reports has it, or ship-by that was learned from
// somebody else.
func Differs(known, reported Data) []Change {
	for _, opt := range []struct{ a, b *string }{
		{&known.Reference, &reported.Reference}, {&known.Service, &reported.Service},
	} {
		if *opt.a == "" || *opt.b == "" {
			*opt.a, *opt.b = "", ""
		}
	}
	if known.ShipBy.IsZero() || reported.ShipBy.IsZero() || known.ShipByFrom != "" {
		known.ShipBy, reported.ShipBy = time.Time{}, time.Time{}
	}
	return Diff(known, reported)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func label(l LabelSource) string {
	if l == "" {
		return string(LabelUnknown)
	}
	return string(l)
}

// set writes words whose order means nothing.
func set(words []string) string {
	sorted := slices.Clone(words)
	slices.Sort(sorted)
	return strings.Join(sorted, " ")
}

func items(in []Item) string {
	parts := make([]string, 0, len(in))
	for _, i := range in {
		p := fmt.Sprintf("%s×%d", i.OrderItemID, i.Quantity)
		if len(i.TransparencyCodes) > 0 {
			p += "[" + set(i.TransparencyCodes) + "]"
		}
		parts = append(parts, p)
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// ValidID reports whether s can name a connection or an account: 1 to 40 of [A-Z0-9_-].
func ValidID(s string) bool {
	return len(s) > 0 && len(s) <= 40 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// ValidPackage reports whether s can be a packageReferenceId: a positive number without leading zeros, at most 20 digits.
// Amazon refuses others: "PackageReferenceId: is invalid, must be a positive numeric value."
func ValidPackage(s string) bool {
	if s == "" || len(s) > 20 || s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// ValidOrder reports whether s has the form of an Amazon order id: three groups of 3, 7 and 7 digits. Special order types
// have capital letters in the first group, so those are let through there.
func ValidOrder(s string) bool {
	p := strings.Split(s, "-")
	if len(p) != 3 || len(p[0]) != 3 || len(p[1]) != 7 || len(p[2]) != 7 {
		return false
	}
	return strings.Trim(p[0], "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == "" && digits(p[1]) && digits(p[2])
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// ParseKey reads what Key.String writes.
func ParseKey(s string) (Key, error) {
	p := strings.Split(s, "/")
	if len(p) != 3 || !ValidID(p[0]) || !ValidOrder(p[1]) || !ValidPackage(p[2]) {
		return Key{}, fmt.Errorf("shipment key %s: want connection/order/package", strconv.Quote(s))
	}
	return Key{Connection: ConnectionID(p[0]), Order: p[1], Package: p[2]}, nil
}
