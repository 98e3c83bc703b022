// Package trigger publishes one trigger for every slot when it is due, and settles those that fell due while no
// scheduler was running: they are run late, covered by a later run, or recorded as missed. It owns the waiting and the
// retrying, and guarantees that a slot is asked for until it is certain what became of it, that a change of settings
// counts from the moment it arrives, and that a clock set forward or back loses no slot and runs none twice. It does not
// keep two replicas from asking for the same slot: the run board takes one and refuses the rest.
package trigger

import (
	"context"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/scheduler/internal/slot"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	// lookAgain bounds every wait, because the wall clock may be set while a timer runs.
	lookAgain  = 30 * time.Second
	firstRetry = time.Second
	lastRetry  = 30 * time.Second

	// lookBack is how far back slots are looked for that nobody settled. What is older is no news.
	lookBack = 7 * 24 * time.Hour
	// skew is how much earlier by the server's clock than by ours a trigger of a slot may have been stored.
	skew = time.Hour
)

// Board takes triggers; false means that the run was asked for before.
type Board interface {
	Ask(ctx context.Context, t job.Trigger) (bool, error)
	Since(ctx context.Context, since time.Time) ([]job.Trigger, error)
	Begin(ctx context.Context, l job.Log) (job.Log, error)
}

// Settings gives the schedules, says when they changed, and what they were before.
type Settings interface {
	Current() settings.Set
	Changed() <-chan struct{}
	History(ctx context.Context) (map[shipment.ConnectionID][]settings.Revision, error)
}

// Loop triggers slots until its context ends. Its fields are set once before Run.
type Loop struct {
	Board    Board
	Settings Settings
	Now      func() time.Time
	Log      *slog.Logger
}

// watch is what a running loop knows. It belongs to the loop's goroutine.
type watch struct {
	*Loop
	set   settings.Set // in force since it arrived
	began time.Time
	last  time.Time   // up to here slots were looked for
	next  time.Time   // nothing is due between last and next; zero: no schedule has a slot
	open  []slot.Slot // due, and not certain yet what became of them
	past  bool        // what fell due before the loop began is among them
}

// Run publishes slots as they fall due. It returns nil when ctx ends.
func (l *Loop) Run(ctx context.Context) error {
	now := l.Now()
	w := &watch{Loop: l, set: l.Settings.Current(), began: now, last: now}
	w.next = slot.Next(w.set, now)
	l.announce(w.set, now)
	for retry := firstRetry; ; {
		now = l.Now()
		w.look(now)
		settled := w.remember(ctx) && w.settle(ctx)
		wait := lookAgain
		if !w.next.IsZero() {
			wait = min(wait, max(0, w.next.Sub(now)))
		}
		if settled {
			retry = firstRetry
		} else {
			wait, retry = min(wait, retry), min(2*retry, lastRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-l.Settings.Changed():
			timer.Stop()
			w.change(l.Now())
		case <-timer.C:
		}
	}
}

// look adds what has fallen due. A clock that was set back sees the same slots again: whoever triggered them did it for
// good.
func (w *watch) look(now time.Time) {
	if now.Before(w.last) {
		w.last, w.next = now, slot.Next(w.set, now)
	}
	if w.next.IsZero() || now.Before(w.next) {
		return
	}
	due, err := slot.Due(w.set, w.last, now)
	if err != nil && len(due) > 0 {
		w.Log.Error("some schedules cannot be read", "error", err)
	}
	w.open, w.last, w.next = append(w.open, due...), now, slot.Next(w.set, now)
}

// change puts new settings in force. What fell due until now did so by the old ones.
func (w *watch) change(now time.Time) {
	w.look(now)
	w.set, w.last = w.Settings.Current(), now
	w.next = slot.Next(w.set, now)
	w.announce(w.set, now)
}

// remember adds, once, what fell due before the loop began, by the settings in force at the time. It reports whether that
// is known.
func (w *watch) remember(ctx context.Context) bool {
	if w.past {
		return true
	}
	history, err := w.Settings.History(ctx)
	if err != nil {
		w.later(ctx, "cannot tell yet what was due before the start", err)
		return false
	}
	due, err := slot.Past(history, w.began.Add(-lookBack), w.began)
	if err != nil {
		w.Log.Warn("some earlier schedules cannot be read", "error", err)
	}
	w.open, w.past = append(w.open, due...), true
	return true
}

// settle decides about what is open and writes it down. It reports whether nothing is left. After a failure the rest waits
// for the next round: the store that does not answer one publish would let all of them time out.
func (w *watch) settle(ctx context.Context) bool {
	now := w.Now()
	asked, err := w.asked(ctx, now)
	if err != nil {
		w.later(ctx, "slots are not settled yet", err)
		return false
	}
	verdicts := slot.Settle(w.open, asked, now)
	for i, v := range verdicts {
		if err := w.write(ctx, v, now); err != nil {
			w.later(ctx, "slot is not settled yet", err, "run", v.RunID(), "account", v.Account)
			w.open = w.open[:0]
			for _, left := range verdicts[i:] {
				w.open = append(w.open, left.Slot)
			}
			return false
		}
	}
	w.open = nil
	return true
}

// asked reads which triggers there are since the earliest slot that is open, if one is late. On the way it completes what
// a scheduler that died left half written.
func (w *watch) asked(ctx context.Context, now time.Time) ([]job.Trigger, error) {
	var since time.Time
	for _, s := range w.open {
		if s.Late(now) && (since.IsZero() || s.At.Before(since)) {
			since = s.At
		}
	}
	if since.IsZero() {
		return nil, nil
	}
	asked, err := w.Board.Since(ctx, since.Add(-skew))
	if err != nil {
		return nil, err
	}
	for _, t := range asked {
		if t.Settled != "" {
			if err := w.record(ctx, t); err != nil {
				return nil, err
			}
		}
	}
	return asked, nil
}

// write publishes a verdict's trigger and, if it settles the slot without a run, the log that says so. Both exist once.
func (w *watch) write(ctx context.Context, v slot.Verdict, now time.Time) error {
	t := v.Trigger(now)
	first, err := w.Board.Ask(ctx, t)
	if err != nil {
		return err
	}
	if !first {
		w.Log.Info("slot", "run", t.RunID, "account", v.Account, "published", false)
		return nil
	}
	switch t.Settled {
	case "":
		w.Log.Info("slot", "run", t.RunID, "account", v.Account, "published", true, "late", now.Sub(v.At).Truncate(time.Second), "until", t.Until)
		return nil
	case job.Missed:
		w.Log.Error("slot was missed: no scheduler was running; run the job by hand if it matters", "run", t.RunID, "account", v.Account)
	default:
		w.Log.Warn("slot was missed and is covered by another run", "run", t.RunID, "account", v.Account, "by", t.CoveredBy)
	}
	return w.record(ctx, t)
}

func (w *watch) record(ctx context.Context, t job.Trigger) error {
	_, err := w.Board.Begin(ctx, job.Log{RunID: t.RunID, Connection: t.Connection, Phase: t.Settled, At: t.At, StartedAt: t.At, Trigger: t, JoinedTo: t.CoveredBy})
	return err
}

func (w *watch) later(ctx context.Context, what string, err error, more ...any) {
	if ctx.Err() == nil {
		w.Log.Warn(what, append(more, "error", err)...)
	}
}

// announce tells people what will happen next, which schedule cannot be read, and which one meets a change of clocks.
func (l *Loop) announce(set settings.Set, now time.Time) {
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
			for _, x := range job.Clashes(a.Schedule, now) {
				l.Log.Warn("schedule meets a change of clocks: "+x.Text("en"), "account", a.ID, "zone", a.Schedule.Zone)
			}
		}
	}
}
