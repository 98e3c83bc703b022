package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// TestShadowModeOnlyReads: the whole dispatcher beside a system that still does the work. It compares with Amazon and tells what it
// would send; Amazon sees no confirmation of it.
func TestShadowModeOnlyReads(t *testing.T) {
	const n = 20
	b := newBed(t, redistest.Mini(t))
	b.configure(func(c *settings.Connection) {
		c.Mode = settings.ModeShadow
		c.Limits.SearchRate, c.Limits.SearchBurst, c.Limits.ReadRate, c.Limits.ReadBurst = rate, rate, rate, rate
		c.Limits.ReconcileAfter = settings.Duration(time.Second)
	})
	b.dispatch("one")
	b.ship(n)
	if err := b.sim.ShipByHand(shipped(2).Order, "DHL", "the-other-system"); err != nil {
		t.Fatal(err)
	}
	run := b.run()
	natstest.Until(t, time.Minute, "the run has ended", func() bool {
		l, err := b.board.Last(t.Context(), connection, run)
		return err == nil && l.Phase == job.Finished && l.Left["shadow"] >= n-1 // the other system's is perhaps known already
	})
	last := must(b.ledger.Last(t.Context(), shipped(1)))(t)
	if last.Type != shipment.Noted || !strings.Contains(last.Comment, `"trackingNumber":"`+last.After.Data.Tracking) {
		t.Errorf("the history says %s: %q", last.Type, last.Comment)
	}
	b.until("what the other system has reported is known", func(c map[shipment.State]int) bool {
		return c[shipment.Confirmed] == 1 && c[shipment.Pending] == n-1
	})
	for _, c := range b.sim.Record() {
		if c.Operation == amazonsim.OpConfirmShipment {
			t.Fatalf("order %s was confirmed", c.OrderID)
		}
	}
}
