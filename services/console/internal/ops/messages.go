package ops

import (
	"context"
	"fmt"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Messages lists the raised maintenance messages the actor sees, the newest first.
func (o *Ops) Messages(ctx context.Context, a Actor) ([]message.Message, error) {
	if err := a.need(Viewer); err != nil {
		return nil, err
	}
	all, err := o.cfg.Messages.Open(ctx)
	if err != nil {
		return nil, fmt.Errorf("list messages: %w", err)
	}
	set := o.cfg.Settings.Current()
	var out []message.Message
	for _, m := range all {
		if a.reads(set, m) {
			out = append(out, m)
		}
	}
	return out, nil
}

// reads reports whether a message concerns the actor: it is about an account or a connection of the actor's, or about
// neither.
func (a Actor) reads(set settings.Set, m message.Message) bool {
	switch {
	case m.Account != "":
		return a.Sees(m.Account)
	case m.Connection != "":
		c, _ := set.Connection(m.Connection) // one that is gone has no accounts
		return a.seesSome(c, nil)
	}
	return true
}

// Listed is the filter of the order list behind a message: exactly the shipments its button would send.
func Listed(m message.Message) Filter {
	f := Filter{Accounts: []shipment.AccountID{m.Account}}
	switch m.Kind {
	case message.TransmissionFailed:
		f.States, f.DeferredUntil = []shipment.State{shipment.Deferred}, m.At
	case message.Expired:
		f.States = []shipment.State{shipment.Expired}
	}
	if m.Account == "" {
		f.Accounts = nil
	}
	return f
}

// Press is the button of a message: it asks for a run of exactly the shipments the message lists. op is an id of the
// caller's choice, see Replay.
func (o *Ops) Press(ctx context.Context, a Actor, id, op string) (Run, error) {
	if err := a.need(Operator); err != nil {
		return Run{}, err
	}
	m, err := o.cfg.Messages.Get(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return Run{}, Advise(fault.New(fault.NotFound, "message %q is not known", id), "see the list of messages")
	}
	if err != nil {
		return Run{}, err
	}
	if err := a.needAccount(m.Account); err != nil {
		return Run{}, err
	}
	if !m.Button() {
		e := fault.New(fault.Conflict, "message %q is %s and has nothing to send", m.ID, m.Phase)
		if m.Phase == message.Cleared {
			return Run{}, Advise(e, "nothing is to be done; if something still failed, a newer message says so")
		}
		return Run{}, Advise(e, "go to its orders instead")
	}
	t := job.Trigger{RunID: o.runID(a, op, m.Connection, m.ID), Connection: m.Connection, Accounts: []shipment.AccountID{m.Account},
		Kind: job.Message, Scope: job.Listed, DeferredUntil: m.At, OpID: op, Actor: a.Name, Reason: "message " + m.ID, At: o.now()}
	if _, err := o.cfg.Board.Ask(ctx, t); err != nil {
		return Run{}, fmt.Errorf("send what message %s lists: %w", id, err)
	}
	return Run{ID: t.RunID, Connection: t.Connection, Trigger: t}, nil
}
