package trigger_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/scheduler/internal/trigger"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// board keeps the first trigger of a run id, as the real one does.
type board struct {
	mu      sync.Mutex
	runs    map[string]job.Trigger
	order   []string
	asked   int
	failing error
}

func (b *board) Ask(_ context.Context, t job.Trigger) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.failing != nil {
		return false, b.failing
	}
	if _, known := b.runs[t.RunID]; known {
		return false, nil
	}
	if b.runs == nil {
		b.runs = map[string]job.Trigger{}
	}
	b.runs[t.RunID] = t
	b.order = append(b.order, t.RunID)
	return true, nil
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = err
}

func (b *board) ids() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.order)
}

type live struct {
	mu      sync.Mutex
	set     settings.Set
	changed chan struct{}
}

func (l *live) Current() settings.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.set
}
func (l *live) Changed() <-chan struct{} { return l.changed }

func (l *live) change(cron string) {
	l.mu.Lock()
	l.set = one(cron)
	l.mu.Unlock()
	l.changed <- struct{}{}
}

func one(cron string) settings.Set {
	c := settings.Connection{ID: "EU", Accounts: []settings.Account{{ID: "DE", Schedule: settings.Schedule{Cron: cron}}}}
	return settings.Set{Connections: []settings.Connection{c.WithDefaults()}}
}

// start runs a loop from a moment on and returns how to stop it.
func start(t *testing.T, b *board, s *live, catchUp time.Duration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	l := &trigger.Loop{Board: b, Settings: s, Now: time.Now, Log: slog.New(slog.DiscardHandler), CatchUp: catchUp}
	go func() { ended <- l.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("loop ended with %v", err)
		}
	}
}

func sleepUntil(t *testing.T, s string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	if at.Before(time.Now()) {
		t.Fatalf("%s is over", s)
	}
	<-time.After(time.Until(at)) // virtual: synctest moves the clock
	synctest.Wait()
}

// A week with the end of summer time in it, worked by three replicas.
func TestAWeekHasExactlyItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &board{}
		sleepUntil(t, "2026-10-22T00:00:00Z")
		for range 3 {
			s := &live{set: one("0 12,15,18 * * *"), changed: make(chan struct{}, 1)}
			defer start(t, b, s, 2*time.Minute)()
		}
		sleepUntil(t, "2026-10-29T00:00:00Z")
		var want []string
		for _, day := range []string{"22", "23", "24"} {
			want = append(want, "slot-DE-202610"+day+"T1000Z", "slot-DE-202610"+day+"T1300Z", "slot-DE-202610"+day+"T1600Z")
		}
		for _, day := range []string{"25", "26", "27", "28"} {
			want = append(want, "slot-DE-202610"+day+"T1100Z", "slot-DE-202610"+day+"T1400Z", "slot-DE-202610"+day+"T1700Z")
		}
		if got := b.ids(); !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		if b.asked != 3*len(want) {
			t.Errorf("%d questions for %d slots and 3 replicas", b.asked, len(want))
		}
		for id, tr := range b.runs {
			if late := tr.At.Sub(tr.Slot); late != 0 {
				t.Errorf("%s was published %s after its slot", id, late)
			}
		}
	})
}

func TestARestartAcrossASlotLosesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := &board{}, &live{set: one("0 12 * * *"), changed: make(chan struct{}, 1)}
		sleepUntil(t, "2026-11-20T10:59:59Z")
		start(t, b, s, 2*time.Minute)()
		sleepUntil(t, "2026-11-20T11:01:30Z")
		stop := start(t, b, s, 2*time.Minute)
		synctest.Wait()
		if got := b.ids(); !slices.Equal(got, []string{"slot-DE-20261120T1100Z"}) {
			t.Errorf("after the restart: %v", got)
		}
		stop()
		sleepUntil(t, "2026-11-21T11:02:30Z") // this slot is older than the catch-up
		stop = start(t, b, s, 2*time.Minute)
		defer stop()
		synctest.Wait()
		if got := b.ids(); len(got) != 1 {
			t.Errorf("an old slot was published: %v", got)
		}
	})
}

func TestAChangeCountsFromTheMomentItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := &board{}, &live{set: one("0 12 * * *"), changed: make(chan struct{}, 1)}
		sleepUntil(t, "2026-11-20T10:00:00Z")
		defer start(t, b, s, 2*time.Minute)()
		sleepUntil(t, "2026-11-20T10:29:59Z")
		s.change("30 10,11 * * *") // local: 10:30 is over, 11:30 comes in a second
		sleepUntil(t, "2026-11-20T12:00:00Z")
		if got := b.ids(); !slices.Equal(got, []string{"slot-DE-20261120T1030Z"}) {
			t.Errorf("got %v", got)
		}
	})
}

func TestAStoreThatDoesNotAnswerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, s := &board{failing: errors.New("no answer")}, &live{set: one("0 12,15 * * *"), changed: make(chan struct{}, 1)}
		sleepUntil(t, "2026-11-20T10:59:00Z")
		defer start(t, b, s, 2*time.Minute)()
		sleepUntil(t, "2026-11-20T11:10:00Z")
		if b.asked < 10 || b.asked > 40 {
			t.Errorf("asked %d times in ten minutes, want a backed-off few", b.asked)
		}
		b.fail(nil)
		sleepUntil(t, "2026-11-20T11:10:31Z")
		if got := b.ids(); !slices.Equal(got, []string{"slot-DE-20261120T1100Z"}) {
			t.Errorf("got %v", got)
		}
		b.fail(errors.New("no answer"))
		sleepUntil(t, "2026-11-20T17:05:00Z") // the budget of the 15:00 slot ends at 18:00 local
		asked := b.asked
		b.fail(nil)
		sleepUntil(t, "2026-11-20T18:00:00Z")
		if got := b.ids(); len(got) != 1 || b.asked != asked {
			t.Errorf("a slot past its time was published: %v", got)
		}
	})
}
