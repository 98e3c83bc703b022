package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// TypeKnown is the type of events that tell of orders before anything of them is shipped.
const TypeKnown = "fertig.order.known.v1"

// Known is the data of such an event: what a sender knows of an order at the time of the event. Connection may be left
// out where the account alone decides.
type Known struct {
	Connection   string      `json:"connection,omitempty"`
	Account      string      `json:"account"`
	Order        string      `json:"amazonOrderId"`
	OwnNumber    string      `json:"ownNumber,omitempty"`
	Status       string      `json:"status,omitempty"` // in Amazon's words; default UNSHIPPED
	ServiceLevel string      `json:"serviceLevel,omitempty"`
	Programs     []string    `json:"programs,omitempty"`
	ShipBy       *Time       `json:"shipBy,omitempty"`
	Items        []KnownItem `json:"items,omitempty"` // all that is not shipped yet
	Source       string      `json:"source"`
}

// KnownItem is one line of an order, in units.
type KnownItem struct {
	OrderItemID string `json:"orderItemId"`
	Quantity    int    `json:"quantity"`
}

// KnownEvent is one CloudEvent that tells of an order.
type KnownEvent struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"`
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject,omitempty"`
	Time            time.Time `json:"time,omitzero"`
	DataContentType string    `json:"datacontenttype,omitempty"`
	Data            Known     `json:"data"`
}

// DecodedKnown is one such event of a message, or what is wrong with it.
type DecodedKnown struct {
	Event KnownEvent
	Err   error
}

// TellsOfOrders reports whether a message is about orders that are known and not about shipments. A message is one or the
// other.
func TellsOfOrders(b []byte) bool {
	if !bytes.Contains(b, []byte(TypeKnown)) { // nearly all messages
		return false
	}
	var one struct {
		Type string `json:"type"`
	}
	var all []struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(b, &one) == nil {
		return one.Type == TypeKnown
	}
	return json.Unmarshal(b, &all) == nil && len(all) > 0 && all[0].Type == TypeKnown
}

// DecodeKnown reads a message that holds one event, or a JSON array of several; there is at least one result, and one that
// cannot be used does not hold up the others.
func DecodeKnown(b []byte) []DecodedKnown {
	parts := []json.RawMessage{b}
	if bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("[")) {
		if err := json.Unmarshal(b, &parts); err != nil {
			return []DecodedKnown{{Err: fault.Wrap(fault.Invalid, err, "the list of events is not usable JSON")}}
		}
	}
	out := make([]DecodedKnown, len(parts))
	for i, p := range parts {
		out[i].Event, out[i].Err = decodeKnown(p)
	}
	return out
}

func decodeKnown(b []byte) (KnownEvent, error) {
	if len(b) > MaxBytes {
		return KnownEvent{}, tooLong(len(b))
	}
	var e KnownEvent
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return KnownEvent{}, blame(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return KnownEvent{}, fault.New(fault.Invalid, "the event is followed by more text: publish one event per message, or a JSON array of them")
	}
	return e, e.Check()
}

// Check reports everything that is wrong with the event, joined; nil when it is usable.
func (e KnownEvent) Check() error {
	errs := []error{Event{SpecVersion: e.SpecVersion, ID: e.ID, Source: e.Source, Type: e.Type}.envelope(TypeKnown)}
	bad := func(field, format string, args ...any) { errs = append(errs, fault.Field(field, format, args...)) }
	k := e.Data
	// What an order has in common with a shipment of it is held to the same rules.
	asShipped := Shipped{Connection: k.Connection, Account: k.Account, Order: k.Order, Package: "1", ShipBy: k.ShipBy, Programs: k.Programs, Reference: k.OwnNumber, Service: k.ServiceLevel, Source: k.Source}
	for _, i := range k.Items {
		asShipped.Items = append(asShipped.Items, shipment.Item{OrderItemID: i.OrderItemID, Quantity: i.Quantity})
	}
	errs = append(errs, asShipped.Check(TypeWithdrawn)) // which may leave out when it was shipped
	switch k.Status {
	case "", "PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED", "CANCELLED":
	default:
		bad("status", "%q is not a state of an order: use PENDING, UNSHIPPED, PARTIALLY_SHIPPED, SHIPPED or CANCELLED", k.Status)
	}
	return errors.Join(errs...)
}
