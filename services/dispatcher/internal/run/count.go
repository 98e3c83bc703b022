package run

import (
	"context"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// settle takes a finished attempt into account.
func (x *execution) settle(ctx context.Context, r outcomeOf) error {
	switch {
	case r.err != nil:
		return r.err
	case r.res.Skipped:
		return x.overtaken(ctx, r.c, r.res.Entry)
	}
	x.logAttempt(ctx, r)
	s, v := r.c.Shipment, r.res.Verdict
	x.weigh(r.c, r.res)
	x.count(s.Account, func(n *job.Counts) { tallyAttempt(n, r.res) })
	x.past.seen[s.Key] = struct{}{}
	again := v.Again && r.res.Entry.Type == shipment.Released
	switch {
	case v.Halt:
		x.w.Logger.Error("connection is halted", "rule", r.res.Answer.Rule.ID, "answer", r.res.Answer.Said.Message)
		x.stop(leftHalted)
		fallthrough
	case again && x.noMore != "":
		x.unsent = append(x.unsent, s.Key)
	case again:
		c := r.c
		c.Seq, c.Shipment = r.res.Entry.Seq, r.res.Entry.After
		c.refusals++
		x.ready = append([]candidate{c}, x.ready...)
	default:
		x.done++
	}
	return nil
}

// weigh looks whether an answer shows that a whole group would only be refused.
func (x *execution) weigh(c candidate, r attempt.Result) {
	print, field := "", ""
	if v := r.Verdict; v.To == shipment.Deferred && v.Kind == shipment.Rejected {
		print, field = r.Answer.Fingerprint, r.Answer.Rule.Field
	}
	if r.Verdict.Type == shipment.Outcome && c.holds.Answer(c.Shipment, print, field) {
		x.w.Logger.Warn("a group of failures is held for the rest of the run", "fingerprint", print, "carrier", c.Shipment.Data.Carrier)
	}
}

// tallyAttempt counts an attempt by what the ledger says of it.
func tallyAttempt(n *job.Counts, r attempt.Result) {
	n.Attempts++
	if r.Answer.Said.Status == 429 {
		n.Throttled++
	}
	switch r.Entry.Type {
	case shipment.Released:
		n.Released++
	case shipment.Outcome:
		tally(n, r.Entry.After.State)
	default:
		n.Skipped++ // the answer came too late and is only on record
	}
}

// count adds to the run's and to the account's counts.
func (x *execution) count(a shipment.AccountID, add func(*job.Counts)) {
	add(&x.log.Counts)
	n := x.log.ByAccount[a]
	add(&n)
	x.log.ByAccount[a] = n
}

func tally(n *job.Counts, to shipment.State) {
	switch to {
	case shipment.Confirmed:
		n.Confirmed++
	case shipment.Deferred:
		n.Deferred++
	case shipment.Doubt:
		n.Doubt++
	case shipment.NotRequired:
		n.NotRequired++
	case shipment.Closed:
		n.Closed++
	}
}

// logAttempt writes the one wide line an operator greps for. It is written for every attempt, and named strings given as such
// would each be marshalled by reflection.
func (x *execution) logAttempt(ctx context.Context, r outcomeOf) {
	a, after := r.res.Answer, r.res.Entry.After
	x.w.Logger.LogAttrs(ctx, slog.LevelInfo, "attempt", slog.String("shipment", r.c.Shipment.Key.String()),
		slog.String("account", string(r.c.Shipment.Account)), slog.String("run", r.c.run), slog.Int("n", after.Attempts),
		slog.Int("status", a.Said.Status), slog.String("code", a.Said.Code), slog.String("rule", a.Rule.ID), slog.String("to", string(after.State)),
		slog.String("kind", string(r.res.Verdict.Kind)), slog.String("requestId", a.Said.RequestID), slog.String("message", a.Said.Message))
}

// report tells where the run stands, at most five times a second.
func (x *execution) report(ended bool) {
	now := x.w.Now()
	if !ended && now.Sub(x.told) < 200*time.Millisecond {
		return
	}
	x.told = now
	p := job.Progress{RunID: x.log.RunID, Connection: x.w.Connection, At: now, Done: x.done, Total: max(x.total, x.done),
		Confirmed: x.log.Counts.Confirmed, Deferred: x.log.Counts.Deferred, Waiting: x.waitReason, WaitUntil: x.waitUntil, Ended: ended}
	if took := now.Sub(x.log.StartedAt).Seconds(); took > 0 {
		p.PerSecond = float64(x.done) / took
	}
	if left := p.Total - p.Done; left > 0 && !ended {
		p.ETA = now.Add(x.w.Amazon.ETA(left))
	}
	x.w.tell(p)
}

func (w *Worker) tell(p job.Progress) {
	w.mu.Lock()
	w.progress = p
	w.mu.Unlock()
	if err := w.Tell(p); err != nil {
		w.Logger.Debug("progress not told", "error", err)
	}
}
