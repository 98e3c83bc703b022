// Package event is the wire form of what senders tell Fertig: CloudEvents 1.0 in structured JSON, versioned by type. It
// owns encoding, decoding and the checks every door makes, and guarantees that what Decode returns is usable and that
// an event once published can be decoded for ever (the golden files under testdata are never changed). It does not
// know accounts, age limits or what is already known: that is intake's business. Fields about buyers do not exist, and
// unknown fields are refused so that none can slip in.
package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// The event types senders may publish.
const (
	TypeShipped   = "fertig.order.shipped.v1"
	TypeAmended   = "fertig.order.amended.v1"
	TypeWithdrawn = "fertig.order.withdrawn.v1"
)

// MaxBytes bounds one encoded event.
const MaxBytes = 64 << 10

// Time is an instant, or a date that stands for the end of that day in the account's zone.
type Time struct {
	time.Time
	DateOnly bool
}

// MarshalJSON writes RFC 3339, or just the date where no time was given.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.DateOnly {
		return json.Marshal(t.Format(time.DateOnly))
	}
	return json.Marshal(t.UTC().Format(time.RFC3339Nano))
}

// UnmarshalJSON reads RFC 3339 with a zone, or a date.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a time is a string such as 2026-11-20T14:03:00+01:00")
	}
	parsed, err := ParseTime(s)
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// ParseTime reads RFC 3339 with a zone, or a date as 2026-11-20.
func ParseTime(s string) (Time, error) {
	if d, err := time.Parse(time.DateOnly, s); err == nil {
		return Time{Time: d, DateOnly: true}, nil
	}
	d, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Time{}, fmt.Errorf("%q is not a time: write 2026-11-20T14:03:00+01:00 or 2026-11-20", s)
	}
	return Time{Time: d}, nil
}

// In returns the instant: the time itself, or the last second of the date in loc.
func (t Time) In(loc *time.Location) time.Time {
	if !t.DateOnly || t.IsZero() {
		return t.Time
	}
	y, m, d := t.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, loc).Add(-time.Second)
}

// Shipped is the data of a shipped or an amended event. Absent items mean the whole order. Connection may be left out
// where the account alone decides.
type Shipped struct {
	Connection string               `json:"connection,omitempty"`
	Account    string               `json:"account"`
	Order      string               `json:"amazonOrderId"`
	Package    string               `json:"packageReferenceId,omitempty"`
	ShippedAt  Time                 `json:"shippedAt"`
	ShipBy     *Time                `json:"shipBy,omitempty"`
	Carrier    string               `json:"carrier,omitempty"`
	Service    string               `json:"service,omitempty"`
	Tracking   string               `json:"trackingNumber,omitempty"`
	Items      []shipment.Item      `json:"items,omitempty"`
	Label      shipment.LabelSource `json:"labelSource,omitempty"`
	Programs   []string             `json:"programs,omitempty"`
	Reference  string               `json:"reference,omitempty"`
	Source     string               `json:"source"`
}

// Event is one CloudEvent of Fertig. A withdrawn event needs only account, order, package and source in its data.
type Event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"` // URI reference of the producer
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype,omitempty"`
	Data            Shipped   `json:"data"`
}

// New wraps data in an envelope. id is the sender's; a repeated id with the same content is harmless.
func New(typ, id, producer string, at time.Time, data Shipped) Event {
	if data.Package == "" {
		data.Package = "1"
	}
	return Event{SpecVersion: "1.0", ID: id, Source: producer, Type: typ, Subject: data.Order + "/" + data.Package,
		Time: at.UTC(), DataContentType: "application/json", Data: data}
}

// Encode writes the event as one line of JSON.
func Encode(e Event) ([]byte, error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	if len(b) > MaxBytes {
		return nil, fault.New(fault.Invalid, "the event is %d bytes long: at most %d are allowed", len(b), MaxBytes)
	}
	return b, nil
}

// Decode reads and checks one event. All that is wrong is reported at once; each problem names the field.
func Decode(b []byte) (Event, error) {
	if len(b) > MaxBytes {
		return Event{}, fault.New(fault.Invalid, "the event is %d bytes long: at most %d are allowed", len(b), MaxBytes)
	}
	var e Event
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, fault.Wrap(fault.Invalid, err, "the event is not usable JSON")
	}
	if _, err := d.Token(); err != io.EOF {
		return Event{}, fault.New(fault.Invalid, "the event is followed by more text: publish one event per message")
	}
	if e.Data.Package == "" {
		e.Data.Package = "1"
	}
	return e, errors.Join(e.envelope(), e.Data.Check(e.Type))
}

func (e Event) envelope() error {
	switch {
	case e.SpecVersion != "1.0":
		return fault.Field("specversion", "must be \"1.0\"")
	case e.ID == "":
		return fault.Field("id", "is missing: give every event an id of its own")
	case e.Source == "":
		return fault.Field("source", "is missing: name the producer, for example /erp/warehouse-2")
	case e.Type != TypeShipped && e.Type != TypeAmended && e.Type != TypeWithdrawn:
		return fault.Field("type", "%q is not known: use %s, %s or %s", e.Type, TypeShipped, TypeAmended, TypeWithdrawn)
	}
	return nil
}

var spaces = regexp.MustCompile(`\s`)

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
	if typ == TypeWithdrawn {
		return errors.Join(errs...)
	}
	if s.ShippedAt.IsZero() {
		bad("shippedAt", "is missing: when did the parcel leave?")
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
		if n := len([]rune(f.value)); n > f.max {
			errs = append(errs, fault.Field(f.name, "is %d characters long: at most %d are allowed", n, f.max))
		}
		if strings.ContainsFunc(f.value, unicode.IsControl) || strings.TrimSpace(f.value) != f.value {
			errs = append(errs, fault.Field(f.name, "has blanks around it or control characters inside: remove them"))
		}
	}
	if spaces.MatchString(s.Tracking) {
		errs = append(errs, fault.Field("trackingNumber", "%q has a blank inside: remove it", s.Tracking))
	}
	if len(s.Programs) > 20 {
		errs = append(errs, fault.Field("programs", "has %d entries: at most 20 are allowed", len(s.Programs)))
	}
	return errors.Join(errs...)
}

func (s Shipped) checkItems() error {
	var errs []error
	seen := map[string]bool{}
	if len(s.Items) > 500 {
		return fault.Field("items", "has %d entries: at most 500 are allowed", len(s.Items))
	}
	for i, it := range s.Items {
		field := fmt.Sprintf("items[%d]", i)
		switch {
		case it.OrderItemID == "" || len(it.OrderItemID) > 50 || spaces.MatchString(it.OrderItemID):
			errs = append(errs, fault.Field(field+".orderItemId", "is missing or unusable: take it from the Amazon order"))
		case seen[it.OrderItemID]:
			errs = append(errs, fault.Field(field+".orderItemId", "%q occurs twice: add the quantities up", it.OrderItemID))
		}
		if it.Quantity < 1 || it.Quantity > 1_000_000 {
			errs = append(errs, fault.Field(field+".quantity", "is %d: at least 1", it.Quantity))
		}
		seen[it.OrderItemID] = true
	}
	return errors.Join(errs...)
}

// ToData turns the wire form into the domain's, with dates read in the account's zone.
func (s Shipped) ToData(zone *time.Location) shipment.Data {
	d := shipment.Data{
		ShippedAt: s.ShippedAt.In(zone).UTC(), Carrier: s.Carrier, Service: s.Service, Tracking: s.Tracking, Items: s.Items,
		LabelSource: s.Label, Programs: s.Programs, Reference: s.Reference, Source: s.Source,
	}
	if s.ShipBy != nil {
		d.ShipBy = s.ShipBy.In(zone).UTC()
	}
	return d
}
