package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/shipment"
)

// sweepLimit bounds one round of a sweep; the next round goes on.
const sweepLimit = 500

// orphans puts attempts in doubt that nobody waits for any more: those of an earlier holder of the lease, and those whose
// answer is overdue.
func (w *Worker) orphans(ctx context.Context) error {
	seq, err := w.Ledger.LastSeq(ctx)
	if err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, orphanEvery)
	defer cancel()
	if err := w.Queues.WaitFor(wait, seq); err != nil {
		return err
	}
	keys, err := w.Upkeep.Orphans(ctx, w.Connection, w.Now(), w.Lease.Token())
	if err != nil {
		return err
	}
	for _, k := range keys {
		entry, err := w.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
			a, now := last.After.Attempt, w.Now()
			if last.After.State != shipment.Transmitting || a == nil || a.Lease >= w.Lease.Token() && !now.After(a.AnswerBy) {
				return shipment.Event{}, nil
			}
			return shipment.Event{ID: newID(), Type: shipment.Doubted, At: now, Actor: w.Actor, Run: a.Run,
				Comment: "no answer was recorded; Amazon will be asked"}, nil
		})
		if err != nil {
			return err
		}
		if entry.After.State == shipment.Doubt {
			w.Logger.Warn("nobody waits for the answer any more", "shipment", k)
		}
	}
	return nil
}

// unreadFor is how long an order that could not be read is left alone, so that it does not spend the quota of others.
const unreadFor = time.Minute

// doubts asks Amazon about every doubt that is due, one after the other inside the reading quota.
func (w *Worker) doubts(ctx context.Context) error {
	items, err := w.Upkeep.Doubts(ctx, w.Connection, sweepLimit)
	if err != nil {
		return err
	}
	limits := w.Settings().Limits
	timing := plan.Timing{After: time.Duration(limits.DoubtAfter), Again: time.Duration(limits.DoubtAgain)}
	unread := map[shipment.Key]time.Time{} // of those that are still in doubt
	defer func() { w.unread = unread }()
	for _, it := range items {
		k, q, now := it.Shipment.Key, it.Shipment.Inquiry, w.Now()
		if until, ok := w.unread[k]; ok && now.Before(until) {
			unread[k] = until
			continue
		}
		if q == nil || q.Settled || now.Before(timing.Due(*q)) {
			continue
		}
		order, known, err := w.Amazon.Read(ctx, k.Order)
		var away *Unavailable
		var halted *Halted
		switch {
		case errors.As(err, &away), errors.As(err, &halted):
			return nil // nobody can be asked; the next sweep tries again
		case err != nil:
			return fmt.Errorf("ask about %s: %w", k, err)
		case !known:
			unread[k] = w.Now().Add(min(unreadFor, timing.After))
			continue
		}
		if err := w.conclude(ctx, k, order, timing); err != nil {
			return err
		}
	}
	return nil
}

// conclude records what a reading proves.
func (w *Worker) conclude(ctx context.Context, k shipment.Key, order plan.Order, timing plan.Timing) error {
	entry, err := w.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
		s, now := last.After, w.Now()
		if s.State != shipment.Doubt || s.Inquiry == nil || s.Inquiry.Settled || now.Before(timing.Due(*s.Inquiry)) {
			return shipment.Event{}, nil
		}
		r := plan.Read(s, order, now, timing)
		return shipment.Event{ID: newID(), Type: shipment.Found, At: now, Actor: w.Actor, To: r.To, Kind: r.Kind, Comment: r.Text,
			Print: s.Fingerprint, Missing: r.Missing, Settled: r.Settled}, nil
	})
	if err != nil {
		return err
	}
	w.Logger.Info("asked Amazon", "shipment", k, "shows", order.Status, "packages", len(order.Packages), "state", entry.After.State)
	return nil
}

// aging lets shipments expire that are older than their account's limit, with or without runs.
func (w *Worker) aging(ctx context.Context) error {
	for _, a := range w.Settings().Accounts {
		now := w.Now()
		keys, err := w.Upkeep.Aged(ctx, a.ID, now.Add(-a.AgeLimit()), sweepLimit)
		if err != nil {
			return err
		}
		for _, k := range keys {
			_, err := w.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
				at, ages := last.After.AgesAt(a.AgeLimit())
				if !ages || now.Before(at) {
					return shipment.Event{}, nil
				}
				return shipment.Event{ID: newID(), Type: shipment.Aged, At: now, Actor: w.Actor}, nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
