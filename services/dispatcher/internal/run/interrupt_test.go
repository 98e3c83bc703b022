package run

import (
	"context"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestOutcomesOutliveAHiccupOfTheLedger(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 4
		w.shipped(0, 40)
		w.confirm = slowly
		w.ask(everything("R"))
		<-time.After(2*time.Second + 500*time.Millisecond)
		w.fail(errDown)
		<-time.After(15 * time.Second) // four answers that nobody but the worker knows
		w.fail(nil)
		l := w.finished(t, "R")
		if w.in(shipment.Confirmed) != 40 || len(w.posts()) != 40 || l.Counts.Confirmed != 40 || l.Counts.Doubt != 0 {
			t.Errorf("%d confirmed with %d requests, counted %+v", w.in(shipment.Confirmed), len(w.posts()), l.Counts)
		}
	})
}

func TestARunThatCannotRecordIsInterrupted(t *testing.T) {
	in(t, func(t *testing.T, w *world, stop func() error) {
		w.conn.Limits.InFlight = 4
		w.shipped(0, 40)
		w.confirm = slowly
		w.ask(everything("R"))
		<-time.After(2*time.Second + 500*time.Millisecond)
		w.fail(errDown, shipment.Attempted)
		<-time.After(time.Minute)
		if err := stop(); err == nil || w.log("R").Phase != job.Started {
			t.Fatalf("worker ended with %v, log %s", err, w.log("R").Phase)
		}
		if n := w.in(shipment.Confirmed); n != 12 || w.in(shipment.Pending) != 28 {
			t.Errorf("%d confirmed, %d pending", n, w.in(shipment.Pending))
		}
		w.fail(nil)
		second := w.start()
		defer func() { _ = second() }()
		l := w.finished(t, "R")
		if w.in(shipment.Confirmed) != 40 || len(w.posts()) != 40 || l.Counts.Confirmed != 40 {
			t.Errorf("%d confirmed with %d requests, counted %+v", w.in(shipment.Confirmed), len(w.posts()), l.Counts)
		}
	})
}

func TestACleanStopWaitsForWhatIsUnderWay(t *testing.T) {
	in(t, func(t *testing.T, w *world, stop func() error) {
		w.conn.Limits.InFlight = 3
		w.shipped(0, 10)
		w.confirm = func(ctx context.Context, _ string, _ int) attempt.Answer {
			<-ctx.Done()
			a := says("no-answer", 0)
			a.Sent = plan.MaybeSent
			return a
		}
		w.ask(everything("R"))
		<-time.After(time.Second)
		began := time.Now()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 12*time.Second {
			t.Errorf("the stop took %s", took)
		}
		if w.in(shipment.Doubt) != 3 || w.in(shipment.Pending) != 7 || w.log("R").Phase != job.Started {
			t.Errorf("%d in doubt, %d pending, run %s", w.in(shipment.Doubt), w.in(shipment.Pending), w.log("R").Phase)
		}
	})
}
