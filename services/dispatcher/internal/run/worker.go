// Package run is a connection's worker: while it holds the lease it carries out runs, settles doubts, finds orphaned
// attempts and lets old shipments expire. It guarantees that one run of a connection goes on at a time, that a trigger is
// finished or joined to the run under way, that a run taken over goes on where it was without trying a shipment twice,
// and that what was not tried stays as it was and is named with its reason. It does not schedule and does not talk to
// people; quota, breaker and tokens are behind the Amazon port.
package run

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Item is a shipment as the view shows it, with the ledger sequence it stands at.
type Item struct {
	Seq      uint64
	Shipment shipment.Shipment
}

// Place is a position in a queue, to go on from; nil is the beginning and, as an answer, the end.
type Place any

// Queues is what a run reads of the view.
type Queues interface {
	WaitFor(ctx context.Context, seq uint64) error
	Queue(ctx context.Context, a shipment.AccountID, q shipment.Queue, after Place, limit int) ([]Item, Place, error)
	QueueLen(ctx context.Context, a shipment.AccountID, q shipment.Queue) (int, error)
	Get(ctx context.Context, keys []shipment.Key) ([]Item, error)
}

// Upkeep is what the sweeps read of the view.
type Upkeep interface {
	Orphans(ctx context.Context, c shipment.ConnectionID, now time.Time, lease uint64) ([]shipment.Key, error)
	Doubts(ctx context.Context, c shipment.ConnectionID, limit int) ([]Item, error)
	Aged(ctx context.Context, a shipment.AccountID, shippedBefore time.Time, limit int) ([]shipment.Key, error)
}

// Ledger is what the worker appends to.
type Ledger interface {
	attempt.Ledger
	LastSeq(ctx context.Context) (uint64, error)
	Change(ctx context.Context, k shipment.Key, decide func(shipment.Entry) (shipment.Event, error)) (shipment.Entry, error)
}

// Board is where triggers are found and runs are logged.
type Board interface {
	Triggers(ctx context.Context, c shipment.ConnectionID, handle func(job.Trigger)) error
	Begin(ctx context.Context, l job.Log) (job.Log, error)
	Write(ctx context.Context, l job.Log) error
	Recent(ctx context.Context, c shipment.ConnectionID, n int) ([]job.Log, error)
}

// Ask publishes a trigger.
type Ask func(ctx context.Context, t job.Trigger) (first bool, err error)

// Amazon is the connection's way to Amazon. Ready fails with *Unavailable or *Halted; so may Read, which also tells
// whether the answer is knowledge: an order with Found false is known not to be there only then. LetIn reports whether
// Amazon lets the connection in, which it may ask for from time to time while that is not known.
type Amazon interface {
	Ready(ctx context.Context) (attempt.Permit, error)
	Read(ctx context.Context, order string) (o plan.Order, known bool, err error)
	ETA(n int) time.Duration
	LetIn(ctx context.Context) bool
}

// Known tells what is known of a shipment's order without asking Amazon. Not knowing is not an error; then Amazon is asked.
type Known interface {
	// Items are those of a package that takes the whole order: the order is known as untouched, and no other package of it is.
	Items(ctx context.Context, k shipment.Key, now time.Time) ([]shipment.Item, bool)
	// Label is what decides about who sold the label.
	Label(ctx context.Context, k shipment.Key) plan.About
}

// Unavailable says that nothing can be sent before Until and no order is to blame.
type Unavailable struct {
	Until  time.Time
	Reason string
}

func (e *Unavailable) Error() string { return e.Reason }

// Halted says that Amazon refuses the connection until somebody acts.
type Halted struct{ Rule, Text string }

func (e *Halted) Error() string { return e.Text }

// Worker works for one connection under one lease.
type Worker struct {
	Connection shipment.ConnectionID
	Settings   func() settings.Connection
	Ledger     Ledger
	Queues     Queues
	Upkeep     Upkeep
	Board      Board
	Ask        Ask
	Tell       func(job.Progress) error
	Amazon     Amazon
	Known      Known // may be nil
	Attempts   *attempt.Attempter
	Ahead      int // attempts under way beyond the requests that may be: those being written to the ledger
	Lease      attempt.Lease
	Encode     func(attempt.Confirmation) ([]byte, error) // fails with *attempt.Incomplete
	Country    func(marketplace string) string
	Now        func() time.Time
	Logger     *slog.Logger
	Actor      string

	triggers chan job.Trigger
	unread   map[shipment.Key]time.Time // doubts whose order could not be read; belongs to that sweep
	busy     atomic.Bool
	halted   atomic.Bool  // the last run ended because Amazon refused the connection
	ran      atomic.Int64 // when the last run that sent something ended, in Unix nanoseconds
	mu       sync.Mutex
	progress job.Progress
}

// Rhythm of the sweeps.
const (
	orphanEvery = 5 * time.Second
	agingEvery  = 30 * time.Second
	accessEvery = 5 * time.Second
)

// doubtEvery is how often doubts are looked at: often enough to ask in time, and seldom enough that a thousand connections
// without any cost next to nothing.
func (w *Worker) doubtEvery() time.Duration {
	return min(5*time.Second, max(200*time.Millisecond, time.Duration(w.Settings().Limits.DoubtAfter)/4))
}

// Run works until ctx ends, then lets requests under way come to their end. It fails only when a part cannot go on.
func (w *Worker) Run(ctx context.Context) error {
	w.triggers = make(chan job.Trigger, 16)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	part := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(&partError{name, err})
			}
		})
	}
	part("triggers", func(ctx context.Context) error {
		return w.Board.Triggers(ctx, w.Connection, func(t job.Trigger) {
			select {
			case w.triggers <- t:
			case <-ctx.Done():
			}
		})
	})
	part("orphans", w.every(orphanEvery, w.orphans))
	part("doubts", w.every(w.doubtEvery(), w.doubts))
	part("aging", w.every(agingEvery, w.aging))
	part("access", func(ctx context.Context) error {
		if err := w.recall(ctx); err != nil {
			return err
		}
		return w.every(accessEvery, w.access)(ctx)
	})
	part("runs", w.runs)
	wg.Wait()
	var failed *partError
	if errors.As(context.Cause(ctx), &failed) {
		return failed
	}
	return nil
}

type partError struct {
	part string
	err  error
}

func (e *partError) Error() string { return e.part + ": " + e.err.Error() }
func (e *partError) Unwrap() error { return e.err }

// every calls f at once and then at intervals. A failing sweep is tried again, the next one does its work; only one that
// fails twice in a row is worth a warning, for at the start the view is often still being built.
func (w *Worker) every(d time.Duration, f func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		tick := time.NewTicker(d)
		defer tick.Stop()
		for failed := 0; ; {
			if err := f(ctx); err == nil {
				failed = 0
			} else if failed++; failed > 1 && ctx.Err() == nil {
				w.Logger.Warn("sweep incomplete, will be repeated", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}

// runs carries out one trigger after the other; those that arrive during a run are joined to it there.
func (w *Worker) runs(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case t := <-w.triggers:
			w.busy.Store(true)
			err := w.execute(ctx, t)
			w.busy.Store(len(w.triggers) > 0)
			if err != nil && ctx.Err() == nil {
				w.Logger.Error("run interrupted, will be resumed", "run", t.RunID, "error", err)
				return err
			}
		}
	}
}

// Busy reports that a run goes on.
func (w *Worker) Busy() bool { return w.busy.Load() }

// Ran returns when the last run that sent something ended, also under an earlier lease; zero if none did.
func (w *Worker) Ran() time.Time {
	at := w.ran.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at).UTC()
}

// Progress returns where the current or last run stands.
func (w *Worker) Progress() job.Progress {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
