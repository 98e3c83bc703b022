package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

func lost(ctx context.Context, _ string, _ int) attempt.Answer {
	<-ctx.Done()
	a := says("no-answer", 0)
	a.Sent = plan.MaybeSent
	return a
}

// Not there at the first look is not there yet: two looks, five minutes apart, and then the very same request again.
func TestADoubtIsSettledByTwoReadings(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 1)
		w.confirm = lost
		w.ask(everything("R"))
		w.finished(t, "R")
		doubt := w.state(0).Since
		until(t, "the proof", func() bool { return w.state(0).Sendable() })
		if took := time.Since(doubt); took < 7*time.Minute || took > 7*time.Minute+5*time.Second || w.readings() != 2 {
			t.Errorf("settled after %s and %d readings", took, w.readings())
		}
		w.confirm = nil
		w.ask(everything("R2"))
		w.finished(t, "R2")
		var bodies []string
		for _, e := range w.history {
			if e.Type == shipment.Attempted {
				bodies = append(bodies, e.After.Attempt.Body)
			}
		}
		if w.state(0).State != shipment.Confirmed || len(bodies) != 2 || bodies[0] != bodies[1] {
			t.Errorf("%s after %q", w.state(0).State, bodies)
		}
	})
}

func TestAnUnreadableDoubtDoesNotSpendTheQuota(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 2
		w.shipped(0, 2)
		w.confirm = lost
		w.read = func(o string) (plan.Order, bool, error) {
			return plan.Order{Found: true, Status: "SHIPPED", Packages: []plan.Package{{Reference: "1"}}}, o == order(1), nil
		}
		w.ask(everything("R"))
		w.finished(t, "R")
		<-time.After(13 * time.Minute)
		if w.state(1).State != shipment.Confirmed || w.state(0).State != shipment.Doubt {
			t.Errorf("%s, %s", w.state(0).State, w.state(1).State)
		}
		if n := w.readings(); n < 10 || n > 14 {
			t.Errorf("%d readings in eleven minutes", n)
		}
	})
}

func TestNobodyIsAskedWhileAmazonIsAway(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 5
		w.shipped(0, 5)
		w.confirm = lost
		w.read = func(string) (plan.Order, bool, error) {
			return plan.Order{}, false, &Unavailable{Until: time.Now().Add(time.Minute), Reason: "breaker"}
		}
		w.ask(everything("R"))
		w.finished(t, "R")
		<-time.After(2*time.Minute + 10*time.Second)
		if n := w.readings(); n > 15 {
			t.Errorf("%d readings were asked for in ten seconds", n)
		}
		if w.in(shipment.Doubt) != 5 {
			t.Errorf("%d in doubt", w.in(shipment.Doubt))
		}
	})
}

// Attempts of an earlier holder are in doubt at once, our own only when nobody waits for their answer any more.
func TestOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.shipped(0, 2)
		w.leases = 7
		now := time.Now()
		for n, lease := range []uint64{7, 8} {
			last, _ := w.Last(t.Context(), key(n))
			if _, err := w.Step(t.Context(), last, shipment.Event{ID: newID(), Type: shipment.Attempted, At: now,
				Attempt: &shipment.Attempt{ID: "a", Hash: "h", Lease: lease, At: now, AnswerBy: now.Add(12 * time.Second)}}); err != nil {
				t.Fatal(err)
			}
		}
		stop := w.start() // its token is 8
		<-time.After(10 * time.Second)
		if w.state(0).State != shipment.Doubt || w.state(1).State != shipment.Transmitting {
			t.Errorf("before the answer is due: %s, %s", w.state(0).State, w.state(1).State)
		}
		<-time.After(10 * time.Second)
		if w.state(1).State != shipment.Doubt {
			t.Errorf("after it was due: %s", w.state(1).State)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestShipmentsAgeWithoutRuns(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Accounts[0].PausedUntil = time.Now().Add(1000 * time.Hour)
		aged := time.Now().Add(time.Hour)
		w.shipped(0, 1, func(e *shipment.Event) { e.Data.ShippedAt = aged.Add(-7 * 24 * time.Hour) })
		w.begin()
		<-time.After(time.Hour + 2*time.Minute)
		if s := w.state(0); s.State != shipment.Expired || s.Since.Before(aged) || s.Since.After(aged.Add(time.Minute)) {
			t.Errorf("%s since %s, due %s", s.State, s.Since, aged)
		}
	})
}

func TestAListWaivesNothingByItself(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		old := func(e *shipment.Event) { e.Data.ShippedAt = time.Now().Add(-8 * 24 * time.Hour) }
		w.shipped(0, 1, old)
		w.ask(list("L", 0))
		l := w.finished(t, "L")
		if w.state(0).State != shipment.Expired || len(w.posts()) != 0 || l.Phase != job.Finished {
			t.Errorf("%s after %d requests", w.state(0).State, len(w.posts()))
		}
		w.change(key(0), nil, shipment.Event{Type: shipment.Requeued, Waiver: true})
		w.ask(list("L2", 0))
		w.finished(t, "L2")
		if w.state(0).State != shipment.Confirmed {
			t.Errorf("waived: %s", w.state(0).State)
		}
	})
}
