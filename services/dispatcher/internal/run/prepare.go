package run

import (
	"context"
	"errors"
	"fmt"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

// fill prepares candidates until enough are ready or nothing is left to prepare.
func (x *execution) fill(ctx context.Context) error {
	x.conn = x.w.Settings() // a mapping or a pause changed meanwhile holds from the next shipment on
	for x.noMore == "" && len(x.ready) < lookAhead && len(x.parked) < maxParked {
		it, run, urgent, err := x.take(ctx)
		if err != nil {
			return err
		}
		if run == "" {
			break
		}
		c := candidate{Item: it, run: run}
		if err := x.prepare(ctx, c, urgent); err != nil {
			return err
		}
	}
	if err := x.overtake(ctx); err != nil {
		return err
	}
	for len(x.parked) > 0 && x.resolving < maxResolving {
		x.resolve(ctx, x.parked[0])
		x.parked = x.parked[1:]
	}
	return nil
}

// overtake lets urgent work pass what is merely ready.
func (x *execution) overtake(ctx context.Context) error {
	for x.noMore == "" && len(x.urgent) > 0 && len(x.ready) < 2*lookAhead {
		it, run, urgent, err := x.take(ctx)
		if err != nil || run == "" {
			return err
		}
		if err := x.prepare(ctx, candidate{Item: it, run: run}, urgent); err != nil {
			return err
		}
	}
	return nil
}

// take returns the next shipment of the first source that has one; run is empty when none has.
func (x *execution) take(ctx context.Context) (it Item, run string, urgent bool, err error) {
	for len(x.urgent) > 0 {
		it, ok, err := x.urgent[0].next(ctx, x.w.Queues)
		if ok || err != nil {
			return it, x.urgent[0].trigger.RunID, true, err
		}
		x.urgent = x.urgent[1:]
	}
	for len(x.all) > 0 {
		it, ok, err := x.all[0].next(ctx, x.w.Queues)
		if ok || err != nil {
			return it, x.all[0].trigger.RunID, false, err
		}
		x.all = x.all[1:]
	}
	return Item{}, "", false, nil
}

// prepare takes a candidate as far as it goes without a permit: left out with a reason, deferred as incomplete, sent off
// to learn its items, or ready.
func (x *execution) prepare(ctx context.Context, c candidate, urgent bool) error {
	s := c.Shipment
	account, ok := x.conn.Account(s.Account)
	now := x.w.Now()
	switch {
	case !ok:
		return x.leave("account unknown")
	case account.PausedUntil.After(now):
		return x.leave("paused")
	case !s.Sendable():
		return x.leave("not waiting")
	case x.holds.Held(s) && !urgent:
		return x.leave("held")
	}
	if at, ages := s.AgesAt(account.AgeLimit()); ages && !now.Before(at) {
		return x.expire(ctx, c)
	}
	if s.State == shipment.Doubt {
		return x.recorded(ctx, c, urgent)
	}
	items, known := attempt.Items(s)
	if c.items != nil {
		items, known = c.items, true
	}
	if !known {
		x.parked = append(x.parked, c)
		return nil
	}
	conf, err := attempt.Compose(s, account, x.w.Country(account.Marketplace), items, now)
	if err == nil {
		c.body, err = x.w.Encode(conf)
	}
	var missing *attempt.Incomplete
	if errors.As(err, &missing) {
		return x.incomplete(ctx, c, missing)
	}
	if err != nil {
		return fmt.Errorf("compose confirmation of %s: %w", s.Key, err)
	}
	x.enqueue(c, urgent)
	return nil
}

func (x *execution) enqueue(c candidate, urgent bool) {
	if !urgent {
		x.ready = append(x.ready, c)
		return
	}
	i := 0
	for i < len(x.ready) && x.ready[i].run != x.log.RunID {
		i++
	}
	x.ready = append(x.ready[:i], append([]candidate{c}, x.ready[i:]...)...)
}

func (x *execution) leave(why string) error {
	x.left[why]++
	x.done++
	return nil
}

// recorded fetches the body a settled doubt was sent with: nothing else may follow it.
func (x *execution) recorded(ctx context.Context, c candidate, urgent bool) error {
	last, err := x.w.Ledger.Last(ctx, c.Shipment.Key)
	if err != nil {
		return err
	}
	if last.Seq != c.Seq || last.After.Attempt == nil {
		return x.leave("changed")
	}
	c.Shipment, c.body = last.After, []byte(last.After.Attempt.Body)
	x.enqueue(c, urgent)
	return nil
}

func (x *execution) expire(ctx context.Context, c candidate) error {
	x.count(c.Shipment.Account, func(n *job.Counts) { n.Expired++ })
	return x.append(ctx, c, shipment.Event{Type: shipment.Aged})
}

// incomplete defers what Amazon would refuse for a missing or unusable field, without a request.
func (x *execution) incomplete(ctx context.Context, c candidate, m *attempt.Incomplete) error {
	s := c.Shipment
	if s.State == shipment.Deferred && s.Kind == shipment.Incomplete && !s.Changed && s.Answer != nil && s.Answer.Field == m.Field {
		x.count(s.Account, func(n *job.Counts) { n.Deferred++ })
		x.done++
		return nil // nothing has changed; another line in its history would say nothing new
	}
	x.count(s.Account, func(n *job.Counts) { n.Deferred++ })
	return x.append(ctx, c, shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Incomplete, Comment: m.Error(),
		Print: "incomplete:" + m.Field, Answer: &shipment.Answer{At: x.w.Now(), Message: m.Text, Rule: "incomplete", Field: m.Field}})
}

// append writes an event on top of what the view showed; whoever was faster is right.
func (x *execution) append(ctx context.Context, c candidate, ev shipment.Event) error {
	x.done++
	ev.ID, ev.At, ev.Actor, ev.Run = newID(), x.w.Now(), x.w.Actor, c.run
	_, err := x.w.Ledger.Step(ctx, shipment.Entry{Seq: c.Seq, After: c.Shipment}, ev)
	var lost *ledger.LostRace
	var refused *shipment.Refusal
	if errors.As(err, &lost) || errors.As(err, &refused) {
		x.log.Counts.Skipped++
		return nil
	}
	return err
}

// resolution is what was learned about a shipment whose sender gave no items.
type resolution struct {
	c     candidate
	order plan.Order
	known bool
	err   error
}

// resolve asks Amazon for the order in the background; others go on meanwhile.
func (x *execution) resolve(ctx context.Context, c candidate) {
	x.resolving++
	go func() { // bounded by ctx and the read's own deadline; the loop waits for it
		o, known, err := x.w.Amazon.Read(ctx, c.Shipment.Order)
		x.resolved <- resolution{c, o, known, err}
	}()
}

// learned goes on with a shipment whose order was read.
func (x *execution) learned(ctx context.Context, r resolution) {
	if err := x.apply(ctx, r); err != nil {
		x.interrupt(err)
	}
}

func (x *execution) apply(ctx context.Context, r resolution) error {
	switch {
	case x.noMore != "":
		return nil
	case r.err != nil || !r.known:
		return x.leave("order not readable")
	case !r.order.Found:
		x.count(r.c.Shipment.Account, func(n *job.Counts) { n.Deferred++ })
		return x.append(ctx, r.c, shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Rejected, Comment: "Amazon does not know the order",
			Print: "order-unknown", Answer: &shipment.Answer{At: x.w.Now(), Message: "Amazon does not know the order", Rule: "order-unknown", Field: "order"}})
	}
	if f := plan.Facts(r.c.Shipment, r.order); f.To != "" {
		x.count(r.c.Shipment.Account, func(n *job.Counts) { tally(n, f.To) })
		return x.append(ctx, r.c, shipment.Event{Type: shipment.Found, To: f.To, Kind: f.Kind, Comment: f.Text})
	}
	if r.order.Status == "PENDING" || r.order.Status == "PENDING_AVAILABILITY" {
		return x.leave("not yet released by Amazon")
	}
	c := r.c
	c.items = plan.WholeOrder(r.order)
	if c.items == nil {
		c.items = []shipment.Item{}
	}
	return x.prepare(ctx, c, false)
}
