// Package reconcile compares what Fertig believes of a connection's orders with what Amazon shows, some minutes after a
// run and at least daily. It owns when that is due, what is asked in which order and what is done about a difference: each
// becomes a finding in the ledger with what Amazon showed. It guarantees that no difference is believed on one reading of a
// list, that Amazon's reading side is given time to catch up, that it keeps to the quota of its own operations, and that a
// sweep which could not be completed is not taken for one. It sends nothing, and what is in doubt it leaves to the doubts'
// own inquiries unless the order says for certain.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Search selects orders on a page, see Amazon.
type Search struct {
	UpdatedAfter time.Time
	Statuses     []orders.Status
	Page         string // Page.Next of the page before
}

// Page is a part of what a search finds. Next is empty on the last one.
type Page struct {
	Orders []plan.Order
	Next   string
}

// Away says that Amazon cannot be asked before Until, or, if Halted, until somebody acts.
type Away struct {
	Until  time.Time
	Halted bool
	Reason string
}

func (a *Away) Error() string { return a.Reason }

// Amazon is asked inside its quotas, which may take minutes. The answer is knowledge only if known; errors are *Away or the
// context's.
type Amazon interface {
	Search(ctx context.Context, s Search) (p Page, known bool, err error)
	Read(ctx context.Context, order string) (o plan.Order, known bool, err error)
}

// Ledger is where shipments are found and findings are appended.
type Ledger interface {
	Orders(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error)
	Change(ctx context.Context, k shipment.Key, decide func(shipment.Entry) (shipment.Event, error)) (shipment.Entry, error)
}

// Standing lists the shipments of an account that Amazon should know as open: those with the flag, the excluded ones, and
// those that Amazon was to confirm by itself and was found not to have confirmed.
// after goes on from an earlier page; next is empty on the last one.
type Standing func(ctx context.Context, a shipment.AccountID, after string) (page []shipment.Shipment, next string, err error)

// Knowledge keeps what is known of orders.
type Knowledge interface {
	Put(ctx context.Context, news ...orders.Order) error
	EachOpen(ctx context.Context, c shipment.ConnectionID, visit func(orders.Order)) error
}

// Log keeps when a connection was swept last.
type Log interface {
	Swept(ctx context.Context, c shipment.ConnectionID) (orders.Sweep, error)
	Record(ctx context.Context, s orders.Sweep) error
}

// Reconciler works for one connection, under its lease.
type Reconciler struct {
	Connection shipment.ConnectionID
	Settings   func() settings.Connection
	Amazon     Amazon
	Ledger     Ledger
	Standing   Standing
	Knowledge  Knowledge
	Log        Log
	Ran        func() time.Time // when the last run that sent something ended; zero: none has
	Now        func() time.Time
	Logger     *slog.Logger
	Actor      string
}

// lookEvery is how often it is looked whether a sweep is due.
const lookEvery = 5 * time.Second

// Run sweeps whenever it is due, until ctx ends.
func (r *Reconciler) Run(ctx context.Context) error {
	began := r.Now()
	tick := time.NewTicker(r.rhythm())
	defer tick.Stop()
	last, err := r.Log.Swept(ctx, r.Connection)
	for failed := 0; ; {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			last, err = r.Log.Swept(ctx, r.Connection)
		case r.due(last, began):
			err = r.sweepOnce(ctx, &last, &failed)
		}
		if err != nil && ctx.Err() == nil {
			r.Logger.Warn("reconciliation waits for the stores", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Reconciler) rhythm() time.Duration {
	return min(lookEvery, max(100*time.Millisecond, time.Duration(r.Settings().Limits.ReconcileAfter)/4))
}

// sweepOnce sweeps and sets last. A sweep that Amazon or a store breaks off is begun again later, the later the more of
// them fail; it is not an error.
func (r *Reconciler) sweepOnce(ctx context.Context, last *orders.Sweep, failed *int) error {
	s, err := r.sweep(ctx, *last)
	if ctx.Err() != nil {
		return nil
	}
	var away *Away
	switch {
	case err == nil:
		*last, *failed = s, 0
		return nil
	case errors.As(err, &away) && away.Halted:
		r.Logger.Info("reconciliation waits: Amazon refuses the connection", "reason", away.Reason)
	default:
		r.Logger.Warn("reconciliation broken off, will be begun again", "error", err)
	}
	*failed++
	return r.rest(ctx, min(time.Duration(*failed)*time.Minute, time.Hour))
}

func (r *Reconciler) rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	return nil
}

// due reports whether a sweep is due: what a run has sent can be read back, or a day has passed. A process that has just
// begun first lets things settle.
func (r *Reconciler) due(last orders.Sweep, began time.Time) bool {
	limits := r.Settings().Limits
	after, now := time.Duration(limits.ReconcileAfter), r.Now()
	readable := r.Ran().Add(after)
	switch {
	case !r.Ran().IsZero() && !now.Before(readable) && last.StartedAt.Before(readable):
		return true
	case now.Before(began.Add(after)):
		return false
	}
	return !last.Finished || !now.Before(last.StartedAt.Add(time.Duration(limits.ReconcileEvery)))
}
