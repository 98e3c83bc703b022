package ops

import (
	"context"
	"fmt"
	"slices"
	"time"

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

// Listed is the filter of the order list behind a message: exactly the shipments it speaks of, and its button would send.
func Listed(m message.Message) Filter {
	f := Filter{Accounts: []shipment.AccountID{m.Account}}
	switch m.Kind {
	case message.TransmissionFailed:
		f.States, f.DeferredUntil = []shipment.State{shipment.Deferred}, m.At
	case message.Expired:
		f.States = []shipment.State{shipment.Expired}
	case message.SlotMissed:
		f.States = []shipment.State{shipment.Pending, shipment.Deferred}
	case message.NoEffect:
		f.States, f.Fingerprint = []shipment.State{shipment.Deferred}, shipment.NoEffect.Print()
	case message.StillOpen:
		f.States, f.Fingerprint = []shipment.State{shipment.Excluded, shipment.NotRequired}, shipment.StillOpen.Print()
	case message.EditRefused:
		f.States, f.Kind = []shipment.State{shipment.Confirmed}, shipment.EditRefused
	case message.OnItsWay:
		f.States, f.Fingerprint = []shipment.State{shipment.Confirmed, shipment.Closed}, shipment.OnItsWay.Print()
	}
	if m.Account == "" {
		f.Accounts = nil
	}
	return f
}

// Press is the button of a message: it asks for a run of exactly the shipments the message lists, or of everything that
// waits where the message says that the job did not run. op is an id of the
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
	if t.Held, err = o.lines(ctx, m); err != nil {
		return Run{}, err
	}
	if m.Kind == message.SlotMissed { // what should have run is the whole job
		t.Scope, t.DeferredUntil = job.All, time.Time{}
	}
	if _, err := o.cfg.Board.Ask(ctx, t); err != nil {
		return Run{}, fmt.Errorf("send what message %s lists: %w", id, err)
	}
	return Run{ID: t.RunID, Connection: t.Connection, Trigger: t}, nil
}

// lines are the mapping lines that Amazon refused the message's shipments for, if the run held others back: those are meant,
// too.
func (o *Ops) lines(ctx context.Context, m message.Message) ([]job.Line, error) {
	if m.Kind != message.TransmissionFailed || m.Held == 0 {
		return nil, nil
	}
	var out []job.Line
	for after := ""; ; {
		page, err := o.cfg.View.List(ctx, Listed(m), Paging{After: after, Limit: MaxPage})
		if err != nil {
			return nil, fmt.Errorf("find what message %s is about: %w", m.ID, err)
		}
		for _, s := range page.Items {
			if carrierRefused(s) && !slices.ContainsFunc(out, func(l job.Line) bool { return l.Covers(s) }) {
				out = append(out, job.Line{Account: s.Account, Carrier: s.Data.Carrier, Service: s.Data.Service})
			}
		}
		if after = page.Next; after == "" || len(out) >= maxLines {
			return out, nil
		}
	}
}

// maxLines bounds the mapping lines of one message.
const maxLines = 100
