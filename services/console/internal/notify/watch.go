package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// news is what was heard of runs since the last look. Several of an account in one look count as the last one.
type news struct {
	mu   sync.Mutex
	runs map[shipment.AccountID]job.Log
}

func (w *news) run(a shipment.AccountID, l job.Log) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.At.After(w.runs[a].At) {
		w.runs[a] = l
	}
}

func (w *news) take() map[shipment.AccountID]job.Log {
	w.mu.Lock()
	defer w.mu.Unlock()
	runs := w.runs
	w.runs = map[shipment.AccountID]job.Log{}
	return runs
}

// watch begins with the last run of every account, so that nothing is missed that happened while nobody watched, and
// then follows what is new.
func (n *Notifier) watch(ctx context.Context) error {
	w := &news{runs: map[shipment.AccountID]job.Log{}}
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
	ended := make(chan error, 2)
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
	go func() { ended <- n.look(ctx, w) }()
	err = <-ended
	cancel()
	return errors.Join(err, <-ended)
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
