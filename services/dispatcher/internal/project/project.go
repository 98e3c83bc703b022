// Package project keeps the view in step with the ledger. It guarantees that ledger entries reach the view in their order
// and each exactly once in effect: the position is written together with the data, and a view that was lost, rolled back
// or belongs to another ledger is built anew. It is the only writer of the view, under a lease of its own. It does not
// interpret states; it copies what the ledger says.
package project

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

// Ledger is what the projector reads.
type Ledger interface {
	Epoch() string
	LastSeq(ctx context.Context) (uint64, error)
	HeadsBut(ctx context.Context, c shipment.ConnectionID, skip func(shipment.State, time.Time) bool, visit func(shipment.Entry) error) (uint64, error)
	Follow(ctx context.Context, after uint64, limit int, visit func([]shipment.Entry) error) error
}

// Projector projects. Run may be called once at a time.
type Projector struct {
	Ledger Ledger
	View   *view.View
	Logger *slog.Logger
	Now    func() time.Time

	// Again asks for a rebuild; a send is enough.
	Again <-chan struct{}

	// Snapshots spare the rebuild at a start; nil for none.
	Snapshots Snapshots

	saved saved
}

const (
	batch      = 1000
	lookEvery  = 500 * time.Millisecond
	sweepEvery = time.Hour
)

// Run projects until ctx ends. It fails when the view or the ledger cannot be reached; calling it again goes on from the
// view's own position.
func (p *Projector) Run(ctx context.Context) error {
	defer p.keepLast(ctx)
	for ctx.Err() == nil {
		at, err := p.position(ctx)
		if err != nil {
			return err
		}
		err = p.follow(ctx, at)
		switch {
		case errors.Is(err, view.ErrMoved):
			p.Logger.Warn("the view was changed by somebody else or lost; going on from what it says")
		case errors.Is(err, errAgain):
			if err := p.rebuild(ctx); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return nil
}

// position returns where the view stands; if it stands nowhere, after it was restored or rebuilt.
func (p *Projector) position(ctx context.Context) (view.Cursor, error) {
	at, err := p.View.Position(ctx)
	if err != nil {
		return view.Cursor{}, fmt.Errorf("read position of the view: %w", err)
	}
	if at.Epoch == p.Ledger.Epoch() {
		return at, nil
	}
	if at, ok := p.restore(ctx); ok {
		return at, nil
	}
	if err := p.rebuild(ctx); err != nil {
		return view.Cursor{}, err
	}
	return p.View.Position(ctx)
}

func (p *Projector) rebuild(ctx context.Context) error {
	began, n := p.Now(), 0
	_, err := p.View.Rebuild(ctx, p.Ledger.Epoch(), began, func(visit func(shipment.Entry) error) (uint64, error) {
		// The newest entry of all may have been purged; the view is complete up to it all the same, and runs wait for that.
		reached, err := p.Ledger.LastSeq(ctx)
		if err != nil {
			return 0, err
		}
		old := func(s shipment.State, since time.Time) bool { return p.View.Outlived(s, since, began) }
		last, err := p.Ledger.HeadsBut(ctx, "", old, func(e shipment.Entry) error { n++; return visit(e) })
		return max(reached, last), err
	})
	if err != nil {
		return fmt.Errorf("rebuild the view: %w", err)
	}
	p.Logger.Info("view rebuilt", "shipments", n, "took", p.Now().Sub(began).Round(time.Millisecond))
	return nil
}

var errAgain = errors.New("rebuild was asked for")

func (p *Projector) follow(ctx context.Context, at view.Cursor) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	prefix, reached := at.Prefix, new(atomic.Uint64)
	reached.Store(at.Seq)
	stopped := make(chan struct{})
	defer func() { cancel(nil); <-stopped }()
	go func() {
		defer close(stopped)
		p.attend(ctx, prefix, reached, cancel)
	}()
	err := p.Ledger.Follow(ctx, at.Seq, batch, func(entries []shipment.Entry) error {
		next, err := p.View.Apply(ctx, at, entries)
		if err != nil {
			return fmt.Errorf("apply %d entries after %d: %w", len(entries), at.Seq, err)
		}
		at = next
		reached.Store(at.Seq)
		p.gather(ctx, len(entries))
		return nil
	})
	if errors.Is(context.Cause(ctx), errAgain) {
		return errAgain
	}
	if errors.Is(context.Cause(ctx), view.ErrMoved) {
		return view.ErrMoved
	}
	return err
}

// Under load the projection rests after every batch, the longer the larger it was, so that the next one is large, too: an
// attempt and its outcome are then mostly one change of the view. What comes after a quiet moment is shown at once, and a
// batch that was as large as can be is followed by the next without a rest: the projection is behind.
const (
	gatherEach = 3 * time.Millisecond
	gatherMost = 60 * time.Millisecond
)

func (p *Projector) gather(ctx context.Context, entries int) {
	if entries >= batch/2 { // of the batch's entries only one of each shipment is left
		return
	}
	t := time.NewTimer(min(time.Duration(entries)*gatherEach, gatherMost))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// attend watches beside the projection: for the wish to rebuild, for a view that was wiped, rolled back or replaced while
// nothing is written to the ledger (a run would wait for it in vain), and for what may be swept out.
func (p *Projector) attend(ctx context.Context, prefix string, reached *atomic.Uint64, cancel context.CancelCauseFunc) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	save := time.NewTicker(saveLook)
	defer save.Stop()
	p.keep(ctx, reached.Load())
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.Again:
			cancel(errAgain)
		case <-look.C:
			known := reached.Load() // read first: the view is never behind it
			if at, err := p.View.Position(ctx); err == nil && (at.Epoch != p.Ledger.Epoch() || at.Prefix != prefix || at.Seq < known) {
				cancel(view.ErrMoved)
			}
		case <-save.C:
			p.keep(ctx, reached.Load())
		case <-sweep.C:
			if _, err := p.View.Sweep(ctx, p.Now()); err != nil {
				p.Logger.Warn("sweep of the view incomplete, will be repeated", "error", err)
			}
		}
	}
}
