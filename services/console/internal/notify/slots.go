package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// slots is what was heard of slots that did not run, and of the runs of everything that make up for them. Hearing the
// same logs again leads to the same.
type slots struct {
	ran    map[shipment.AccountID]time.Time // when the last of them was begun that has finished
	missed map[shipment.AccountID][]job.Log // slots after that, the oldest first
	joined map[string][]job.Log             // what a run has taken up that has not finished, by run
}

func newSlots() slots {
	return slots{ran: map[shipment.AccountID]time.Time{}, missed: map[shipment.AccountID][]job.Log{}, joined: map[string][]job.Log{}}
}

// hear takes in a log entry and reports whether it changed anything for the accounts of its connection.
func (s slots) hear(l job.Log, c settings.Connection) bool {
	switch l.Phase {
	case job.Missed:
		return s.add(l)
	case job.Joined:
		if l.Trigger.Settled == "" && l.Trigger.Scope == job.All {
			s.joined[l.JoinedTo] = append(s.joined[l.JoinedTo], l)
		}
	case job.Finished:
		changed := false
		for _, part := range append(s.joined[l.RunID], l) {
			changed = s.finish(part, c) || changed
		}
		delete(s.joined, l.RunID)
		return changed
	}
	return false
}

func (s slots) add(l job.Log) bool {
	changed := false
	for _, a := range l.Trigger.Accounts {
		known := slices.ContainsFunc(s.missed[a], func(x job.Log) bool { return x.RunID == l.RunID })
		if known || !l.Trigger.Slot.After(s.ran[a]) {
			continue
		}
		s.missed[a] = append(s.missed[a], l)
		slices.SortFunc(s.missed[a], func(x, y job.Log) int { return x.Trigger.Slot.Compare(y.Trigger.Slot) })
		changed = true
	}
	return changed
}

// finish forgets what a finished run of everything, or what one took up, has made up for.
func (s slots) finish(l job.Log, c settings.Connection) bool {
	began := l.StartedAt
	if began.IsZero() {
		began = l.At
	}
	changed := false
	for _, a := range c.Accounts {
		if l.Trigger.Scope != job.All || !l.Trigger.Scoped(a.ID) || !began.After(s.ran[a.ID]) {
			continue
		}
		s.ran[a.ID] = began
		had := len(s.missed[a.ID])
		s.missed[a.ID] = slices.DeleteFunc(s.missed[a.ID], func(x job.Log) bool { return !x.Trigger.Slot.After(began) })
		changed = changed || len(s.missed[a.ID]) < had
	}
	return changed
}

func (w *news) slot(l job.Log, set settings.Set) {
	c, ok := set.Connection(l.Connection)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = w.slots.hear(l, c) || w.idle
}

// missed returns the slots that did not run and that no later run has made up for, and whether that has changed.
func (w *news) missed() (map[shipment.AccountID][]job.Log, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[shipment.AccountID][]job.Log, len(w.slots.missed))
	for a, ls := range w.slots.missed {
		if len(ls) > 0 {
			out[a] = slices.Clone(ls)
		}
	}
	changed := w.idle
	w.idle = false
	return out, changed
}

// idle keeps an account's message that its job did not run, about the newest slot. It stays until a run of everything that
// was begun later has finished.
func (n *Notifier) idle(ctx context.Context, c settings.Connection, a settings.Account, open []message.Message, missed []job.Log) error {
	if len(missed) == 0 {
		return n.clear(ctx, open, "a later run has finished")
	}
	newest := missed[len(missed)-1]
	m := message.Message{ID: fmt.Sprintf("%s.%s.%s", message.SlotMissed, a.ID, newest.Trigger.Slot.UTC().Format("20060102T1504Z")), Kind: message.SlotMissed,
		Connection: c.ID, Account: a.ID, Run: newest.RunID, At: newest.At, Slot: newest.Trigger.Slot, Slots: len(missed)}
	older := slices.DeleteFunc(slices.Clone(open), func(x message.Message) bool { return x.ID == m.ID })
	if len(older) == len(open) {
		var err error
		if m.Count, err = n.cfg.View.Waiting(ctx, a.ID); err != nil {
			return err
		}
		if _, err := n.cfg.Book.Raise(ctx, m); err != nil {
			return err
		}
	}
	return n.clear(ctx, older, "a later slot did not run either: "+m.ID)
}
