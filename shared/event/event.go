// Package event is the wire form of what senders tell Fertig: CloudEvents 1.0 in structured JSON, versioned by type. It
// owns encoding, decoding and the checks every door makes, and guarantees that what Decode returns is usable and that
// an event once published can be decoded for ever (the golden files under testdata are never changed). It does not
// know accounts, age limits or what is already known: that is intake's business. Fields about buyers do not exist, and
// unknown fields are refused so that none can slip in.
package event

import (
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// The event types senders may publish.
const (
	TypeShipped   = "fertig.order.shipped.v1"
	TypeAmended   = "fertig.order.amended.v1"
	TypeWithdrawn = "fertig.order.withdrawn.v1"
)

// MaxBytes bounds one encoded event, MaxTogether a message of several.
const (
	MaxBytes    = 64 << 10
	MaxTogether = 512 << 10
)

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
