package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// LeaseName is the lease under which one replica works.
const LeaseName = "messages"

// Leases hands out the right to work.
type Leases interface {
	Acquire(ctx context.Context, name string) (*stream.Lease, error)
}

// Board tells what became of runs.
type Board interface {
	Recent(ctx context.Context, c shipment.ConnectionID, n int) ([]job.Log, error)
	FollowLogs(ctx context.Context, from uint64, hear func(seq uint64, l job.Log) error) error
}

// Ledger tells how far it is.
type Ledger interface {
	LastSeq(ctx context.Context) (uint64, error)
}

// View counts.
type View interface {
	// Deferred counts the shipments of an account that are deferred since no later than until.
	Deferred(ctx context.Context, a shipment.AccountID, until time.Time) (int, error)
	// Expired counts the expired shipments of every account that has some.
	Expired(ctx context.Context) (map[shipment.AccountID]int, error)
	// Waiting counts the shipments of an account that wait for a run.
	Waiting(ctx context.Context, a shipment.AccountID) (int, error)
	// Found counts what reconciliations left for somebody to look at.
	Found(ctx context.Context) (Findings, error)
	// Seen returns the ledger sequence the view has passed.
	Seen(ctx context.Context) (uint64, error)
}

// Book keeps the messages.
type Book interface {
	Open(ctx context.Context) ([]message.Message, error)
	Raise(ctx context.Context, m message.Message) (bool, error)
	Clear(ctx context.Context, m message.Message, at time.Time, why string) (bool, error)
	Recount(ctx context.Context, m message.Message, count int) (bool, error)
}

// Input tells what the doors could not use.
type Input interface {
	Follow(ctx context.Context, since time.Time, hear func(door.Rejected)) error
}

// Sweeps tells of reconciliations: of the last one of every connection, and then of new ones.
type Sweeps interface {
	FollowSweeps(ctx context.Context, hear func(orders.Sweep)) error
}

// Config is what the notifier works with. Only Pause and Now have defaults.
type Config struct {
	Leases   Leases
	Board    Board
	Ledger   Ledger
	View     View
	Book     Book
	Input    Input
	Sweeps   Sweeps
	Settings func() settings.Set
	Logger   *slog.Logger
	Now      func() time.Time
	Pause    time.Duration // between two looks; 0 means 250 ms
}

// Notifier watches runs and the ledger.
type Notifier struct{ cfg Config }

// New makes a notifier; Run starts it.
func New(cfg Config) *Notifier {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Pause == 0 {
		cfg.Pause = 250 * time.Millisecond
	}
	return &Notifier{cfg: cfg}
}

// retry is how long to wait after something went wrong.
const retry = time.Second

// Run works whenever it holds the lease, until ctx ends.
func (n *Notifier) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := n.hold(ctx); err != nil && ctx.Err() == nil {
			n.cfg.Logger.WarnContext(ctx, "maintenance messages interrupted, trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(retry):
			}
		}
	}
	return nil
}

// hold takes the lease, works until ctx ends or something fails, and gives it back.
func (n *Notifier) hold(ctx context.Context) error {
	lease, err := n.cfg.Leases.Acquire(ctx, LeaseName)
	if err != nil {
		return err
	}
	held, cancel := context.WithCancel(ctx)
	kept := make(chan error, 1)
	go func() {
		defer cancel()
		kept <- lease.Keep(held)
	}()
	err = n.watch(held)
	cancel()
	if lost := <-kept; lost != nil {
		return lost
	}
	give, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer stop()
	if rerr := lease.Release(give); err == nil && rerr != nil {
		err = fmt.Errorf("maintenance messages: %w", rerr)
	}
	return err
}
