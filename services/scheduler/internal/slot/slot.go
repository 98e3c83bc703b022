// Package slot says which slots of which accounts are due, and until when a run may use one. It turns settings and two
// moments into slots and guarantees that the same slot gets the same run id in every process that computes it, which is
// what makes any number of replicas trigger one run. It is pure: no clock, no network; a schedule that cannot be
// read costs its account its slots and nobody else's.
package slot

import (
	"errors"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	// headway is kept free before the next slot, so that one run has ended when the next begins.
	headway = 5 * time.Minute
	// perAccount bounds the slots of one account that one call returns: a cron expression has at most one a minute.
	perAccount = 24 * 60
)

// Slot is one due time of one account.
type Slot struct {
	Connection shipment.ConnectionID
	Account    shipment.AccountID
	At         time.Time // UTC, whole minutes
	Until      time.Time // end of the run's time budget
}

// RunID names the run of the slot; it can be part of a subject.
func (s Slot) RunID() string {
	return fmt.Sprintf("slot-%s-%s", s.Account, s.At.UTC().Format("20060102T1504Z"))
}

// Trigger asks for the slot's run.
func (s Slot) Trigger(now time.Time) job.Trigger {
	return job.Trigger{RunID: s.RunID(), Connection: s.Connection, Accounts: []shipment.AccountID{s.Account}, Kind: job.Schedule,
		Scope: job.All, Slot: s.At, Until: s.Until, Actor: "scheduler", At: now.UTC()}
}

// Due returns the slots after one moment and up to and including another, over all accounts. Accounts that are paused
// are included: the run decides what a pause means. The error joins the accounts whose schedule cannot be read; the slots
// of the others are returned all the same.
func Due(set settings.Set, after, upTo time.Time) ([]Slot, error) {
	var due []Slot
	var errs []error
	for _, c := range set.Connections {
		for _, a := range c.Accounts {
			slots, err := account(c, a, after, upTo)
			if err != nil {
				errs = append(errs, fmt.Errorf("account %s: %w", a.ID, err))
			}
			due = append(due, slots...)
		}
	}
	return due, errors.Join(errs...)
}

func account(c settings.Connection, a settings.Account, after, upTo time.Time) ([]Slot, error) {
	var due []Slot
	for len(due) < perAccount {
		next, err := job.Next(a.Schedule, after, 2)
		if err != nil || len(next) == 0 || next[0].After(upTo) {
			return due, err
		}
		after = next[0]
		due = append(due, Slot{c.ID, a.ID, after, until(next, time.Duration(c.Limits.RunBudget))})
	}
	return due, nil
}

// until ends a run five minutes before the next slot, or half-way to it where slots are ten minutes apart or closer,
// and never later than the budget allows.
func until(next []time.Time, budget time.Duration) time.Time {
	end := next[0].Add(budget)
	if len(next) < 2 {
		return end
	}
	gap := next[1].Sub(next[0])
	if most := next[0].Add(max(gap-headway, gap/2)); most.Before(end) {
		return most
	}
	return end
}

// Next returns the earliest moment after now at which any account has a slot, the zero time when none has.
func Next(set settings.Set, now time.Time) time.Time {
	var first time.Time
	for _, c := range set.Connections {
		for _, a := range c.Accounts {
			if next, err := job.Next(a.Schedule, now, 1); err == nil && len(next) > 0 && (first.IsZero() || next[0].Before(first)) {
				first = next[0]
			}
		}
	}
	return first
}
