package notify

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// news is what was heard of runs since the last look. Several of an account in one look count as the last one.
type news struct {
	mu   sync.Mutex
	runs map[shipment.AccountID]job.Log
	in   inputs
	more bool // in has grown
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
	w := &news{runs: map[shipment.AccountID]job.Log{}, in: inputs{}, more: true}
	logs, err := n.cfg.Board.Recent(ctx, "", 1<<30)
	if err != nil {
		return err
	}
	before := map[shipment.AccountID]time.Time{}
	for _, l := range logs {
		for _, a := range n.concerned(l) {
			w.run(a, l)
			if l.At.After(before[a]) {
				before[a] = l.At
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 3)
	go func() {
		ended <- n.cfg.Board.FollowLogs(ctx, 0, func(_ uint64, l job.Log) error {
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
	go func() { ended <- n.look(ctx, w) }()
	err = <-ended
	cancel()
	return errors.Join(err, <-ended, <-ended)
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
	waiting, begun := map[shipment.AccountID]job.Log{}, false
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
		seen, err := n.cfg.View.Seen(ctx)
		if err != nil {
			return quiet(ctx, err)
		}
		if seen >= target && (seen != done || len(waiting) > 0) {
			if err := n.settle(ctx, waiting); err != nil {
				return quiet(ctx, err)
			}
			done = seen
			clear(waiting)
		}
		if in, more := w.grown(n.cfg.Now()); more {
			if err := n.unusable(ctx, in); err != nil {
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
