package ops

import (
	"context"
	"errors"
	"time"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Correction is new data for a shipment; what is nil stays as it is.
type Correction struct {
	Carrier   *string
	Service   *string // the method, in the sender's words
	Tracking  *string
	ShippedAt *event.Time
	Items     *[]shipment.Item // empty: the whole order
}

// Correct changes the data of a shipment that is not under way. The history keeps old and new values. It is sent with the
// next run, among the first; Replay sends it at once.
func (o *Ops) Correct(ctx context.Context, a Actor, k shipment.Key, c Correction, comment string) (shipment.Shipment, error) {
	if err := a.need(Operator); err != nil {
		return shipment.Shipment{}, err
	}
	why, err := reason(comment)
	if err != nil {
		return shipment.Shipment{}, err
	}
	if c == (Correction{}) {
		return shipment.Shipment{}, Advise(fault.New(fault.Invalid, "the correction is empty"), "give at least one of carrier, service, trackingNumber, shippedAt and items")
	}
	id := o.cfg.NewID()
	entry, err := o.cfg.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
		if last.ID == id {
			return shipment.Event{}, nil
		}
		return o.decide(a, k, id, why, last, func(last shipment.Entry) (shipment.Event, error) {
			data, err := o.corrected(last.After, c)
			return shipment.Event{Type: shipment.Amended, Data: &data}, err
		})
	})
	if err != nil {
		return shipment.Shipment{}, explain(err)
	}
	return entry.After, nil
}

// corrected applies a correction and holds the result to the rules every door has.
func (o *Ops) corrected(s shipment.Shipment, c Correction) (shipment.Data, error) {
	d := s.Data
	zone := time.UTC
	if _, account, ok := o.cfg.Settings.Current().Account(s.Account); ok {
		zone = account.Schedule.Location()
	}
	for _, f := range []struct{ to, from *string }{{&d.Carrier, c.Carrier}, {&d.Service, c.Service}, {&d.Tracking, c.Tracking}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.Items != nil {
		d.Items = *c.Items
	}
	if c.ShippedAt != nil {
		d.ShippedAt = c.ShippedAt.In(zone).UTC()
		limit := o.now().Add(door.FutureTolerance)
		if c.ShippedAt.DateOnly { // a date stands for the end of its day, so today's is always ahead
			y, m, day := o.now().In(zone).Date()
			limit = time.Date(y, m, day+1, 0, 0, 0, 0, zone)
		}
		if d.ShippedAt.After(limit) {
			return d, Advise(fault.Field("shippedAt", "%s lies in the future", d.ShippedAt.Format(time.RFC3339)), "give the time the parcel left")
		}
	}
	check := event.Shipped{Account: string(s.Account), Order: s.Order, Package: s.Package, ShippedAt: event.Time{Time: d.ShippedAt},
		Carrier: d.Carrier, Service: d.Service, Tracking: d.Tracking, Items: d.Items, Label: d.LabelSource, Programs: d.Programs,
		Reference: d.Reference, Source: "hand"}
	return d, firstFault(check.Check(event.TypeAmended))
}

// firstFault reduces joined errors to the first one with a field, so that the caller names one field to mend.
func firstFault(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return err
}
