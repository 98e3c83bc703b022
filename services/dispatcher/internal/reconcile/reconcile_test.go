package reconcile

import (
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Of 10,000 shipments a hundredth each was confirmed without effect, shipped by hand, and cancelled. A sweep finds all of
// them and nothing else, inside Amazon's quotas.
func TestASweepFindsEveryDifferenceAndNoOther(t *testing.T) {
	in(t, func(t *testing.T, w *world, start func()) {
		const all = 10_000
		want := map[int]shipment.Finding{}
		for n := range all {
			switch n % 100 {
			case 7: // confirmed, and nothing there
				w.shipped(n, sent()...)
				want[n] = shipment.NoEffect
			case 17: // shipped by hand while it waits here
				w.shipped(n)
				w.amazonHas(n, shippedThere("AMZN-7"))
				want[n] = shipment.ShippedThere
			case 27:
				w.shipped(n)
				w.amazonHas(n, cancelledThere)
				want[n] = shipment.CancelledThere
			case 37: // confirmed, then cancelled
				w.shipped(n, sent()...)
				w.amazonHas(n, cancelledThere)
				want[n] = shipment.OnItsWay
			case 47: // waits here and there
				w.shipped(n)
			default:
				w.shipped(n, sent()...)
				w.amazonHas(n, shippedThere("1"))
			}
		}
		began := time.Now()
		w.run()
		start()
		s := w.swept(t, 1)
		for n := range all {
			got := shipment.Finding("")
			if sh := w.state(n).Shown; sh != nil {
				got = sh.Finding
			}
			if got != want[n] {
				t.Errorf("shipment %d: found %q, want %q", n, got, want[n])
			}
		}
		for f, state := range map[int]shipment.State{7: shipment.Deferred, 17: shipment.Confirmed, 27: shipment.Closed, 37: shipment.Confirmed, 47: shipment.Pending, 57: shipment.Confirmed} {
			if got := w.state(f); got.State != state {
				t.Errorf("shipment %d is %s, want %s", f, got.State, state)
			}
		}
		if w.state(7).Queue() != shipment.Again || w.state(7).Fingerprint != shipment.NoEffect.Print() || w.state(17).Kind != shipment.Elsewhere || w.state(27).Kind != shipment.Cancelled {
			t.Errorf("%+v, %+v, %+v", w.state(7), w.state(17), w.state(27))
		}
		if s.Found["DE"][shipment.NoEffect] != 100 || s.Open != 200 || s.Left != 0 || w.findings != len(want) {
			t.Errorf("%+v, %d findings", s, w.findings)
		}
		took := time.Since(began)
		t.Logf("%d differences in %s after the run, %d pages and %d orders read", len(want), took.Round(time.Second), w.searches, w.reads)
		if took > time.Hour {
			t.Errorf("took %s", took)
		}
	})
}

// What was confirmed a moment ago cannot be seen yet, so it is not missed.
func TestTheReadingSideMayLagBehind(t *testing.T) {
	in(t, func(t *testing.T, w *world, start func()) {
		w.lag = 9 * time.Minute
		for n := range 20 {
			w.shipped(n, sent()...)
			w.amazonHas(n, shippedThere("1"))
		}
		w.run()
		start()
		<-time.After(9*time.Minute + 50*time.Second)
		for n := 20; n < 40; n++ { // confirmed while the sweep is about to begin
			w.shipped(n, sent()...)
		}
		w.swept(t, 1)
		if w.findings != 0 || w.searches != 2 {
			t.Errorf("%d findings after %d searches", w.findings, w.searches)
		}
	})
}

func TestWhenASweepIsDue(t *testing.T) {
	in(t, func(t *testing.T, w *world, start func()) {
		began := time.Now()
		start()
		first := w.swept(t, 1) // what nobody has swept is swept when things have settled
		if d := first.StartedAt.Sub(began); d < 10*time.Minute || d > 11*time.Minute {
			t.Errorf("the first one after %s", d)
		}
		second := w.swept(t, 2) // and daily
		if d := second.StartedAt.Sub(first.StartedAt); d < 24*time.Hour || d > 24*time.Hour+time.Minute {
			t.Errorf("the second one after %s", d)
		}
		w.run()
		ran := time.Now()
		third := w.swept(t, 3)
		if d := third.StartedAt.Sub(ran); d < 10*time.Minute || d > 11*time.Minute {
			t.Errorf("after a run: %s", d)
		}
		<-time.After(23 * time.Hour)
		if fourth := w.swept(t, 3); fourth.StartedAt != third.StartedAt {
			t.Error("swept twice after one run")
		}
	})
}

// A sweep that is broken off has found nothing out: what was not listed is not taken for shipped, and it is begun again.
func TestABrokenSweepIsBegunAgain(t *testing.T) {
	in(t, func(t *testing.T, w *world, start func()) {
		for n := range 150 {
			w.shipped(n)
		}
		silent := time.Now().Add(15 * time.Minute)
		away := &Away{Reason: "breaker", Until: silent}
		w.answer = func(what string) (bool, error) {
			switch {
			case time.Now().Before(silent):
				return false, away
			case w.searches > 3 && time.Now().Before(silent.Add(time.Hour)):
				return false, nil // pages that tell nothing
			}
			return true, nil
		}
		w.run()
		start()
		s := w.swept(t, 1)
		if w.findings != 0 || w.reads != 0 || s.Open != 150 || s.StartedAt.Before(silent) {
			t.Errorf("%d findings, %d reads, %+v", w.findings, w.reads, s)
		}
	})
}

func TestARefusedConnectionIsNotSwept(t *testing.T) {
	in(t, func(t *testing.T, w *world, start func()) {
		w.shipped(0)
		let := time.Now().Add(5 * time.Hour)
		w.answer = func(string) (bool, error) {
			if time.Now().Before(let) {
				return false, &Away{Halted: true, Reason: "invalid_grant"}
			}
			return true, nil
		}
		start()
		s := w.swept(t, 1)
		if s.StartedAt.Before(let) || s.StartedAt.After(let.Add(time.Hour)) || w.searches > 30 { // each of them ends before a request
			t.Errorf("swept at %s after %d tries", s.StartedAt.Sub(let), w.searches)
		}
	})
}

// What the lists tell is kept: items and ship-by of open orders, and that an order is open no longer.
func TestKnowledgeIsKept(t *testing.T) {
	in(t, func(t *testing.T, w *world, start func()) {
		by := time.Now().Add(48 * time.Hour)
		w.amazonHas(1, func(o *plan.Order) { o.ShipBy, o.OwnNumber, o.Programs = by, "S1", []string{"PRIME"} })
		w.amazonHas(2, nil)
		w.amazonHas(3, func(o *plan.Order) { o.Marketplace = "nobody's" })
		<-time.After(time.Hour)
		start()
		w.swept(t, 1)
		o := w.known[order(1)]
		if items, whole := o.Whole(); !whole || len(items) != 1 || o.Account != "DE" || o.OwnNumber != "S1" || !o.ShipBy.Equal(by) || !o.Status.Open() || len(w.known) != 2 {
			t.Errorf("%+v of %d", o, len(w.known))
		}
		w.amazonHas(1, shippedThere("AMZN"))
		w.amazonHas(2, cancelledThere)
		w.swept(t, 2)
		if a, b := w.known[order(1)].Status, w.known[order(2)].Status; a != orders.NotOpen || b != orders.Cancelled {
			t.Errorf("%s, %s", a, b)
		}
	})
}
