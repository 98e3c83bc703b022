package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// sweepWithin is how long the demo waits for a comparison with Amazon.
const sweepWithin = 90 * time.Second

// reconcile lets the clerk report the excluded order at Amazon by hand, and waits until the comparison that follows a run
// has noticed that, and that one of the confirmations had no effect. What had none is sent again.
func (s *Story) reconcile(ctx context.Context) error {
	excluded, lost := s.sample.role(roleExcluded)[0], s.sample.role(roleNoEffect)[0]
	if err := s.system.Simulator.ShipByHand(excluded.Order, "DHL", excluded.Tracking); err != nil {
		return fmt.Errorf("report an order at Amazon by hand: %w", err)
	}
	last := func(ctx context.Context, p parcel) (shipment.Shipment, error) {
		e, err := s.system.Ledger.Last(ctx, p.key(s.sample.Settings))
		return e.After, err
	}
	err := s.until(ctx, sweepWithin, "the comparison with Amazon has found both", func(ctx context.Context) (bool, error) {
		a, err := last(ctx, excluded)
		if err != nil {
			return false, err
		}
		b, err := last(ctx, lost)
		return a.State == shipment.Confirmed && b.Reopened > 0, err
	})
	if err != nil {
		return err
	}
	s.say("\nCompared with Amazon: order %s was reported by hand, as the clerk said. Order %s was accepted by Amazon\nand is still unshipped there: it is sent again.", excluded.Order, lost.Order)
	if err := s.start(ctx, "the demo's evening run"); err != nil {
		return err
	}
	err = s.until(ctx, runWithin, "what had no effect is confirmed again", func(ctx context.Context) (bool, error) {
		b, err := last(ctx, lost)
		return b.State == shipment.Confirmed, err
	})
	if err != nil {
		return err
	}
	str, err := s.senders.js.Stream(ctx, stream.Events)
	if err != nil {
		return fmt.Errorf("count what was told: %w", err)
	}
	s.say("Told back to the senders so far: %d events.", str.CachedInfo().State.Msgs)
	return nil
}
