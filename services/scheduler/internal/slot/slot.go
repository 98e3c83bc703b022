// Package slot says which slots of which accounts are due, were due, and what becomes of each: its run, or a later one
// that makes up for it, or a record that it was missed. It turns settings and moments into slots and guarantees that the
// same slot gets the same run id in every process that computes it, which is what makes any number of replicas trigger
// one run. It is pure: no clock, no network; a schedule that cannot be read costs its account its slots and nobody
// else's.
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
	// perAccount bounds the slots of one account that one call returns, to the newest ones: those of a day whose job runs
	// every minute. Lists of what was missed are for people.
	perAccount = 24 * 60
)

// Slot is one due time of one account.
type Slot struct {
	Connection shipment.ConnectionID
	Account    shipment.AccountID
	At         time.Time     // UTC, whole minutes
	Next       time.Time     // the account's next slot; zero when there is none
	Budget     time.Duration // longest time of the run
	Grace      time.Duration // how late the run may begin
	Paused     bool          // the account was paused when the slot fell due
}

// RunID names the run of the slot; it can be part of a subject.
func (s Slot) RunID() string {
	return fmt.Sprintf("slot-%s-%s", s.Account, s.At.UTC().Format("20060102T1504Z"))
}

// Until is the end of the time a run has that begins at a moment: five minutes before the next slot, or half-way to it
// where that is ten minutes away or closer, and never later than the budget allows.
func (s Slot) Until(begin time.Time) time.Time {
	end := begin.Add(s.Budget)
	gap := s.Next.Sub(begin)
	if s.Next.IsZero() || gap <= 0 {
		return end
	}
	if most := begin.Add(max(gap-headway, gap/2)); most.Before(end) {
		return most
	}
	return end
}

// Due returns the slots after one moment and up to and including another, over all accounts. Accounts that are paused
// are included: the run decides what a pause means. The error joins the accounts whose schedule cannot be read; the slots
// of the others are returned all the same.
func Due(set settings.Set, after, upTo time.Time) ([]Slot, error) {
	var due []Slot
	var errs []error
	for _, c := range set.Connections {
		slots, err := connection(c, after, upTo)
		due, errs = append(due, slots...), append(errs, err)
	}
	return due, errors.Join(errs...)
}

// Past is Due by the settings that were in force at each moment. Before the oldest revision of a connection it has no
// slots: a schedule that was made today has missed nothing yesterday.
func Past(history map[shipment.ConnectionID][]settings.Revision, after, upTo time.Time) ([]Slot, error) {
	var due []Slot
	var errs []error
	for _, revisions := range history {
		for i, r := range revisions {
			from, to := after, upTo
			if r.From.After(from) {
				from = r.From
			}
			if i+1 < len(revisions) && revisions[i+1].From.Before(to) {
				to = revisions[i+1].From
			}
			if r.Gone || !to.After(from) {
				continue
			}
			slots, err := connection(r.Connection, from, to)
			due, errs = append(due, slots...), append(errs, err)
		}
	}
	return due, errors.Join(errs...)
}

func connection(c settings.Connection, after, upTo time.Time) ([]Slot, error) {
	var due []Slot
	var errs []error
	for _, a := range c.Accounts {
		slots, err := account(c, a, after, upTo)
		if err != nil {
			errs = append(errs, fmt.Errorf("account %s: %w", a.ID, err))
		}
		due = append(due, slots...)
	}
	return due, errors.Join(errs...)
}

func account(c settings.Connection, a settings.Account, after, upTo time.Time) ([]Slot, error) {
	slots, err := job.Between(a.Schedule, after, upTo)
	if err != nil || len(slots) == 0 {
		return nil, err
	}
	next, err := job.Next(a.Schedule, slots[len(slots)-1], 1)
	if err != nil {
		return nil, err
	}
	slots = append(slots, next...)
	var due []Slot
	for i, at := range slots[:len(slots)-len(next)] {
		s := Slot{Connection: c.ID, Account: a.ID, At: at, Budget: time.Duration(c.Limits.RunBudget), Grace: time.Duration(a.Schedule.Grace), Paused: a.PausedUntil.After(at)}
		if i+1 < len(slots) {
			s.Next = slots[i+1]
		}
		due = append(due, s)
	}
	return due[max(0, len(due)-perAccount):], nil
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
