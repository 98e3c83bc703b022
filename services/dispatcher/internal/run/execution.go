package run

import (
	"context"
	"errors"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// candidate is a shipment on its way to an attempt.
type candidate struct {
	Item
	run      string // of the trigger it came by
	body     []byte
	items    []shipment.Item // read from Amazon
	refusals int
}

// outcomeOf is what an attempt's goroutine hands back.
type outcomeOf struct {
	c   candidate
	res attempt.Result
	err error
}

type permitOr struct {
	permit attempt.Permit
	err    error
}

// execution is one run. All of its fields belong to the goroutine of loop; the others only send on its channels.
type execution struct {
	w    *Worker
	conn settings.Connection
	log  job.Log

	urgent []*source // lists and messages, inserted at once
	all    []*source
	ready  []candidate // prepared, waiting for a permit
	holds  plan.Holds
	left   map[string]int

	total, done int
	inflight    int
	resolving   int
	parked      []candidate // wait for their items to be read
	asking      bool
	noMore      string // why nothing is started any more
	broken      error  // the store or the lease failed: the run is interrupted, not finished
	waitUntil   time.Time
	waitReason  string
	told        time.Time

	permits  chan permitOr
	results  chan outcomeOf
	resolved chan resolution
	retry    chan struct{} // the time to ask for a permit again has come
}

// Looking ahead this far keeps the permits busy without holding much that may change meanwhile.
const lookAhead = 8

// Reading orders has a scarce quota of its own: few are asked at once, the others wait without holding anybody up.
const (
	maxResolving = 4
	maxParked    = 5000
)

// execute carries out the run a trigger asks for. A run that was begun under an earlier lease goes on with its id.
func (w *Worker) execute(ctx context.Context, t job.Trigger) error {
	conn := w.Settings()
	now := w.Now()
	snapshot, err := w.Ledger.LastSeq(ctx)
	if err != nil {
		return err
	}
	log, err := w.Board.Begin(ctx, job.Log{RunID: t.RunID, Connection: w.Connection, Phase: job.Started, At: now, StartedAt: now, Trigger: t, Snapshot: snapshot})
	if err != nil {
		return err
	}
	if log.Phase != job.Started {
		return nil
	}
	if err := w.catchUp(ctx, max(snapshot, log.Snapshot), t.RunID); err != nil {
		return err
	}
	x := &execution{w: w, conn: conn, log: log, left: map[string]int{},
		permits: make(chan permitOr, 1), results: make(chan outcomeOf, conn.Limits.InFlight),
		resolved: make(chan resolution, maxResolving), retry: make(chan struct{}, 1)}
	x.log.ByAccount = map[shipment.AccountID]job.Counts{}
	if err := x.resume(ctx, t); err != nil {
		return err
	}
	return x.carryOut(ctx)
}

// catchUp waits until the view has passed the run's snapshot; without that the run would miss what was reported before.
func (w *Worker) catchUp(ctx context.Context, seq uint64, run string) error {
	for {
		wait, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := w.Queues.WaitFor(wait, seq)
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		w.Logger.Warn("run waits for the view", "run", run, "error", err)
		w.tell(job.Progress{RunID: run, Connection: w.Connection, At: w.Now(), Waiting: "view"})
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// resume adds the run's own trigger and those that were joined to it before a takeover.
func (x *execution) resume(ctx context.Context, t job.Trigger) error {
	if err := x.add(ctx, t, x.log.StartedAt); err != nil {
		return err
	}
	logs, err := x.w.Board.Recent(ctx, x.w.Connection, 200)
	if err != nil {
		return err
	}
	for _, l := range logs {
		if l.Phase == job.Joined && l.JoinedTo == x.log.RunID {
			if err := x.add(ctx, l.Trigger, l.At); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *execution) add(ctx context.Context, t job.Trigger, from time.Time) error {
	s := newSource(t, x.conn, from)
	n, err := s.size(ctx, x.w.Queues)
	if err != nil {
		return err
	}
	x.total += n
	if t.Scope == job.All {
		x.all = append(x.all, s)
	} else {
		x.urgent = append(x.urgent, s)
	}
	return nil
}

// budget is when the run ends even if work is left.
func (x *execution) budget() time.Time {
	end := x.log.StartedAt.Add(time.Duration(x.conn.Limits.RunBudget))
	if u := x.log.Trigger.Until; !u.IsZero() && u.Before(end) && u.After(x.log.StartedAt) {
		end = u
	}
	return end
}

// carryOut runs the loop to its end and writes the closing log.
func (x *execution) carryOut(ctx context.Context) error {
	if x.conn.Mode == settings.ModeShadow {
		x.stop("shadow")
	}
	if err := x.loop(ctx); err != nil {
		return err
	}
	x.nameLeft()
	x.log.Phase, x.log.At, x.log.Left = job.Finished, x.w.Now(), x.left
	if err := x.w.Board.Write(ctx, x.log); err != nil {
		return err
	}
	x.report(true)
	x.w.Logger.Info("run finished", "run", x.log.RunID, "confirmed", x.log.Counts.Confirmed, "deferred", x.log.Counts.Deferred,
		"doubt", x.log.Counts.Doubt, "attempts", x.log.Counts.Attempts, "left", x.left, "took", x.log.At.Sub(x.log.StartedAt).Round(time.Millisecond))
	return nil
}

// loop is the run. It ends when nothing is left to do, or with what is under way when nothing may be started any more.
func (x *execution) loop(ctx context.Context) error {
	ask, cancelAsk := context.WithCancel(ctx)
	defer func() { cancelAsk(); x.drainPermit() }()
	end := time.NewTimer(x.budget().Sub(x.w.Now()))
	defer end.Stop()
	stopped := ctx.Done()
	for {
		if err := x.fill(ctx); err != nil {
			x.interrupt(err)
		}
		x.report(false)
		if x.quiet() {
			return errors.Join(x.broken, ctx.Err())
		}
		x.askPermit(ask)
		select {
		case p := <-x.permits:
			x.launch(ctx, p)
		case r := <-x.results:
			x.inflight--
			x.settle(r)
		case r := <-x.resolved:
			x.resolving--
			x.learned(ctx, r)
		case t := <-x.w.triggers:
			if err := x.join(ctx, t); err != nil {
				x.interrupt(err)
			}
		case <-x.retry:
			x.waitReason, x.waitUntil = "", time.Time{}
		case <-end.C:
			x.stop("time")
		case <-stopped:
			x.stop("stopped")
			stopped = nil // what is under way still comes to its end
		}
	}
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
	x.ready, x.parked = nil, nil
}

// interrupt stops a run that cannot write down what it does. It stays open and is resumed when the store is back.
func (x *execution) interrupt(err error) {
	x.broken = errors.Join(x.broken, err)
	x.stop("interrupted")
}

// join inserts a trigger that arrived during the run: lists and messages at once, the rest extends the run.
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
	if x.asking || len(x.ready) == 0 || x.noMore != "" || x.waitReason != "" || x.inflight >= x.conn.Limits.InFlight {
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
	var away *Unavailable
	var halted *Halted
	switch {
	case errors.As(p.err, &away):
		x.pause(ctx, away)
		return
	case errors.As(p.err, &halted):
		x.w.Logger.Error("connection is halted", "rule", halted.Rule, "answer", halted.Text)
		x.stop("halted")
		return
	case p.err != nil:
		if ctx.Err() == nil {
			x.w.Logger.Warn("no permit", "error", p.err)
			x.pause(ctx, &Unavailable{Until: x.w.Now().Add(time.Second), Reason: "amazon"})
		}
		return
	case len(x.ready) == 0:
		p.permit.Cancel()
		return
	}
	c := x.ready[0]
	x.ready = x.ready[1:]
	x.inflight++
	go func() { // bounded by the request's deadline; the loop waits for it
		res, err := x.w.Attempts.Try(ctx, p.permit, attempt.Job{Seq: c.Seq, Shipment: c.Shipment, Body: c.body, Items: c.items, Run: c.run, Refusals: c.refusals})
		x.results <- outcomeOf{c, res, err}
	}()
}

// pause stops asking until Amazon may be there again.
func (x *execution) pause(ctx context.Context, u *Unavailable) {
	x.waitReason, x.waitUntil = u.Reason, u.Until
	wait := max(u.Until.Sub(x.w.Now()), 50*time.Millisecond)
	go func() { // ends with ctx or the wait
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			select {
			case x.retry <- struct{}{}:
			default:
			}
		}
	}()
}

// nameLeft says why work was left, with the number of shipments.
func (x *execution) nameLeft() {
	if n := x.total - x.done; x.noMore != "" && n > 0 {
		x.left[x.noMore] += n
	}
	x.total = x.done
}
