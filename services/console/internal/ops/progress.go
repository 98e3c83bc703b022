package ops

import (
	"context"
	"errors"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Progress calls hear with the progress of a run (of all the actor sees for ""), until the run has ended or ctx ends.
// hear is called by one goroutine at a time. Progress is told by whoever runs the run; what was missed is not repeated.
// Its numbers are the run's while it runs, other accounts included; the last ones are those of the accounts the actor sees.
func (o *Ops) Progress(ctx context.Context, a Actor, run string, hear func(job.Progress)) error {
	if err := a.need(Viewer); err != nil {
		return err
	}
	var of shipment.ConnectionID
	if run != "" {
		r, err := o.Run(ctx, a, run)
		if err != nil {
			return err
		}
		of = r.Connection
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan job.Progress, 64)
	failed := make(chan error, 1)
	go func() {
		failed <- o.cfg.Progress.Listen(ctx, of, func(p job.Progress) {
			select {
			case heard <- p:
			default: // a slow reader misses some
			}
		})
	}()
	err := o.relay(ctx, a, of, run, heard, failed, hear)
	cancel()
	<-failed // the listener has ended before Progress returns
	return err
}

// relay passes on what is heard. The log is looked at as well, because the last words of a run may have been lost.
func (o *Ops) relay(ctx context.Context, a Actor, of shipment.ConnectionID, run string, heard <-chan job.Progress, failed chan error, hear func(job.Progress)) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	ended := func() (bool, error) {
		if run == "" {
			return false, nil
		}
		l, err := o.cfg.Board.Last(ctx, of, run)
		if l = a.limited(l); err == nil && l.Phase.Ended() {
			hear(job.Progress{RunID: run, Connection: of, At: l.At, Done: l.Counts.Attempts, Total: l.Counts.Attempts,
				Confirmed: l.Counts.Confirmed, Deferred: l.Counts.Deferred, Ended: true})
			return true, nil
		}
		if fault.Is(err, fault.NotFound) {
			err = nil
		}
		return false, err
	}
	about := concerns{ops: o, actor: a, triggers: map[shipment.ConnectionID]job.Trigger{}}
	for {
		if done, err := ended(); done || err != nil {
			return quiet(ctx, err)
		}
		for next := false; !next; {
			select {
			case <-ctx.Done():
				return nil
			case err := <-failed:
				failed <- nil
				return quiet(ctx, err)
			case <-tick.C:
				next = run != ""
			case p := <-heard:
				if (run == "" || p.RunID == run && !p.Ended) && about.may(ctx, p) {
					hear(p)
				}
				next = run != "" && p.RunID == run && p.Ended
			}
		}
	}
}

// concerns knows which runs concern an actor. It is for one goroutine.
type concerns struct {
	ops      *Ops
	actor    Actor
	triggers map[shipment.ConnectionID]job.Trigger // of the run last heard of on each connection
}

// may reports whether the actor may hear of a run's progress. Of a run whose trigger cannot be read only those hear who see
// everything.
func (k concerns) may(ctx context.Context, p job.Progress) bool {
	c, ok := k.ops.cfg.Settings.Current().Connection(p.Connection)
	if !ok || len(k.actor.Accounts) == 0 || !k.actor.seesSome(c, nil) {
		return ok && len(k.actor.Accounts) == 0
	}
	t, known := k.triggers[c.ID]
	if !known || t.RunID != p.RunID {
		var err error
		if t, err = k.ops.cfg.Board.Asked(ctx, c.ID, p.RunID); err != nil {
			return false
		}
		k.triggers[c.ID] = t
	}
	return k.actor.seesSome(c, t.Accounts)
}

// quiet turns an error that only says that ctx ended into none.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
