package run

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// repair lets the connection in again and says how often that was asked for before.
func (w *world) repair() (knocks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.letIn = true
	return w.knocks
}

// followed are the runs that were asked for because the access is back.
func (w *world) followed() (runs []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.asked {
		if strings.HasPrefix(t.RunID, "access-") {
			runs = append(runs, t.RunID)
		}
	}
	return runs
}

// What a halted run left is sent as soon as Amazon lets the connection in again, by one run, and nobody had to ask for it.
func TestAHaltedRunIsMadeUpFor(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 30)
		halted := true
		w.ready = func() error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if halted {
				return &Halted{Rule: "access-denied", Text: "Access to requested resource is denied."}
			}
			return nil
		}
		w.ask(everything("R"))
		equal(t, "left", w.finished(t, "R").Left, map[string]int{"halted": 30})
		<-time.After(time.Hour)
		w.mu.Lock()
		halted = false
		w.mu.Unlock()
		if knocks := w.repair(); knocks == 0 || len(w.followed()) != 0 {
			t.Fatalf("asked %d times, runs %v", knocks, w.followed())
		}
		until(t, "a run", func() bool { return len(w.followed()) > 0 })
		if l := w.finished(t, w.followed()[0]); l.Counts.Confirmed != 30 || l.Trigger.Kind != job.Manual || l.Trigger.Reason == "" {
			t.Errorf("%+v", l)
		}
		<-time.After(time.Hour)
		if runs := w.followed(); len(runs) != 1 {
			t.Errorf("runs %v", runs)
		}
	})
}

// Whoever repairs the access may start the process anew: the next holder of the lease knows of the halted run.
func TestAHaltedRunIsMadeUpForAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.shipped(0, 30)
		w.ready = func() error { return &Halted{Rule: "secret-refused", Text: "invalid_client"} }
		stop := w.start()
		w.ask(everything("R"))
		w.finished(t, "R")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		w.ready = nil
		w.repair()
		stop = w.start()
		defer func() { _ = stop() }()
		until(t, "all are sent", func() bool { return w.in(shipment.Confirmed) == 30 })
		if runs := w.followed(); len(runs) != 1 {
			t.Errorf("runs %v", runs)
		}
	})
}

// Without a halted run nobody asks Amazon for anything.
func TestOrdinaryRunsAreNotMadeUpFor(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.shipped(0, 3)
		w.ask(everything("R"))
		w.finished(t, "R")
		<-time.After(time.Hour)
		if knocks := w.repair(); knocks != 0 || len(w.followed()) != 0 {
			t.Errorf("asked %d times, runs %v", knocks, w.followed())
		}
	})
}
