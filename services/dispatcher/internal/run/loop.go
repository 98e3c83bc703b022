package run

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// loop is the run. It ends when nothing is left to do, or with what is under way when nothing may be started any more.
func (x *execution) loop(ctx context.Context) error {
	ask, cancelAsk := context.WithCancel(ctx)
	defer func() { cancelAsk(); x.drainPermit(); close(x.launches) }()
	end := time.NewTimer(x.budget().Sub(x.w.Now()))
	defer end.Stop()
	x.retry = time.NewTimer(0)
	<-x.retry.C
	defer x.retry.Stop()
	stopped := ctx.Done()
	for {
		more, err := x.fill(ctx)
		if err != nil {
			x.interrupt(err)
		}
		x.report(false)
		if !more && x.quiet() {
			return errors.Join(x.broken, ctx.Err())
		}
		x.askPermit(ask)
		select {
		case p := <-x.permits:
			x.launch(ctx, p)
		case r := <-x.results:
			x.inflight--
			err = x.settle(ctx, r)
		case r := <-x.resolved:
			x.resolving--
			err = x.learned(ctx, r)
		case t := <-x.newTriggers():
			err = x.join(ctx, t)
		case <-x.retry.C:
			x.waitReason, x.waitUntil = "", time.Time{}
		case <-end.C:
			x.stop("time")
		case <-stopped:
			x.stop("stopped")
			stopped = nil // what is under way still comes to its end
		case <-at(more):
		}
		if err != nil {
			x.interrupt(err)
		}
	}
}

var always = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// at is ready at once if more is to be done, else never.
func at(more bool) <-chan struct{} {
	if more {
		return always
	}
	return nil
}

// newTriggers delivers what may join the run. A run that is ending takes in nobody: who came too late would be left.
func (x *execution) newTriggers() <-chan job.Trigger {
	if x.noMore != "" {
		return nil
	}
	return x.w.triggers
}

// quiet reports whether nothing is left to wait for.
func (x *execution) quiet() bool {
	return x.inflight == 0 && x.resolving == 0 && len(x.ready) == 0 && len(x.parked) == 0
}

// stop lets nothing new begin; what is under way comes to its end.
func (x *execution) stop(why string) {
	if x.noMore == "" {
		x.noMore = why
	}
	for _, c := range x.ready {
		x.unsent = append(x.unsent, c.Shipment.Key)
	}
	for _, c := range x.parked {
		x.unsent = append(x.unsent, c.Shipment.Key)
	}
	x.ready, x.parked = nil, nil
}

// interrupt stops a run that cannot write down what it does. It stays open and is resumed when the store is back.
func (x *execution) interrupt(err error) {
	x.broken = errors.Join(x.broken, err)
	x.stop("interrupted")
}

// join inserts a trigger that arrived during the run: lists and messages at once, the rest extends the run. Once the
// log says "joined" the trigger belongs to this run, also after a crash.
func (x *execution) join(ctx context.Context, t job.Trigger) error {
	if t.RunID == x.log.RunID {
		return nil
	}
	now := x.w.Now()
	l, err := x.w.Board.Begin(ctx, job.Log{RunID: t.RunID, Connection: t.Connection, Phase: job.Joined, At: now, StartedAt: now, Trigger: t, JoinedTo: x.log.RunID})
	if err != nil || l.Phase != job.Joined {
		return err
	}
	seq, err := x.w.Ledger.LastSeq(ctx)
	if err != nil {
		return err
	}
	if err := x.w.catchUp(ctx, seq, x.log.RunID); err != nil {
		return err
	}
	return x.add(ctx, t, now)
}

// askPermit asks for one permit at a time while there is something to use it for.
func (x *execution) askPermit(ctx context.Context) {
	if x.asking || len(x.ready) == 0 || x.noMore != "" || x.waitReason != "" || x.inflight >= x.room {
		return
	}
	x.asking = true
	go func() { // ends with ctx, at the latest when the loop is left
		p, err := x.w.Amazon.Ready(ctx)
		x.permits <- permitOr{p, err}
	}()
}

// drainPermit gives back a permit that arrives after the run's end.
func (x *execution) drainPermit() {
	if x.asking {
		if p := <-x.permits; p.err == nil {
			p.permit.Cancel()
		}
	}
}

// launch uses a permit for the most urgent candidate.
func (x *execution) launch(ctx context.Context, p permitOr) {
	x.asking = false
	if p.err != nil {
		x.refused(ctx, p.err)
		return
	}
	c, ok := x.choose()
	if !ok {
		p.permit.Cancel()
		return
	}
	x.inflight++
	do := launched{c, p.permit}
	select {
	case x.launches <- do:
	default:
		go x.attempts(context.WithoutCancel(ctx), do)
	}
}

// attempts makes one attempt after the other while there are some, each bounded by its request's deadline; it ends with the
// loop, which waits for every result. A goroutine that has made one has the stack the next one needs.
func (x *execution) attempts(ctx context.Context, do launched) {
	for {
		c := do.c
		res, err := x.w.Attempts.Try(ctx, do.permit, attempt.Job{Seq: c.Seq, Shipment: c.Shipment, Body: c.body, Items: c.items, Run: c.run, Refusals: c.refusals})
		x.results <- outcomeOf{c, res, err}
		var more bool
		if do, more = <-x.launches; !more {
			return
		}
	}
}

// refused takes into account why nothing may be sent.
func (x *execution) refused(ctx context.Context, err error) {
	var away *Unavailable
	var halted *Halted
	switch {
	case errors.As(err, &away):
		x.pause(away)
	case errors.As(err, &halted):
		x.w.Logger.Error("connection is halted", "rule", halted.Rule, "answer", halted.Text)
		x.stop(leftHalted)
	case ctx.Err() == nil:
		x.w.Logger.Warn("amazon cannot be asked, will be tried again", "error", err)
		x.pause(&Unavailable{Until: x.w.Now().Add(time.Second), Reason: "amazon"})
	}
}

// choose takes the next candidate that may still be sent: what was prepared a moment ago may be held or paused by now.
func (x *execution) choose() (candidate, bool) {
	for len(x.ready) > 0 {
		i := x.foremost()
		c := x.ready[i]
		x.ready = slices.Delete(x.ready, i, i+1)
		why := x.barred(c)
		if why == "" {
			x.sent.serve(c.Shipment.Account)
			return c, true
		}
		x.leave(why)
	}
	return candidate{}, false
}

// barred says why a candidate may not be sent now, "" if it may.
func (x *execution) barred(c candidate) string {
	account, ok := x.conn.Account(c.Shipment.Account)
	switch {
	case !ok:
		return "account unknown"
	case account.PausedUntil.After(x.w.Now()):
		return "paused"
	case !c.Shipment.Sendable():
		return "not waiting"
	case c.holds.Held(c.Shipment):
		return "held"
	}
	return ""
}

// pause stops asking until Amazon may be there again.
func (x *execution) pause(u *Unavailable) {
	x.waitReason, x.waitUntil = u.Reason, u.Until
	if x.waitReason == "" {
		x.waitReason = "amazon"
	}
	x.retry.Reset(max(u.Until.Sub(x.w.Now()), 50*time.Millisecond))
}

// countLimit bounds how many unsent shipments are counted one by one; beyond it the number is an estimate.
const countLimit = 50_000

// nameLeft says why work was left, with the number of shipments.
func (x *execution) nameLeft(ctx context.Context) {
	if x.noMore != "" {
		n, err := x.countLeft(ctx)
		if err != nil || n >= countLimit {
			n = max(n, x.total-x.done)
		}
		if n > 0 {
			x.left[x.noMore] += n
		}
	}
	x.total = x.done
}

// countLeft counts the shipments the run would still have dealt with.
func (x *execution) countLeft(ctx context.Context) (int, error) {
	left := map[shipment.Key]struct{}{}
	for _, k := range x.unsent {
		left[k] = struct{}{}
	}
	for _, s := range append(x.urgent, x.all...) {
		for len(left) < countLimit {
			it, ok, err := s.next(ctx, x.w.Queues)
			if err != nil {
				return len(left), err
			}
			if !ok {
				break
			}
			if _, seen := x.past.seen[it.Shipment.Key]; !seen && it.Shipment.Sendable() {
				left[it.Shipment.Key] = struct{}{}
			}
		}
	}
	return len(left), nil
}
