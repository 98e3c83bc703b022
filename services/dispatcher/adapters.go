package dispatcher

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/services/dispatcher/internal/reconcile"
	"github.com/fertig-project/fertig/services/dispatcher/internal/run"
	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

// amazon joins the SP-API client to what a run asks of Amazon.
type amazon struct{ client *spapi.Client }

func (a amazon) Ready(ctx context.Context) (attempt.Permit, error) {
	p, err := a.client.Ready(ctx)
	if err != nil {
		return nil, away(err)
	}
	return permit{p}, nil
}

// Read knows an order that Amazon shows and one that Amazon says it does not have; any other answer tells nothing.
func (a amazon) Read(ctx context.Context, order string) (plan.Order, bool, error) {
	o, answer := a.client.Order(ctx, order)
	if answer.Err != nil {
		return plan.Order{}, false, away(answer.Err)
	}
	if answer.Rule.Class != outcome.OK && answer.Rule.ID != "order-unknown" {
		return plan.Order{}, false, nil
	}
	return planned(o), true, nil
}

func planned(o spapi.Order) plan.Order {
	out := plan.Order{Found: o.Found, ID: o.ID, OwnNumber: o.OwnNumber, Marketplace: o.Marketplace, Status: o.Status, FulfilledBy: o.FulfilledBy,
		ServiceLevel: o.ServiceLevel, Programs: o.Programs, ShipBy: o.ShipBy, LastUpdated: o.LastUpdated}
	for _, i := range o.Items {
		out.Items = append(out.Items, plan.OrderItem{ID: i.ID, Ordered: i.Ordered, Unfulfilled: i.Unfulfilled})
	}
	for _, p := range o.Packages {
		out.Packages = append(out.Packages, plan.Package{Reference: p.Reference, Carrier: p.Carrier, Tracking: p.Tracking})
	}
	return out
}

// truth joins the SP-API client to what a reconciliation asks of Amazon.
type truth struct{ amazon amazon }

func (t truth) Search(ctx context.Context, s reconcile.Search) (reconcile.Page, bool, error) {
	q := spapi.Search{UpdatedAfter: s.UpdatedAfter, Page: s.Page}
	for _, st := range s.Statuses {
		q.Statuses = append(q.Statuses, string(st))
	}
	p, answer := t.amazon.client.Search(ctx, q)
	if answer.Err != nil {
		return reconcile.Page{}, false, absent(away(answer.Err))
	}
	if answer.Rule.Class != outcome.OK {
		return reconcile.Page{}, false, nil
	}
	out := reconcile.Page{Next: p.Next, Orders: make([]plan.Order, len(p.Orders))}
	for i, o := range p.Orders {
		out.Orders[i] = planned(o)
	}
	return out, true, nil
}

func (t truth) Read(ctx context.Context, order string) (plan.Order, bool, error) {
	o, known, err := t.amazon.Read(ctx, order)
	return o, known, absent(err)
}

// absent words for a reconciliation why Amazon cannot be asked.
func absent(err error) error {
	var gone *run.Unavailable
	var halted *run.Halted
	switch {
	case errors.As(err, &gone):
		return &reconcile.Away{Until: gone.Until, Reason: gone.Reason}
	case errors.As(err, &halted):
		return &reconcile.Away{Halted: true, Reason: halted.Text}
	}
	return err
}

func (a amazon) ETA(n int) time.Duration { return a.client.ETA(n) }

func (a amazon) LetIn(ctx context.Context) bool { return a.client.LetIn(ctx) }

// away translates what keeps the client from sending.
func away(err error) error {
	var open *spapi.OpenError
	var account *spapi.AccountError
	switch {
	case errors.As(err, &open):
		return &run.Unavailable{Until: open.Until, Reason: open.Reason}
	case errors.As(err, &account):
		return &run.Halted{Rule: account.Rule.ID, Text: account.Error()}
	}
	return err
}

type permit struct{ *spapi.Permit }

func (p permit) Confirm(ctx context.Context, order string, body []byte) attempt.Answer {
	a := p.Permit.Confirm(ctx, order, body)
	out := attempt.Answer{Sent: plan.Certainty(a.Sent), Rule: a.Rule, Fingerprint: a.Fingerprint(),
		Said: shipment.Answer{At: a.At, Status: a.Status, Code: a.Code, Message: a.Text(), RequestID: a.RequestID}}
	if a.Err != nil && out.Said.Message == "" {
		out.Said.Message = a.Err.Error()
	}
	return out
}

func encode(c attempt.Confirmation) ([]byte, error) {
	w := spapi.Confirmation{MarketplaceID: c.Marketplace, PackageReferenceID: c.Package, CarrierCode: c.Carrier.CarrierCode,
		CarrierName: c.Carrier.CarrierName, ShippingMethod: c.Carrier.ShippingMethod, TrackingNumber: c.Tracking, ShipDate: c.ShipDate}
	for _, i := range c.Items {
		w.Items = append(w.Items, spapi.ConfirmationItem{OrderItemID: i.OrderItemID, Quantity: i.Quantity, TransparencyCodes: i.TransparencyCodes})
	}
	body, err := spapi.EncodeConfirmation(w)
	var field *spapi.FieldError
	if errors.As(err, &field) {
		return nil, &attempt.Incomplete{Field: field.Field, Text: field.Problem}
	}
	return body, err
}

func country(marketplace string) string {
	m, _ := settings.MarketplaceByID(marketplace)
	return m.Country
}

// queues and upkeep join the view to what a worker reads of it.
type queues struct{ view *view.View }

func (q queues) WaitFor(ctx context.Context, seq uint64) error { return q.view.WaitFor(ctx, seq) }

func (q queues) Queue(ctx context.Context, a shipment.AccountID, which shipment.Queue, after run.Place, limit int) ([]run.Item, run.Place, error) {
	pos, _ := after.(view.Pos)
	items, next, err := q.view.Queue(ctx, a, which, pos, limit)
	if err != nil || next.IsZero() {
		return convert(items), nil, err
	}
	return convert(items), next, nil
}

func (q queues) QueueLen(ctx context.Context, a shipment.AccountID, which shipment.Queue) (int, error) {
	return q.view.QueueLen(ctx, a, which)
}

func (q queues) Get(ctx context.Context, keys []shipment.Key) ([]run.Item, error) {
	items, err := q.view.Get(ctx, keys...)
	return convert(items), err
}

type upkeep struct{ view *view.View }

func (u upkeep) Orphans(ctx context.Context, c shipment.ConnectionID, now time.Time, lease uint64) ([]shipment.Key, error) {
	items, err := u.view.Orphans(ctx, c, now, lease)
	return keys(items), err
}

func (u upkeep) Doubts(ctx context.Context, c shipment.ConnectionID, limit int) ([]run.Item, error) {
	items, _, err := u.view.Doubts(ctx, c, view.Pos{}, limit)
	return convert(items), err
}

func (u upkeep) Aged(ctx context.Context, a shipment.AccountID, shippedBefore time.Time, limit int) ([]shipment.Key, error) {
	items, err := u.view.Aged(ctx, a, shippedBefore, limit)
	return keys(items), err
}

// standing lists what of an account Amazon should know as open.
func standing(v *view.View) reconcile.Standing {
	states := []shipment.State{shipment.Excluded}
	for _, s := range shipment.States {
		if s.Flagged() {
			states = append(states, s)
		}
	}
	const second = "unconfirmed:" // of the two lists, in a place to go on from
	return func(ctx context.Context, a shipment.AccountID, after string) ([]shipment.Shipment, string, error) {
		f := view.Filter{Accounts: []shipment.AccountID{a}, States: states, After: after, Limit: view.MaxPage}
		at, unconfirmed := strings.CutPrefix(after, second)
		if unconfirmed {
			f.States, f.Fingerprint, f.After = []shipment.State{shipment.NotRequired}, shipment.StillOpen.Print(), at
		}
		page, err := v.List(ctx, f)
		out := make([]shipment.Shipment, len(page.Items))
		for i, it := range page.Items {
			out[i] = it.Shipment
		}
		next := page.Next
		if next != "" && unconfirmed || next == "" && !unconfirmed {
			next = second + next
		}
		return out, next, err
	}
}

func convert(items []view.Item) []run.Item {
	out := make([]run.Item, len(items))
	for i, it := range items {
		out[i] = run.Item{Seq: it.Seq, Shipment: it.Shipment}
	}
	return out
}

func keys(items []view.Item) []shipment.Key {
	out := make([]shipment.Key, len(items))
	for i, it := range items {
		out[i] = it.Shipment.Key
	}
	return out
}
