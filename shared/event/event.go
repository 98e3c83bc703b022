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
	"strings"
	"time"

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

// Shipped is the data of a shipped or an amended event. Absent items mean the whole order. Connection may be left out
// where the account alone decides.
type Shipped struct {
	Connection string               `json:"connection,omitempty"`
	Account    string               `json:"account"`
	Order      string               `json:"amazonOrderId"`
	Package    string               `json:"packageReferenceId,omitempty"`
	ShippedAt  Time                 `json:"shippedAt,omitzero"`
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
	Time            time.Time `json:"time,omitzero"`
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
		return Event{}, blame(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Event{}, fault.New(fault.Invalid, "the event is followed by more text: publish one event per message")
	}
	if e.Data.Package == "" {
		e.Data.Package = "1"
	}
	return e, e.Check()
}

// blame names the field that kept the decoder from going on.
func blame(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fault.Field(strings.TrimPrefix(wrong.Field, "data."), "must not be a %s", wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault.Field(strings.Trim(name, `"`), "is not known: leave it out; nothing about buyers is taken in")
	}
	var parse *time.ParseError
	if errors.As(err, &parse) {
		return fault.Field("time", "%q is not a time: write 2026-11-20T14:03:00Z", parse.Value)
	}
	return fault.Wrap(fault.Invalid, err, "the event is not usable JSON")
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
