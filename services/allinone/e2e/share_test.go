package e2e

import (
	"testing"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

const orders = 300

// TestTwoDispatchersOnOneConnection: one works, the other waits; when the first is stopped in the middle of a run, the
// second goes on with the same run.
func TestTwoDispatchersOnOneConnection(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	stopFirst := b.dispatch("first")
	b.ship(orders)
	b.dispatch("second")
	run := b.run()
	b.until("the run is under way", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] > 50 })
	stopFirst()
	b.until("the second has finished", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] == orders })
	books := b.judge(orders)
	leases, runs := map[uint64]bool{}, map[string]bool{}
	for _, e := range books.Ledger {
		if e.Type == shipment.Attempted {
			leases[e.After.Attempt.Lease], runs[e.After.Attempt.Run] = true, true
		}
	}
	if len(leases) < 2 || len(runs) != 1 || !runs[run] {
		t.Errorf("leases %v and runs %v made the attempts: want several leases and the run that was asked for", leases, runs)
	}
}

// TestRedisIsWipedDuringARun: the view is built anew and the run goes on; nothing is lost and nothing is sent twice.
func TestRedisIsWipedDuringARun(t *testing.T) {
	b := newBed(t, redistest.Real(t))
	b.dispatch("one")
	b.ship(orders)
	run := b.run()
	for _, done := range []int{40, 120} {
		b.until("the run is under way", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] > done })
		if err := b.redis.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.until("all are confirmed", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] == orders })
	b.judge(orders)
	last := must(b.ledger.LastSeq(t.Context()))(t)
	v := view.New(b.redis, view.Options{})
	if err := v.WaitFor(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	page := must(v.List(t.Context(), view.Filter{States: []shipment.State{shipment.Confirmed}, Limit: 1}))(t)
	if page.Total != orders {
		t.Errorf("the view shows %d confirmed ones of %d", page.Total, orders)
	}
	if l, err := b.board.Last(t.Context(), connection, run); err == nil && l.Phase == job.Joined {
		t.Errorf("the run was joined to %s", l.JoinedTo)
	}
}
