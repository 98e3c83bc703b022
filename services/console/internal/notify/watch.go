package notify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// news is what was heard of runs since the last look. Several of an account in one look count as the last one.
type news struct {
	mu   sync.Mutex
	runs map[shipment.AccountID]job.Log
	in   inputs
	more bool // in has grown

	slots slots
	idle  bool // slots has changed

	sweeps []orders.Sweep // finished since the last look

	running map[string]shipment.ConnectionID // runs that were begun and have not ended
}

// begun takes note of whether a run is under way.
func (w *news) begun(l job.Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.Phase == job.Started {
		w.running[l.RunID] = l.Connection
	} else {
		delete(w.running, l.RunID)
	}
}

// busy are the connections with a run under way.
func (w *news) busy() map[shipment.ConnectionID]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[shipment.ConnectionID]bool{}
	for _, c := range w.running {
		out[c] = true
	}
	return out
}

func (w *news) sweep(s orders.Sweep) {
	if !s.Finished {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweeps = append(w.sweeps, s)
}

func (w *news) swept() []orders.Sweep {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.sweeps
	w.sweeps = nil
	return out
}

func (w *news) run(a shipment.AccountID, l job.Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.At.After(w.runs[a].At) {
		w.runs[a] = l
	}
}

func (w *news) input(r door.Rejected, set settings.Set) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in.add(r, set)
	w.more = true
}

func (w *news) take() map[shipment.AccountID]job.Log {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := w.runs
	w.runs = map[shipment.AccountID]job.Log{}
	return runs
}

// grown returns the input heard of in the last days, and whether there is more of it than the last time.
func (w *news) grown(now time.Time) (inputs, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.in, func(_ string, m message.Message) bool { return now.Sub(m.At) > inputKept })
	more := w.more
	w.more = false
	return maps.Clone(w.in), more
}

// watch begins with the last run of every account, so that nothing is missed that happened while nobody watched, and
// then follows what is new.
func (n *Notifier) watch(ctx context.Context) error {
	w := &news{runs: map[shipment.AccountID]job.Log{}, in: inputs{}, more: true, slots: newSlots(), running: map[string]shipment.ConnectionID{}}
	logs, err := n.cfg.Board.Recent(ctx, "", 1<<30)
	if err != nil {
		return err
	}
	before := map[shipment.AccountID]time.Time{}
	for _, l := range logs {
		w.begun(l)
		for _, a := range n.concerned(l) {
			w.run(a, l)
			if l.At.After(before[a]) {
				before[a] = l.At
			}
		}
	}
	slices.Reverse(logs) // the oldest first: a missed slot comes before the run that makes up for it
	for _, l := range logs {
		w.slot(l, n.cfg.Settings())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 4)
	go func() {
		ended <- n.cfg.Board.FollowLogs(ctx, 0, func(_ uint64, l job.Log) error {
			w.begun(l)
			w.slot(l, n.cfg.Settings())
			for _, a := range n.concerned(l) {
				if l.At.After(before[a]) {
					w.run(a, l)
				}
			}
			return nil
		})
	}()
	go func() {
		ended <- n.cfg.Input.Follow(ctx, n.cfg.Now().Add(-inputKept), func(r door.Rejected) { w.input(r, n.cfg.Settings()) })
	}()
	go func() { ended <- n.cfg.Sweeps.FollowSweeps(ctx, w.sweep) }()
	go func() { ended <- n.look(ctx, w) }()
	err = <-ended
	cancel()
	return errors.Join(err, <-ended, <-ended, <-ended)
}

// concerned lists the accounts a finished run was about.
func (n *Notifier) concerned(l job.Log) []shipment.AccountID {
	c, ok := n.cfg.Settings().Connection(l.Connection)
	if !ok || l.Phase != job.Finished {
		return nil
	}
	var out []shipment.AccountID
	for _, a := range c.Accounts {
		if _, touched := l.ByAccount[a.ID]; touched || l.Trigger.Scoped(a.ID) {
			out = append(out, a.ID)
		}
	}
	return out
}

// look digests the news, a few times a second at most and only when the view has moved. A run waits until the view has
// passed everything that was in the ledger when its end was heard of: its last outcomes are there before its log says so.
func (n *Notifier) look(ctx context.Context, w *news) error {
	tick := time.NewTicker(n.cfg.Pause)
	defer tick.Stop()
	var target, done uint64
	waiting, begun, stale := map[shipment.AccountID]job.Log{}, false, true
	var access time.Time // when the ends of accesses are to be looked at
	var again time.Time  // when to look once more, though nothing has changed: what was deferred has grown old by then
	for {
		runs := w.take()
		for a, l := range runs {
			waiting[a] = l
		}
		if len(runs) > 0 || !begun {
			var err error
			if target, err = n.cfg.Ledger.LastSeq(ctx); err != nil {
				return quiet(ctx, err)
			}
			begun = true
		}
		missed, idle := w.missed()
		if stale = stale || idle; !again.IsZero() && n.cfg.Now().After(again) {
			stale, again = true, time.Time{}
		}
		seen, err := n.cfg.View.Seen(ctx)
		if err != nil {
			return quiet(ctx, err)
		}
		if seen >= target && (seen != done || len(waiting) > 0 || stale) {
			if err := n.settle(ctx, waiting, missed, w.busy()); err != nil {
				return quiet(ctx, err)
			}
			if seen != done {
				again = n.cfg.Now().Add(lateAfter + n.cfg.Pause)
			}
			done, stale = seen, false
			clear(waiting)
		}
		if in, more := w.grown(n.cfg.Now()); more {
			if err := n.unusable(ctx, in); err != nil {
				return quiet(ctx, err)
			}
		}
		if now := n.cfg.Now(); !now.Before(access) {
			if err := n.access(ctx); err != nil {
				return quiet(ctx, err)
			}
			access = now.Add(accessEvery)
		}
		if sweeps := w.swept(); len(sweeps) > 0 {
			if err := n.swept(ctx, sweeps); err != nil {
				return quiet(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
