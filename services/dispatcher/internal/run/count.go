package run

import (
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// settle takes a finished attempt into account.
func (x *execution) settle(r outcomeOf) {
	s := r.c.Shipment
	switch {
	case r.err != nil:
		x.interrupt(r.err)
		return
	case r.res.Skipped:
		x.log.Counts.Skipped++
		x.done++
		return
	}
	x.logAttempt(r)
	field := ""
	if r.res.Verdict.To == shipment.Deferred {
		field = r.res.Answer.Rule.Field
	}
	v := r.res.Verdict
	print := ""
	if v.To == shipment.Deferred && v.Kind == shipment.Rejected {
		print = r.res.Answer.Fingerprint
	}
	if v.Type == shipment.Outcome && x.holds.Answer(s, print, field) {
		x.w.Logger.Warn("a group of failures is held for the rest of the run", "fingerprint", print)
	}
	x.count(s.Account, func(n *job.Counts) {
		n.Attempts++
		if r.res.Answer.Said.Status == 429 {
			n.Throttled++
		}
		if v.Type == shipment.Released {
			n.Released++
			return
		}
		tally(n, v.To)
	})
	switch {
	case v.Halt:
		x.stop("halted")
	case v.Again && x.noMore == "":
		c := r.c
		c.Seq, c.Shipment = r.res.Entry.Seq, r.res.Entry.After
		c.refusals++
		x.ready = append([]candidate{c}, x.ready...)
	case v.Again:
	default:
		x.done++
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

// logAttempt writes the one wide line an operator greps for.
func (x *execution) logAttempt(r outcomeOf) {
	a := r.res.Answer
	x.w.Logger.Info("attempt", "shipment", r.c.Shipment.Key, "account", r.c.Shipment.Account, "run", r.c.run, "n", r.res.Entry.After.Attempts,
		"status", a.Said.Status, "code", a.Said.Code, "rule", a.Rule.ID, "to", r.res.Entry.After.State, "kind", r.res.Verdict.Kind,
		"requestId", a.Said.RequestID, "message", a.Said.Message)
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
