package run

import (
	"context"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// in runs a test in virtual time. Its worker begins with the first trigger, so that all before that is set-up, and is
// stopped at the end.
func in(t *testing.T, test func(t *testing.T, w *world, stop func() error)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		end := func() error { return nil }
		w.begin = sync.OnceFunc(func() { end = w.start() })
		stop := func() error { return end() }
		defer func() { _ = stop() }()
		test(t, w, stop)
	})
}

func everything(run string) job.Trigger {
	return job.Trigger{RunID: run, Kind: job.Schedule, Scope: job.All, Actor: "test"}
}

func list(run string, numbers ...int) job.Trigger {
	t := job.Trigger{RunID: run, Kind: job.Replay, Scope: job.Named, Actor: "test"}
	for _, n := range numbers {
		t.Keys = append(t.Keys, key(n))
	}
	return t
}

// slowly answers after a second.
func slowly(context.Context, string, int) attempt.Answer { <-time.After(time.Second); return confirmed }

func equal(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// Attempts begin ahead of the requests, but never are more requests under way than the settings allow; at the run's end
// those begun come to their own.
func TestAttemptsRunAheadOfTheRequests(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight, w.ahead = 4, 12
		w.shipped(0, 200)
		w.confirm = slowly
		tr := everything("R")
		tr.Until = time.Now().Add(10*time.Second + 500*time.Millisecond)
		w.ask(tr)
		<-time.After(5*time.Second + 500*time.Millisecond)
		if n := w.in(shipment.Transmitting); n != 16 {
			t.Errorf("%d transmitting, want 4 on their way and 12 ahead", n)
		}
		l := w.finished(t, "R")
		if w.most != 4 || l.Counts.Confirmed != 11*4+12 || w.in(shipment.Transmitting) != 0 || w.in(shipment.Confirmed) != l.Counts.Confirmed {
			t.Errorf("%d requests at once; %+v, %d confirmed", w.most, l.Counts, w.in(shipment.Confirmed))
		}
		equal(t, "left", l.Left, map[string]int{"time": 200 - l.Counts.Confirmed})
	})
}

func TestTheBudgetEndsARun(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 350)
		w.confirm = slowly
		tr := everything("R")
		tr.Until = time.Now().Add(10*time.Second + 500*time.Millisecond)
		w.ask(tr)
		<-time.After(5 * time.Second)
		for n := 300; n < 310; n++ { // they leave the queue unread and are not left over
			w.change(key(n), nil, shipment.Event{Type: shipment.Exclude})
		}
		w.shipped(400, 420) // accepted after the run began: the next run's
		l := w.finished(t, "R")
		if l.Counts.Confirmed != 11 || w.in(shipment.Pending) != 350-11-10+20 {
			t.Errorf("%+v, %d pending", l.Counts, w.in(shipment.Pending))
		}
		equal(t, "left", l.Left, map[string]int{"time": 350 - 11 - 10})
		for n := 11; n < 300; n++ {
			if s := w.state(n); s.Attempts != 0 || s.LastRun != "" {
				t.Fatalf("order %d was not tried and yet: %+v", n, s)
			}
		}
	})
}

// What failed before a takeover is neither tried again nor counted as left.
func TestTheBudgetEndsAResumedRun(t *testing.T) {
	in(t, func(t *testing.T, w *world, stop func() error) {
		w.shipped(0, 30)
		w.confirm = func(context.Context, string, int) attempt.Answer {
			<-time.After(time.Second)
			return says("unavailable", 503)
		}
		tr := everything("R")
		tr.Until = time.Now().Add(10*time.Second + 500*time.Millisecond)
		w.ask(tr)
		<-time.After(4*time.Second + 500*time.Millisecond)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n := w.in(shipment.Deferred); n != 5 || w.log("R").Phase != job.Started {
			t.Fatalf("%d tried before the stop, log %s", n, w.log("R").Phase)
		}
		second := w.start()
		defer func() { _ = second() }()
		l := w.finished(t, "R")
		tried := w.in(shipment.Deferred)
		if got := len(w.posts()); got != tried || l.Counts.Deferred != tried || l.Counts.Attempts != tried || tried < 9 {
			t.Errorf("%d requests for %d shipments, counted %+v", got, tried, l.Counts)
		}
		equal(t, "left", l.Left, map[string]int{"time": 30 - tried})
	})
}

func TestAPausedAccountIsLeft(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 2
		w.shipped(0, 700)
		w.shipped(1000, 1020, func(e *shipment.Event) { e.Account = "FR" })
		w.confirm = slowly
		w.ask(everything("R"))
		<-time.After(3*time.Second + 500*time.Millisecond)
		before := len(w.posts())
		w.configure(func(c *settings.Connection) { c.Accounts[0].PausedUntil = time.Now().Add(time.Hour) })
		l := w.finished(t, "R")
		german := 0
		for n := range 700 {
			if w.state(n).State == shipment.Confirmed {
				german++
			}
		}
		if german > before {
			t.Errorf("%d requests of the paused account, %d when it was paused", german, before)
		}
		if w.in(shipment.Confirmed) != german+20 {
			t.Errorf("%d confirmed, %d of them of the paused account", w.in(shipment.Confirmed), german)
		}
		equal(t, "left", l.Left, map[string]int{"paused": 700 - german})
	})
}

func TestOneDefectIsHeld(t *testing.T) {
	for _, inFlight := range []int{1, 4, 8} {
		in(t, func(t *testing.T, w *world, _ func() error) {
			w.conn.Limits.InFlight = inFlight
			bad := func(e *shipment.Event) { e.Data.Carrier = "HERMEZ" }
			w.shipped(0, 40, bad)
			w.shipped(100, 140)
			w.confirm = func(_ context.Context, order string, _ int) attempt.Answer {
				<-time.After(100 * time.Millisecond)
				if order < "302-0000100" {
					return says("carrier-unsupported", 400)
				}
				return confirmed
			}
			w.ask(everything("R"))
			l := w.finished(t, "R")
			if l.Counts.Deferred > 20+inFlight || l.Counts.Confirmed != 40 {
				t.Errorf("%d in flight: %d requests for one defect; %+v", inFlight, l.Counts.Deferred, l.Counts)
			}
			equal(t, "left", l.Left, map[string]int{"held": 40 - l.Counts.Deferred})

			before := len(w.posts())
			w.ask(everything("R2")) // those refused unchanged come last, those not tried yet first
			l = w.finished(t, "R2")
			if n := len(w.posts()) - before; n > 20+inFlight || l.Left["held"] != 40-n {
				t.Errorf("next run: %d requests, left %v", n, l.Left)
			}
		})
	}
}

func TestAHaltedConnectionChangesNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 150)
		w.ready = func() error { return &Halted{Rule: "authorisation-revoked", Text: "invalid_grant"} }
		before := w.seq
		w.ask(everything("R"))
		l := w.finished(t, "R")
		equal(t, "left", l.Left, map[string]int{"halted": 150})
		if w.seq != before || len(w.posts()) != 0 {
			t.Errorf("%d ledger entries, %d requests", w.seq-before, len(w.posts()))
		}
	})
}

func TestAnAnswerThatHaltsBurnsNoAttempt(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 3
		w.shipped(0, 20)
		w.confirm = func(context.Context, string, int) attempt.Answer {
			<-time.After(time.Second)
			return says("wrong-region", 403)
		}
		w.ask(everything("R"))
		l := w.finished(t, "R")
		equal(t, "left", l.Left, map[string]int{"halted": 20})
		if w.in(shipment.Pending) != 20 || l.Counts.Released != l.Counts.Attempts || l.Counts.Attempts > 3 {
			t.Errorf("%d pending, %+v", w.in(shipment.Pending), l.Counts)
		}
		w.confirm = nil
		w.ask(everything("R2"))
		if l := w.finished(t, "R2"); l.Counts.Confirmed != 20 {
			t.Errorf("once mended: %+v", l.Counts)
		}
	})
}

func TestItemsAreLearnedWhenAmazonIsBack(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 40, func(e *shipment.Event) { e.Data.Items = nil })
		w.shipped(50, 60)
		back := time.Now().Add(3 * time.Minute)
		w.read = func(string) (plan.Order, bool, error) {
			if time.Now().Before(back) {
				return plan.Order{}, false, &Unavailable{Until: time.Now().Add(time.Minute), Reason: "breaker"}
			}
			return plan.Order{Found: true, Status: "UNSHIPPED", Items: []plan.OrderItem{{ID: "x", Unfulfilled: 2}}}, true, nil
		}
		w.ask(everything("R"))
		l := w.finished(t, "R")
		if l.Counts.Confirmed != 50 || len(l.Left) != 0 || l.At.Before(back) {
			t.Errorf("%+v, left %v", l.Counts, l.Left)
		}
	})
}

func TestAnUnreadableOrderIsLeft(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 5, func(e *shipment.Event) { e.Data.Items = nil })
		w.read = func(o string) (plan.Order, bool, error) {
			return plan.Order{Found: true, Status: "UNSHIPPED", Items: []plan.OrderItem{{ID: "x", Unfulfilled: 2}}}, o != order(2), nil
		}
		w.ask(everything("R"))
		l := w.finished(t, "R")
		equal(t, "left", l.Left, map[string]int{"order not readable": 1})
		if l.Counts.Confirmed != 4 || w.readings() != 4+maxReads || w.state(2).State != shipment.Pending {
			t.Errorf("%+v after %d readings, order 2 is %s", l.Counts, w.readings(), w.state(2).State)
		}
	})
}

func TestACorrectionDuringTheRunIsSent(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 5)
		w.confirm = slowly
		w.ask(everything("R"))
		<-time.After(500 * time.Millisecond) // all five are prepared, the first is under way
		w.change(key(3), func(d *shipment.Data) { d.Tracking = "CORRECTED" }, shipment.Event{Type: shipment.Amended})
		w.change(key(4), nil, shipment.Event{Type: shipment.Exclude})
		l := w.finished(t, "R")
		if l.Counts.Confirmed != 4 || l.Counts.Skipped != 1 || len(w.posts()) != 4 {
			t.Errorf("%+v, %d requests", l.Counts, len(w.posts()))
		}
		for _, e := range w.history {
			if e.Type == shipment.Attempted && e.After.Order == order(3) && e.After.Attempt.Body[:9] != "CORRECTED" {
				t.Errorf("sent %q", e.After.Attempt.Body)
			}
		}
	})
}

// A released shipment that is pending again is owed its try by the run that is resumed.
func TestAReleasedShipmentIsTriedAfterATakeover(t *testing.T) {
	in(t, func(t *testing.T, w *world, stop func() error) {
		w.shipped(0, 3)
		w.confirm = func(_ context.Context, o string, n int) attempt.Answer {
			if o == order(0) && n == 1 {
				<-time.After(time.Second)
				return says("throttled", 429)
			}
			return confirmed
		}
		w.ask(everything("R"))
		<-time.After(500 * time.Millisecond)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if s := w.state(0); s.State != shipment.Pending || s.LastRun != "R" || s.Attempts != 0 {
			t.Fatalf("after the stop: %+v", s)
		}
		second := w.start()
		defer func() { _ = second() }()
		if l := w.finished(t, "R"); l.Counts.Confirmed != 3 || len(l.Left) != 0 {
			t.Errorf("%+v, left %v", l.Counts, l.Left)
		}
	})
}
