package slot

import (
	"cmp"
	"slices"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	// onTime is how old a slot may be without anybody asking what else has happened since.
	onTime = time.Minute
	// mostMissed bounds the missed slots of one account that are recorded at once, to the newest ones.
	mostMissed = 100
)

// Late reports whether a slot is not settled in time any more.
func (s Slot) Late(now time.Time) bool { return now.Sub(s.At) > onTime }

// Verdict is what becomes of a slot.
type Verdict struct {
	Slot
	Settled   job.Phase // "": it is run now; job.Missed; or job.Joined, to CoveredBy
	CoveredBy string
}

// Trigger is how the verdict is written down. Exactly one trigger can exist per run id, so the first verdict on a slot is
// the one that counts.
func (v Verdict) Trigger(now time.Time) job.Trigger {
	t := job.Trigger{RunID: v.RunID(), Connection: v.Connection, Accounts: []shipment.AccountID{v.Account}, Kind: job.Schedule,
		Scope: job.All, Slot: v.At, Actor: "scheduler", At: now.UTC(), Settled: v.Settled, CoveredBy: v.CoveredBy}
	if v.Settled == "" {
		begin := v.At
		if v.Late(now) {
			begin = now.UTC()
		}
		t.Until = v.Until(begin)
	}
	return t
}

// Settle decides about slots that are due, given the triggers known to exist; those that have one are left out. Of an
// account's slots within their grace period the latest is run, because a run takes everything that waits, and the earlier
// ones are covered by it. A slot is covered, too, by any other run of everything that was asked for within its grace
// period. What is older is missed. A slot that fell into a pause and was not run in time needs nothing: left out. Runs
// come first.
func Settle(open []Slot, asked []job.Trigger, now time.Time) []Verdict {
	known := map[string]bool{}
	for _, t := range asked {
		known[t.RunID] = true
	}
	accounts := map[shipment.AccountID][]Slot{}
	for _, s := range open {
		if !known[s.RunID()] && !(s.Paused && s.Late(now)) {
			accounts[s.Account] = append(accounts[s.Account], s)
		}
	}
	var out []Verdict
	for _, slots := range accounts {
		out = append(out, settle(slots, asked, now)...)
	}
	slices.SortFunc(out, func(x, y Verdict) int {
		return cmp.Or(cmp.Compare(x.Settled, y.Settled), x.At.Compare(y.At), cmp.Compare(x.Account, y.Account))
	})
	return out
}

// settle decides about the slots of one account.
func settle(slots []Slot, asked []job.Trigger, now time.Time) []Verdict {
	slices.SortFunc(slots, func(x, y Slot) int { return x.At.Compare(y.At) })
	var out []Verdict
	run, missed := "", 0
	for _, s := range slices.Backward(slots) {
		v := Verdict{Slot: s, Settled: job.Joined, CoveredBy: covering(s, asked)}
		switch {
		case v.CoveredBy != "":
		case now.Sub(s.At) > s.Grace:
			if missed++; missed > mostMissed {
				continue
			}
			v.Settled = job.Missed
		case run == "":
			v.Settled, run = "", s.RunID()
		default:
			v.CoveredBy = run
		}
		out = append(out, v)
	}
	return out
}

// covering is the first run of everything of the slot's account that was asked for while the slot's own could still
// have begun.
func covering(s Slot, asked []job.Trigger) string {
	var first job.Trigger
	for _, t := range asked {
		if t.Settled == "" && t.Scope == job.All && t.Connection == s.Connection && t.Scoped(s.Account) &&
			!t.At.Before(s.At) && t.At.Sub(s.At) <= s.Grace && (first.RunID == "" || t.At.Before(first.At)) {
			first = t
		}
	}
	return first.RunID
}
