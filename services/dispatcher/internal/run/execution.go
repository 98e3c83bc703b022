package run

import (
	"context"
	"math"
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
	urgent   bool   // asked for by name
	holds    *plan.Holds
	body     []byte
	items    []shipment.Item // read from Amazon
	about    plan.About      // read from Amazon, for its label
	refusals int             // how often it was released in this run
	reads    int             // how often its order could not be read
	changes  int             // how often somebody changed it meanwhile
}

// outcomeOf is what an attempt's goroutine hands back.
type outcomeOf struct {
	c   candidate
	res attempt.Result
	err error
}

// launched is a candidate with the permit it uses.
type launched struct {
	c      candidate
	permit attempt.Permit
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
	taken  turns // out of the queues
	sent   turns // to Amazon
	past   *past
	ready  []candidate // prepared, waiting for a permit
	parked []candidate // wait for their items to be read
	unsent []shipment.Key
	holds  plan.Holds // of what was not asked for by name
	left   map[string]int

	total, done int
	inflight    int // attempts under way
	room        int // for attempts under way
	resolving   int
	asking      bool
	noMore      string // why nothing is started any more
	broken      error  // the store or the lease failed: the run is interrupted, not finished
	waitUntil   time.Time
	waitReason  string
	retry       *time.Timer // when to ask for a permit again
	told        time.Time

	permits  chan permitOr
	launches chan launched // to whoever has made an attempt and waits for another
	results  chan outcomeOf
	resolved chan resolution
}

// past knows what a run has dealt with, so that it deals with each shipment once.
type past struct {
	runs map[string]bool           // the run and those joined to it
	seen map[shipment.Key]struct{} // bounded by what a run can send
}

// has reports whether the run has dealt with the shipment, now or before a takeover. A shipment that is pending again was
// released: the run owes it another try.
func (p *past) has(s shipment.Shipment) bool {
	_, seen := p.seen[s.Key]
	return seen || p.runs[s.LastRun] && s.State != shipment.Pending
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
		past: &past{runs: map[string]bool{}, seen: map[shipment.Key]struct{}{}},
		room: conn.Limits.InFlight + w.Ahead, permits: make(chan permitOr, 1), launches: make(chan launched), results: make(chan outcomeOf),
		resolved: make(chan resolution, maxResolving)}
	if x.log.ByAccount == nil {
		x.log.ByAccount = map[shipment.AccountID]job.Counts{}
	}
	if err := x.add(ctx, t, log.StartedAt); err != nil {
		return err
	}
	if began := log.StartedAt.Equal(now); !began {
		if err := x.resume(ctx); err != nil {
			return err
		}
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

// resume adds the triggers that were joined to the run before a takeover. Reading the logs of months takes a while, so a
// run that has only just begun goes without.
func (x *execution) resume(ctx context.Context) error {
	logs, err := x.w.Board.Recent(ctx, x.w.Connection, math.MaxInt)
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
	s := newSource(t, x.conn, from, x.past, x.w.Now)
	x.past.runs[t.RunID] = true
	n, err := s.size(ctx, x.w.Queues)
	if err != nil {
		return err
	}
	x.total += n
	if t.Scope == job.All {
		s.holds = &x.holds
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
	if err := x.loop(ctx); err != nil {
		x.save(ctx)
		return err
	}
	x.nameLeft(ctx)
	x.log.Phase, x.log.At, x.log.Left = job.Finished, x.w.Now(), x.left
	if err := x.w.Board.Write(ctx, x.log); err != nil {
		return err
	}
	x.w.halted.Store(x.left[leftHalted] > 0)
	x.w.noteRun(x.log)
	x.report(true)
	x.w.Logger.Info("run finished", "run", x.log.RunID, "confirmed", x.log.Counts.Confirmed, "deferred", x.log.Counts.Deferred,
		"doubt", x.log.Counts.Doubt, "attempts", x.log.Counts.Attempts, "left", x.left, "took", x.log.At.Sub(x.log.StartedAt).Round(time.Millisecond))
	return nil
}

// save keeps the counts so far for whoever resumes the run. Without the lease it is somebody else's already.
func (x *execution) save(ctx context.Context) {
	if x.w.Lease.Remaining() <= 0 {
		return
	}
	x.log.At = x.w.Now()
	if err := x.w.Board.Write(context.WithoutCancel(ctx), x.log); err != nil {
		x.w.Logger.Warn("counts of the interrupted run are lost", "run", x.log.RunID, "error", err)
	}
}
