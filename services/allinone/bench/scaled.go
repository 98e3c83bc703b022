package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	shipments = 10_000
	rate      = 2.0 // confirmShipment's published rate, per second
	burst     = 10
)

// scaled measures the whole dispatcher with its stores against a simulator in another process, with time run b.scale times
// faster. Every pause of this machine then weighs that many times more than it would, so the figures say something about
// the machine, too: they have no target and are measured only when asked for.
func scaled(ctx context.Context, b bench) ([]figure, error) {
	note := fmt.Sprintf("%d shipments, bucket %g/s burst %d, time x%g, streams in %s", shipments, rate, burst, b.scale, b.store)
	used, refused, err := utilisation(ctx, b, 0)
	if err != nil {
		return nil, err
	}
	slow, slowRefused, err := utilisation(ctx, b, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return []figure{
		{"scaled_utilisation", used, "", "none", true, note},
		{"scaled_429", float64(refused), "", "none", true, ""},
		{"scaled_utilisation_slow", slow, "", "none", true, fmt.Sprintf("every answer takes 5 s of Amazon's time; %d answers 429", slowRefused)},
	}, nil
}

// utilisation sends all shipments in one run and compares the time between the first and the last accepted request with
// the shortest time the bucket allows. Time runs b.scale times faster: rates are multiplied, latencies divided, the
// burst stays what it is, so that only our own overhead weighs more than it would.
func utilisation(ctx context.Context, b bench, latency time.Duration) (used float64, refused int, err error) {
	dir, err := os.MkdirTemp(b.store, "fertig-bench")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	sim, err := startSimulator(ctx, b, dir, scenario{orders: shipments, rate: rate * b.scale, burst: burst,
		latency: time.Duration(float64(latency) / b.scale), record: 4 * shipments})
	if err != nil {
		return 0, 0, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: rate * b.scale, burst: burst})
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	if err := s.report(ctx); err != nil {
		return 0, 0, err
	}
	if err := s.run(ctx); err != nil {
		return 0, 0, err
	}
	return sim.account(ctx, b.scale)
}

// account reads the simulator's own record: the share of the quota that was used, and the requests it refused.
func (s *simulator) account(ctx context.Context, scale float64) (used float64, refused int, err error) {
	var first, last time.Time
	n, after := 0, uint64(0)
	for {
		page, err := s.record(ctx, after)
		if err != nil || len(page) == 0 {
			if n != shipments && err == nil {
				err = fmt.Errorf("%d of %d shipments were confirmed", n, shipments)
			}
			ideal := float64(n-burst) / (rate * scale)
			return ideal / last.Sub(first).Seconds(), refused, err
		}
		for _, c := range page {
			after = c.Seq
			switch {
			case c.Operation != amazonsim.OpConfirmShipment:
			case c.Status == http.StatusTooManyRequests:
				refused++
			case c.Status == http.StatusNoContent:
				n++
				if first.IsZero() || c.Time.Before(first) {
					first = c.Time
				}
				if c.Time.After(last) {
					last = c.Time
				}
			}
		}
	}
}

// report brings all shipments through the door.
func (s *stack) report(ctx context.Context) error {
	for n := 0; n < shipments; n += door.MaxBatch {
		var events []event.Event
		for i := n; i < n+door.MaxBatch; i++ {
			events = append(events, event.New(event.TypeShipped, uuid.NewString(), "/bench", time.Now(), event.Shipped{
				Account: "DE", Order: order(i), Package: "1", ShippedAt: event.Time{Time: time.Now().Add(-time.Hour).Truncate(time.Second)},
				Carrier: "DHL", Tracking: fmt.Sprintf("0034043400%010d", i), Items: []shipment.Item{{OrderItemID: item(i), Quantity: 1}}, Source: "service"}))
		}
		if _, err := s.door.Submit(ctx, events); err != nil {
			return err
		}
	}
	return nil
}

// run asks for runs until everything is confirmed; one is enough when intake has caught up.
func (s *stack) run(ctx context.Context) error {
	if err := s.takenIn(ctx); err != nil {
		return err
	}
	id := "bench-" + uuid.NewString()
	if _, err := s.board.Ask(ctx, job.Trigger{RunID: id, Connection: "EU", Kind: job.Manual, Scope: job.All, Actor: "bench", At: time.Now()}); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		l, err := s.board.Last(ctx, "EU", id)
		return err == nil && l.Phase == job.Finished, nil
	})
}

func (s *stack) takenIn(ctx context.Context) error {
	l, err := ledger.Open(ctx, s.nc)
	if err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		seq, err := l.LastSeq(ctx)
		return seq >= shipments, err
	})
}
