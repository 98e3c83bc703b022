package run

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Who asks for held shipments by name, having mended the mapping, gets them sent in the same run.
func TestAListIsNotHeldByTheRunItJoins(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		var mended atomic.Bool
		w.shipped(0, 40, func(e *shipment.Event) { e.Data.Carrier = "HERMEZ" })
		w.shipped(100, 200)
		w.confirm = func(_ context.Context, order string, _ int) attempt.Answer {
			<-time.After(time.Second)
			if order < "302-0000100" && !mended.Load() {
				return says("carrier-unsupported", 400)
			}
			return confirmed
		}
		w.ask(everything("R"))
		until(t, "the hold", func() bool { return w.in(shipment.Confirmed) > 5 })
		mended.Store(true)
		w.ask(list("L", 3, 2, 1, 39, 38))
		if l := w.finished(t, "L"); l.JoinedTo != "R" {
			t.Fatalf("the list's log: %+v", l)
		}
		w.finished(t, "R")
		sent := w.posts()
		last := slices.Index(sent, order(38))
		if got, want := sent[last-4:last+1], []string{order(3), order(2), order(1), order(39), order(38)}; !slices.Equal(got, want) {
			t.Errorf("the list's order: %v, want %v", got, want)
		}
		for _, n := range []int{1, 2, 3, 38, 39} {
			if w.state(n).State != shipment.Confirmed {
				t.Errorf("order %d is %s", n, w.state(n).State)
			}
		}
	})
}

func TestATriggerForAllExtendsTheRun(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 10)
		w.confirm = func(_ context.Context, o string, n int) attempt.Answer {
			<-time.After(time.Second)
			if o == order(1) || o == order(2) && n == 1 {
				return says("unavailable", 503)
			}
			return confirmed
		}
		w.ask(everything("R"))
		<-time.After(4 * time.Second)
		w.shipped(20, 25)
		w.ask(everything("J"))
		w.ask(list("L", 2))
		if j := w.finished(t, "J"); j.Phase != job.Joined || j.JoinedTo != "R" {
			t.Fatalf("log of the second trigger: %+v", j)
		}
		l := w.finished(t, "R")
		for n := 20; n < 25; n++ {
			if w.state(n).State != shipment.Confirmed {
				t.Errorf("order %d came during the run, before the second trigger, and is %s", n, w.state(n).State)
			}
		}
		sent := w.posts()
		// What had failed is not tried again because somebody else wants everything, only because it was asked for by name.
		if len(sent) != 16 || w.state(1).Attempts != 1 || w.state(2).Attempts != 2 || len(l.Left) != 0 {
			t.Errorf("%d requests: %v, left %v", len(sent), sent, l.Left)
		}
	})
}

func TestATriggerThatComesTooLateRunsByItself(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 10)
		w.confirm = func(context.Context, string, int) attempt.Answer { <-time.After(5 * time.Second); return confirmed }
		tr := everything("R")
		tr.Until = time.Now().Add(2 * time.Second)
		w.ask(tr)
		<-time.After(3 * time.Second) // the budget is spent, a request is under way
		w.ask(list("L", 8, 9))
		l := w.finished(t, "R")
		equal(t, "left", l.Left, map[string]int{"time": 9})
		if l := w.finished(t, "L"); l.Phase != job.Finished || l.Counts.Confirmed != 2 {
			t.Errorf("the list: %s %+v", l.Phase, l.Counts)
		}
	})
}

// A holder wrote "joined" and died before it did anything about it.
func TestATakeoverKeepsJoinedTriggers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.shipped(0, 6)
		began := time.Now()
		r, l, j := everything("R"), list("L", 5), everything("J")
		w.asked = []job.Trigger{r, l, j}
		w.logs["R"] = job.Log{RunID: "R", Phase: job.Started, StartedAt: began, At: began, Trigger: r, Counts: job.Counts{Confirmed: 7}}
		<-time.After(time.Second)
		w.shipped(10, 12)
		w.logs["L"] = job.Log{RunID: "L", Phase: job.Joined, JoinedTo: "R", At: time.Now(), StartedAt: time.Now(), Trigger: l}
		w.logs["J"] = job.Log{RunID: "J", Phase: job.Joined, JoinedTo: "R", At: time.Now(), StartedAt: time.Now(), Trigger: j}
		<-time.After(time.Second)
		w.shipped(20, 22)
		stop := w.start()
		got := w.finished(t, "R")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		want := []string{order(5), order(0), order(1), order(2), order(3), order(4), order(10), order(11)}
		if sent := w.posts(); !slices.Equal(sent, want) || got.Counts.Confirmed != 15 {
			t.Errorf("sent %v, want %v; %+v", sent, want, got.Counts)
		}
	})
}
