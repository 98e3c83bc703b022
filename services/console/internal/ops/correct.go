package ops

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Correction is new data for a shipment; what is nil stays as it is.
type Correction struct {
	Sent      bool // also if Amazon has the package already: then it is an edit of that package
	Carrier   *string
	Service   *string // the method, in the sender's words
	Tracking  *string
	ShippedAt *event.Time
	Items     *[]shipment.Item // empty: the whole order
	Label     *shipment.LabelSource
}

// Correct changes the data of a shipment that is not under way. The history keeps old and new values. It is sent with the
// next run, among the first; Replay sends it at once. What Amazon has confirmed is edited only if the correction says so.
func (o *Ops) Correct(ctx context.Context, a Actor, k shipment.Key, c Correction, comment string) (shipment.Shipment, error) {
	if err := a.need(Operator); err != nil {
		return shipment.Shipment{}, err
	}
	why, err := reason(comment)
	if err != nil {
		return shipment.Shipment{}, err
	}
	if c == (Correction{Sent: c.Sent}) {
		return shipment.Shipment{}, Advise(fault.New(fault.Invalid, "the correction is empty"), "give at least one of carrier, service, trackingNumber, shippedAt, items and labelSource")
	}
	id := o.cfg.NewID()
	entry, err := o.cfg.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
		if last.ID == id {
			return shipment.Event{}, nil
		}
		return o.decide(a, k, id, why, last, o.correction(c))
	})
	if err != nil {
		return shipment.Shipment{}, explain(err)
	}
	return entry.After, nil
}

// editable is how long ago a shipment may have been confirmed for an edit; later it leaves the view that runs read.
const editable = 25 * 24 * time.Hour

// correction decides about one shipment.
func (o *Ops) correction(c Correction) decider {
	return func(last shipment.Entry) (shipment.Event, error) {
		s := last.After
		switch {
		case s.State != shipment.Confirmed:
		case s.Kind == shipment.Elsewhere:
			return shipment.Event{}, Advise(fault.New(fault.Conflict, "shipment %s was not sent by Fertig", s.Key), "correct the package in Seller Central")
		case !c.Sent:
			return shipment.Event{}, Advise(fault.New(fault.Conflict, "shipment %s is confirmed: Amazon has it already", s.Key),
				"say that you want to edit what was sent (sent); Amazon limits how often a package may be edited, and this one was edited %d times", s.Edits)
		case o.now().Sub(s.Since) > editable:
			return shipment.Event{}, Advise(fault.New(fault.Conflict, "shipment %s was confirmed more than 25 days ago", s.Key), "correct the package in Seller Central")
		}
		data, err := o.corrected(s, c)
		return shipment.Event{Type: shipment.Amended, Data: &data, Edit: s.State == shipment.Confirmed}, err
	}
}

// Correcting is what a correction of many shipments would do, or has done.
type Correcting struct {
	Bulk
	Edits int // of packages that Amazon has already
	Most  int // how often one of those was edited before
}

// Text says what a correction would do, with the warning about Amazon's limit, in "de" or else English.
func (c Correcting) Text(lang string) string {
	if lang == "de" {
		text := fmt.Sprintf("%d Sendungen werden korrigiert, davon sind %d schon bei Amazon und werden dort geändert.", c.Done, c.Edits)
		if c.Edits > 0 {
			text += fmt.Sprintf(" Amazon begrenzt, wie oft ein Paket geändert werden kann; die am häufigsten geänderte wurde bisher %d Mal geändert.", c.Most)
		}
		return text
	}
	text := fmt.Sprintf("%d shipments are corrected; of these %d are at Amazon already and are edited there.", c.Done, c.Edits)
	if c.Edits > 0 {
		text += fmt.Sprintf(" Amazon limits how often a package may be edited; the one edited most was edited %d times so far.", c.Most)
	}
	return text
}

// CorrectMany makes the same correction to many shipments; tracking numbers are each shipment's own and stay. With preview
// nothing is changed.
func (o *Ops) CorrectMany(ctx context.Context, a Actor, sel Selection, c Correction, comment string, preview bool) (Correcting, error) {
	if c.Tracking != nil || c.Items != nil {
		return Correcting{}, Advise(fault.Field("trackingNumber", "and items cannot be the same for many shipments"), "correct them one by one, or report amendments")
	}
	var out Correcting
	count := func(last shipment.Entry) {
		if last.After.State == shipment.Confirmed {
			out.Edits, out.Most = out.Edits+1, max(out.Most, last.After.Edits)
		}
	}
	if preview {
		err := o.foresee(ctx, a, sel, o.correction(c), &out, count)
		return out, err
	}
	var mu sync.Mutex
	seen := map[shipment.Key]bool{}
	b, _, err := o.bulk(ctx, a, sel, comment, func(last shipment.Entry) (shipment.Event, error) {
		ev, err := o.correction(c)(last)
		if mu.Lock(); err == nil && !seen[last.After.Key] {
			seen[last.After.Key] = true
			count(last)
		}
		mu.Unlock()
		return ev, err
	})
	out.Bulk = b
	return out, err
}

// foresee decides about every selected shipment and changes none.
func (o *Ops) foresee(ctx context.Context, a Actor, sel Selection, decide decider, out *Correcting, count func(shipment.Entry)) error {
	if err := a.need(Operator); err != nil {
		return err
	}
	keys, err := o.selected(ctx, a, sel)
	if err != nil {
		return err
	}
	known, err := o.cfg.Ledger.LastMany(ctx, keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		last := known[k]
		ev, err := o.decide(a, k, o.cfg.NewID(), "preview", last, decide)
		if err == nil {
			_, err = shipment.Record(last.After, ev)
		}
		if err != nil {
			out.Failed++
			out.Items = append(out.Items, Item{Key: k, State: last.After.State, Err: explain(err)})
			continue
		}
		out.Done++
		count(last)
	}
	return nil
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
	if c.Label != nil {
		d.LabelSource = *c.Label
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
