package project

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/fertig-project/fertig/shared/view"
)

// Snapshots keeps the newest snapshot of the view across restarts, for a Redis that keeps nothing itself.
type Snapshots interface {
	Open() (io.ReadCloser, error) // fs.ErrNotExist when there is none
	// Write replaces the snapshot by what f writes; when f fails the one before stays.
	Write(f func(io.Writer) error) error
}

// How old a snapshot may become: what came after it is read from the ledger at the next start.
const (
	saveLook  = 30 * time.Second
	saveEvery = 10 * time.Minute
	saveAfter = 50_000 // entries
	saveLast  = 5 * time.Second
)

// saved says where the newest snapshot stands.
type saved struct {
	seq uint64
	at  time.Time
}

// restore fills the view from the snapshot; false if that cannot be done.
func (p *Projector) restore(ctx context.Context) (view.Cursor, bool) {
	if p.Snapshots == nil {
		return view.Cursor{}, false
	}
	began := p.Now()
	r, err := p.Snapshots.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return view.Cursor{}, false
	}
	var at view.Cursor
	if err == nil {
		defer r.Close()
		var last uint64
		if last, err = p.Ledger.LastSeq(ctx); err == nil {
			at, err = p.View.Restore(ctx, r, p.Ledger.Epoch(), last, began)
		}
	}
	if err != nil {
		p.Logger.Warn("snapshot of the view cannot be used, the view is built from the ledger", "error", err)
		return view.Cursor{}, false
	}
	p.Logger.Info("view restored from its snapshot", "entry", at.Seq, "took", p.Now().Sub(began).Round(time.Millisecond))
	p.saved = saved{at.Seq, began}
	return at, true
}

// keep writes a snapshot when the last one has become old.
func (p *Projector) keep(ctx context.Context, reached uint64) {
	now := p.Now()
	if p.Snapshots == nil || reached == p.saved.seq || now.Sub(p.saved.at) < saveEvery && reached-p.saved.seq < saveAfter {
		return
	}
	p.save(ctx)
}

// keepLast leaves a fresh snapshot to the next start.
func (p *Projector) keepLast(ctx context.Context) {
	if p.Snapshots == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLast)
	defer cancel()
	if at, err := p.View.Position(ctx); err == nil && !at.IsZero() && at.Seq != p.saved.seq {
		p.save(ctx)
	}
}

func (p *Projector) save(ctx context.Context) {
	now := p.Now()
	var at view.Cursor
	err := p.Snapshots.Write(func(w io.Writer) (err error) {
		at, err = p.View.Save(ctx, w)
		return err
	})
	if err != nil {
		p.Logger.Warn("no snapshot of the view was written, the next start may take longer", "error", err)
		return
	}
	p.saved = saved{at.Seq, now}
}
