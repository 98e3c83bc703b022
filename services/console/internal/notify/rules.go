package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// settle brings the messages in line with what is there, given the accounts' runs that have finished since.
func (n *Notifier) settle(ctx context.Context, finished map[shipment.AccountID]job.Log, missed map[shipment.AccountID][]job.Log, busy map[shipment.ConnectionID]bool) error {
	open, err := n.cfg.Book.Open(ctx)
	if err != nil {
		return err
	}
	expired, err := n.cfg.View.Expired(ctx)
	if err != nil {
		return err
	}
	found, err := n.cfg.View.Found(ctx)
	if err != nil {
		return err
	}
	for _, c := range n.cfg.Settings().Connections {
		if err := n.halted(ctx, c, open, finished); err != nil {
			return err
		}
		for _, a := range c.Accounts {
			run, ran := finished[a.ID]
			told := of(open, message.TransmissionFailed, a.ID)
			if err := n.failed(ctx, c, a, told, run, ran); err != nil {
				return err
			}
			if !ran && !busy[c.ID] {
				if err := n.late(ctx, c, a, told, found[a.ID][message.NoEffect]); err != nil {
					return err
				}
			}
			if err := n.idle(ctx, c, a, of(open, message.SlotMissed, a.ID), missed[a.ID]); err != nil {
				return err
			}
			if err := n.standing(ctx, message.Expired, c, a, of(open, message.Expired, a.ID), expired[a.ID]); err != nil {
				return err
			}
			if err := n.different(ctx, c, a, open, found[a.ID]); err != nil {
				return err
			}
		}
	}
	return nil
}

func of(all []message.Message, k message.Kind, a shipment.AccountID) []message.Message {
	var out []message.Message
	for _, m := range all {
		if m.Kind == k && m.Account == a {
			out = append(out, m)
		}
	}
	return out
}

// failed keeps an account's message that transmission failed. A finished run in which something failed, or one that
// leaves deferred shipments no message speaks of, raises a new one and clears the one before; otherwise a message stays
// until none of its shipments is deferred any more.
func (n *Notifier) failed(ctx context.Context, c settings.Connection, a settings.Account, open []message.Message, run job.Log, ran bool) error {
	if ran && newer(open, run) && (failures(run, a.ID) > 0 || len(open) == 0) {
		count, err := n.cfg.View.Deferred(ctx, a.ID, run.At)
		if err != nil {
			return err
		}
		if count > 0 {
			m := message.Message{ID: fmt.Sprintf("%s.%s.%s", message.TransmissionFailed, a.ID, run.RunID), Kind: message.TransmissionFailed,
				Connection: c.ID, Account: a.ID, Run: run.RunID, At: run.At, Count: count, Held: held(run, c)}
			// The new one first: a crash in between leaves two, of which the next look clears the old one.
			if _, err := n.cfg.Book.Raise(ctx, m); err != nil {
				return err
			}
			return n.clear(ctx, open, "a later run failed: "+m.ID)
		}
	}
	for i, m := range open {
		count, err := n.cfg.View.Deferred(ctx, a.ID, m.At)
		if err != nil {
			return err
		}
		why := "none of its shipments is deferred any more"
		if i > 0 { // the newest comes first and lists what the older ones do
			count, why = 0, "a later run failed: "+open[0].ID
		}
		if count == 0 {
			if err := n.clear(ctx, open[i:i+1], why); err != nil {
				return err
			}
		}
	}
	return nil
}

// lateAfter is how long a shipment has been deferred before it counts as deferred after its run: the run's own end, which
// speaks of all it has deferred, comes sooner.
const lateAfter = 10 * time.Second

// late raises a message about shipments that were deferred after their run had ended, when Amazon had been asked what
// became of them. It speaks of all that are deferred, so it takes the place of the one before. elsewhere is how many another
// message speaks of.
func (n *Notifier) late(ctx context.Context, c settings.Connection, a settings.Account, open []message.Message, elsewhere int) error {
	at := n.cfg.Now().UTC()
	old, err := n.cfg.View.Deferred(ctx, a.ID, at.Add(-lateAfter))
	if old -= elsewhere; err != nil || old <= 0 {
		return err
	}
	if len(open) > 0 {
		spoken, err := n.cfg.View.Deferred(ctx, a.ID, open[0].At)
		if err != nil || spoken >= old {
			return err
		}
	}
	all, err := n.cfg.View.Deferred(ctx, a.ID, at)
	if err != nil {
		return err
	}
	if _, err := n.cfg.Book.Raise(ctx, message.Message{ID: fmt.Sprintf("%s.%s.late-%d", message.TransmissionFailed, a.ID, at.UnixMilli()), Kind: message.TransmissionFailed,
		Connection: c.ID, Account: a.ID, At: at, Count: all}); err != nil {
		return err
	}
	return n.clear(ctx, open, "more were deferred since")
}

// newer reports whether the run is not the one, or before the one, that raised an open message.
func newer(open []message.Message, run job.Log) bool {
	for _, m := range open {
		if m.Run == run.RunID || !run.At.After(m.At) {
			return false
		}
	}
	return true
}

// leftHeld is how a run says that it held shipments back that would only have met the same refusal.
const leftHeld = "held"

// held is how many shipments a run held back, where they can only be of one account.
func held(l job.Log, c settings.Connection) int {
	if len(l.Trigger.Accounts) == 1 || len(c.Accounts) == 1 || len(l.ByAccount) == 1 {
		return l.Left[leftHeld]
	}
	return 0
}

// failures is how many shipments of an account a run left deferred.
func failures(l job.Log, a shipment.AccountID) int {
	if l.ByAccount == nil {
		return l.Counts.Deferred
	}
	return l.ByAccount[a].Deferred
}

// leftHalted is how a run says that it stopped because Amazon refuses the connection.
const leftHalted = "halted"

// halted keeps one message per connection that is halted: the last run ended because of it.
func (n *Notifier) halted(ctx context.Context, c settings.Connection, open []message.Message, finished map[shipment.AccountID]job.Log) error {
	var last job.Log
	for _, a := range c.Accounts {
		if l := finished[a.ID]; l.At.After(last.At) {
			last = l
		}
	}
	var mine []message.Message
	for _, m := range open {
		if m.Kind == message.Halted && m.Connection == c.ID {
			mine = append(mine, m)
		}
	}
	switch {
	case last.RunID == "":
		return nil
	case last.Left[leftHalted] == 0:
		return n.clear(ctx, mine, "a later run was not halted")
	case len(mine) > 0:
		return nil
	}
	_, err := n.cfg.Book.Raise(ctx, message.Message{ID: fmt.Sprintf("%s.%s.%s", message.Halted, c.ID, last.RunID), Kind: message.Halted,
		Connection: c.ID, Run: last.RunID, At: last.At, Count: last.Left[leftHalted]})
	return err
}

func (n *Notifier) clear(ctx context.Context, ms []message.Message, why string) error {
	for _, m := range ms {
		if _, err := n.cfg.Book.Clear(ctx, m, n.cfg.Now().UTC(), why); err != nil {
			return err
		}
	}
	return nil
}
