// Package trigger publishes one trigger for every slot when it is due. It owns the waiting and the retrying, and
// guarantees that a slot which fell due while the loop was running (or shortly before it began) is asked for until
// the answer is certain or its time budget is over, and that a change of settings counts from the moment it arrives. It
// does not keep two replicas from asking for the same slot: the run board takes one and refuses the rest.
package trigger

import (
	"context"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/scheduler/internal/slot"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
)

const (
	// lookAgain bounds every wait, because the wall clock may be set while a timer runs.
	lookAgain  = 30 * time.Second
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// Board takes triggers; false means that the run was asked for before.
type Board interface {
	Ask(ctx context.Context, t job.Trigger) (bool, error)
}

// Settings gives the schedules and says when they changed.
type Settings interface {
	Current() settings.Set
	Changed() <-chan struct{}
}

// Loop triggers slots until its context ends. Its fields are set once before Run.
type Loop struct {
	Board    Board
	Settings Settings
	Now      func() time.Time
	Log      *slog.Logger
	// CatchUp is how far back slots are looked for when the loop begins.
	CatchUp time.Duration
}

// Run publishes slots as they fall due. It returns nil when ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	now := l.Now()
	l.announce(now)
	last, retry := now.Add(-l.CatchUp), firstRetry
	var open []slot.Slot // due and not yet certain
	var next time.Time   // nothing is due between last and next
	for fresh := true; ; {
		now = l.Now()
		if fresh || !next.IsZero() && !now.Before(next) {
			open = append(open, l.due(last, now)...)
			next, fresh = slot.Next(l.Settings.Current(), now), false
		}
		if now.After(last) {
			last = now
		}
		open = l.ask(ctx, open)
		wait := min(lookAgain, untilNext(next, now))
		if len(open) > 0 {
			wait, retry = min(wait, retry), min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-l.Settings.Changed():
			timer.Stop()
			fresh = true
			l.announce(l.Now())
		case <-timer.C:
		}
	}
}

func untilNext(next, now time.Time) time.Duration {
	if next.IsZero() {
		return lookAgain
	}
	return next.Sub(now)
}

func (l *Loop) due(after, upTo time.Time) []slot.Slot {
	if !upTo.After(after) { // the clock was set back: everything up to after has been seen
		return nil
	}
	due, err := slot.Due(l.Settings.Current(), after, upTo)
	if err != nil && len(due) > 0 {
		l.Log.Error("some schedules cannot be read", "error", err)
	}
	return due
}

// ask publishes what is open and returns what remains so. After a failure the rest waits for the next round: the store
// that does not answer one publish would let all of them time out.
func (l *Loop) ask(ctx context.Context, open []slot.Slot) []slot.Slot {
	var left []slot.Slot
	for i, s := range open {
		now := l.Now()
		if !now.Before(s.Until) {
			l.Log.Error("slot is lost: it could not be published within its time", "run", s.RunID(), "account", s.Account)
			continue
		}
		first, err := l.Board.Ask(ctx, s.Trigger(now))
		if err != nil {
			if ctx.Err() == nil {
				l.Log.Warn("slot is not published yet", "run", s.RunID(), "account", s.Account, "error", err)
			}
			return append(left, open[i:]...)
		}
		l.Log.Info("slot", "run", s.RunID(), "account", s.Account, "published", first, "until", s.Until)
	}
	return left
}

// announce tells people what will happen next, and which schedule cannot be read.
func (l *Loop) announce(now time.Time) {
	set := l.Settings.Current()
	for _, c := range set.Connections {
		for _, a := range c.Accounts {
			next, err := job.Next(a.Schedule, now, 1)
			switch {
			case err != nil:
				l.Log.Error("schedule cannot be read: the account has no runs", "account", a.ID, "error", err)
			case len(next) > 0:
				l.Log.Info("next run", "account", a.ID, "at", next[0].In(a.Schedule.Location()))
			default:
				l.Log.Info("no run is scheduled", "account", a.ID)
			}
		}
	}
}
