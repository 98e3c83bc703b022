package trigger_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/scheduler/internal/trigger"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// board keeps the first trigger of a run id, as the real one does.
type board struct {
	mu      sync.Mutex
	runs    map[string]job.Trigger
	order   []string
	logs    map[string]job.Log
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

func (b *board) Since(_ context.Context, since time.Time) ([]job.Trigger, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing != nil {
		b.asked++
	}
	var out []job.Trigger
	for _, t := range b.runs {
		if !t.At.Before(since) {
			out = append(out, t)
		}
	}
	return out, b.failing
}

func (b *board) Begin(_ context.Context, l job.Log) (job.Log, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failing != nil {
		return l, b.failing
	}
	if known, ok := b.logs[l.RunID]; ok {
		return known, nil
	}
	if b.logs == nil {
		b.logs = map[string]job.Log{}
	}
	b.logs[l.RunID] = l
	return l, nil
}

func (b *board) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = err
}

// ids are the runs asked for, in order.
func (b *board) ids() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(b.order), func(id string) bool { return b.runs[id].Settled != "" })
}

// settled is what was written down about slots that did not run: hour:minute phase [-> run].
func (b *board) settled() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, l := range b.logs {
		out = append(out, strings.TrimSpace(l.Trigger.Slot.Format("02T1504 ")+string(l.Phase)+" "+l.JoinedTo))
	}
	slices.Sort(out)
	return out
}

// live is the settings bucket: its history survives the loops that read it.
type live struct {
	mu      sync.Mutex
	past    []settings.Revision
	changed chan struct{}
}

func store(cron string) *live {
	l := &live{changed: make(chan struct{}, 1)}
	l.put(cron)
	return l
}

func (l *live) put(cron string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.past = append(l.past, settings.Revision{From: time.Now(), Connection: one(cron).Connections[0]})
}

func (l *live) History(context.Context) (map[shipment.ConnectionID][]settings.Revision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return map[shipment.ConnectionID][]settings.Revision{"EU": slices.Clone(l.past)}, nil
}

func (l *live) Current() settings.Set {
	l.mu.Lock()
	defer l.mu.Unlock()
	return settings.Set{Connections: []settings.Connection{l.past[len(l.past)-1].Connection}}
}
func (l *live) Changed() <-chan struct{} { return l.changed }

func (l *live) change(cron string) {
	l.put(cron)
	l.changed <- struct{}{}
}

func one(cron string) settings.Set {
	c := settings.Connection{ID: "EU", Accounts: []settings.Account{{ID: "DE", Schedule: settings.Schedule{Cron: cron}}}}
	return settings.Set{Connections: []settings.Connection{c.WithDefaults()}}
}

// start runs a loop from a moment on and returns how to stop it.
func start(t *testing.T, b *board, s *live) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	l := &trigger.Loop{Board: b, Settings: s, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
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
			s := store("0 12,15,18 * * *")
			defer start(t, b, s)()
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
		sleepUntil(t, "2026-11-20T10:00:00Z")
		b, s := &board{}, store("0 12 * * *")
		sleepUntil(t, "2026-11-20T10:59:59Z")
		start(t, b, s)()
		sleepUntil(t, "2026-11-20T11:01:30Z")
		stop := start(t, b, s)
		synctest.Wait()
		if got := b.ids(); !slices.Equal(got, []string{"slot-DE-20261120T1100Z"}) {
			t.Errorf("after the restart: %v", got)
		}
		if until := b.runs["slot-DE-20261120T1100Z"].Until.Format("15:04:05"); until != "14:01:30" {
			t.Errorf("the late run has until %s, want its three hours", until)
		}
		stop()
		start(t, b, s)()
		if b.asked != 1 {
			t.Errorf("%d questions: a further start asks again", b.asked)
		}
	})
}

// Nobody was there for two days: the latest slot is run, what was within its grace period is covered, the rest is missed,
// all of it once, however many begin at once and however often.
func TestAfterTwoDaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-11-19T15:30:00Z")
		b, s := &board{}, store("0 12,17,18 * * *")
		stop := start(t, b, s)
		sleepUntil(t, "2026-11-19T16:30:00Z")
		stop()
		sleepUntil(t, "2026-11-21T17:30:00Z")
		var stops []func()
		for range 3 {
			stops = append(stops, start(t, b, s))
		}
		sleepUntil(t, "2026-11-21T18:30:00Z")
		for _, stop := range stops {
			stop()
		}
		start(t, b, s)()
		if got, want := b.ids(), []string{"slot-DE-20261119T1600Z", "slot-DE-20261121T1700Z"}; !slices.Equal(got, want) {
			t.Errorf("runs %v, want %v", got, want)
		}
		want := []string{"19T1700 missed", "20T1100 missed", "20T1600 missed", "20T1700 missed", "21T1100 missed", "21T1600 joined slot-DE-20261121T1700Z"}
		if got := b.settled(); !slices.Equal(got, want) {
			t.Errorf("settled\n%v, want\n%v", got, want)
		}
	})
}

// A scheduler that dies between the two things it writes about a missed slot leaves the second to whoever comes next.
func TestAHalfWrittenMissIsCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-11-20T10:00:00Z")
		b, s := &board{}, store("0 12 * * *")
		sleepUntil(t, "2026-11-20T18:00:00Z")
		start(t, b, s)()
		want := []string{"20T1100 missed"}
		if got := b.settled(); !slices.Equal(got, want) {
			t.Fatalf("settled %v", got)
		}
		b.logs = nil
		start(t, b, s)()
		if got := b.settled(); !slices.Equal(got, want) {
			t.Errorf("settled %v", got)
		}
	})
}

// What was due is what the settings of the time said, not those of today.
func TestOnlyWhatWasInForceIsMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-11-20T08:00:00Z")
		b, s := &board{}, store("0 10 * * *") // 9:00Z, then changed to 14:00Z and 16:00Z
		sleepUntil(t, "2026-11-20T13:30:00Z")
		s.put("0 10,15,17 * * *")
		sleepUntil(t, "2026-11-20T19:00:00Z")
		s.put("0 12,18 * * *") // both were over: neither is missed
		sleepUntil(t, "2026-11-20T20:00:00Z")
		stop := start(t, b, s)
		synctest.Wait()
		want := []string{"20T0900 missed", "20T1400 missed", "20T1600 missed"}
		if got := b.settled(); !slices.Equal(got, want) || len(b.ids()) != 0 {
			t.Errorf("settled %v, runs %v, want %v", got, b.ids(), want)
		}
		stop()
	})
}

// The clock of a machine is set while the loop runs.
func TestAClockThatJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-11-20T10:00:00Z")
		b, s := &board{}, store("0 12,13,18 * * *")
		var shift atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		l := &trigger.Loop{Board: b, Settings: s, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }}
		go func() { ended <- l.Run(ctx) }()
		sleepUntil(t, "2026-11-20T11:10:00Z")
		shift.Store(int64(-30 * time.Minute)) // 12:10 is 11:40 again
		sleepUntil(t, "2026-11-20T12:20:00Z") // the clock shows 11:50Z: noon has been there twice, and ran once
		if got, want := b.ids(), []string{"slot-DE-20261120T1100Z"}; !slices.Equal(got, want) || b.asked < 2 {
			t.Errorf("set back: runs %v after %d questions, want %v", got, b.asked, want)
		}
		shift.Store(int64(6 * time.Hour)) // 18:20Z: over 12:00Z by more than the grace period, over 17:00Z by less
		sleepUntil(t, "2026-11-20T12:30:00Z")
		if got, want := b.ids(), []string{"slot-DE-20261120T1100Z", "slot-DE-20261120T1700Z"}; !slices.Equal(got, want) {
			t.Errorf("set forward: runs %v, want %v", got, want)
		}
		if got := b.settled(); !slices.Equal(got, []string{"20T1200 missed"}) {
			t.Errorf("set forward: settled %v", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestAChangeCountsFromTheMomentItArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sleepUntil(t, "2026-11-20T10:00:00Z")
		b, s := &board{}, store("0 12 * * *")
		defer start(t, b, s)()
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
		sleepUntil(t, "2026-11-20T10:59:00Z")
		b, s := &board{failing: errors.New("no answer")}, store("0 12,15 * * *")
		defer start(t, b, s)()
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
		sleepUntil(t, "2026-11-20T16:05:00Z") // the grace period of the 15:00 slot, 14:00Z, is over
		b.fail(nil)
		sleepUntil(t, "2026-11-20T18:00:00Z")
		if got := b.ids(); len(got) != 1 {
			t.Errorf("a slot past its time was published: %v", got)
		}
		if got := b.settled(); !slices.Equal(got, []string{"20T1400 missed"}) {
			t.Errorf("settled %v", got)
		}
	})
}
