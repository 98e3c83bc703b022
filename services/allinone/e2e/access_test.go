package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// TestARevokedGrantIsNoOrdersFault: the run ends, its shipments stay where they were and none was sent; when the seller has
// authorised the application again, a run of its own follows.
func TestARevokedGrantIsNoOrdersFault(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	if err := b.sim.Inject(amazonsim.Fault{ID: "revoked", Kind: amazonsim.FaultRevokedGrant}); err != nil {
		t.Fatal(err)
	}
	b.dispatch("one")
	b.ship(orders)
	run := b.run()
	natstest.Until(t, time.Minute, "the run has ended", func() bool {
		l, err := b.board.Last(t.Context(), connection, run)
		return err == nil && l.Phase == job.Finished && l.Left["halted"] == orders
	})
	b.until("all are as they were", func(c map[shipment.State]int) bool { return c[shipment.Pending] == orders })
	refused, sent := b.sim.Faults()[0].Struck, len(b.sim.Record())
	t.Logf("%d shipments waited while %d requests for a token were refused and %d others were sent", orders, refused, sent)
	if refused == 0 || refused > 3 || sent > 0 {
		t.Errorf("%d requests for a token and %d others: want the run's own and a probe's at most", refused, sent)
	}
	b.sim.ClearFaults("revoked")
	natstest.Until(t, 3*time.Minute, "all are sent", func() bool { // at once, or a minute later when a probe has just been refused
		count := 0
		_, err := b.ledger.Heads(t.Context(), connection, func(e shipment.Entry) error {
			if e.After.State == shipment.Confirmed {
				count++
			}
			return nil
		})
		return err == nil && count == orders
	})
	for _, e := range b.judge(orders).Ledger {
		if e.Type == shipment.Attempted && !strings.HasPrefix(e.Run, "access-") {
			t.Fatalf("%s was attempted by run %s", e.After.Key, e.Run)
		}
	}
}
