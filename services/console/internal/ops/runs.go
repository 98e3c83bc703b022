package ops

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Run is a run as people see it. Log is empty (Phase "") while it was only asked for.
type Run struct {
	ID         string
	Connection shipment.ConnectionID
	Trigger    job.Trigger
	Log        job.Log
}

// Ended reports whether nothing more happens in the run.
func (r Run) Ended() bool { return r.Log.Phase.Ended() }

// MaxRuns bounds a list of runs.
const MaxRuns = 500

// Runs lists the latest runs, the newest first, at most n (1 to MaxRuns; 0 means 50).
func (o *Ops) Runs(ctx context.Context, a Actor, n int) ([]Run, error) {
	if err := a.need(Viewer); err != nil {
		return nil, err
	}
	if n == 0 {
		n = DefaultPage
	}
	if n < 1 || n > MaxRuns {
		return nil, Advise(fault.Field("limit", "is %d", n), "ask for 1 to %d runs", MaxRuns)
	}
	var out []Run
	for _, c := range o.cfg.Settings.Current().Connections {
		if !a.seesSome(c, nil) {
			continue
		}
		logs, err := o.cfg.Board.Recent(ctx, c.ID, n)
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		for _, l := range logs {
			if a.seesSome(c, l.Trigger.Accounts) {
				out = append(out, Run{ID: l.RunID, Connection: c.ID, Trigger: l.Trigger, Log: a.limited(l)})
			}
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Log.At.After(out[j].Log.At) })
	return out[:min(n, len(out))], nil
}

// seesSome reports whether any of the accounts (none: all of the connection) is the actor's.
func (a Actor) seesSome(c settings.Connection, ids []shipment.AccountID) bool {
	if len(a.Accounts) == 0 {
		return true
	}
	return slices.ContainsFunc(c.Accounts, func(x settings.Account) bool {
		return a.Sees(x.ID) && (len(ids) == 0 || slices.Contains(ids, x.ID))
	})
}

// limited leaves out of a log what concerns accounts the actor does not see. What was not tried is not kept by account and
// is left out as a whole.
func (a Actor) limited(l job.Log) job.Log {
	if len(a.Accounts) == 0 {
		return l
	}
	by := map[shipment.AccountID]job.Counts{}
	var sum job.Counts
	for id, c := range l.ByAccount {
		if a.Sees(id) {
			by[id], sum = c, plus(sum, c)
		}
	}
	l.ByAccount, l.Counts, l.Left = by, sum, nil
	return l
}

func plus(a, b job.Counts) job.Counts {
	return job.Counts{Attempts: a.Attempts + b.Attempts, Confirmed: a.Confirmed + b.Confirmed, Deferred: a.Deferred + b.Deferred,
		Doubt: a.Doubt + b.Doubt, NotRequired: a.NotRequired + b.NotRequired, Closed: a.Closed + b.Closed, Expired: a.Expired + b.Expired,
		Released: a.Released + b.Released, Skipped: a.Skipped + b.Skipped, Throttled: a.Throttled + b.Throttled}
}

// Run returns one run; fault.NotFound when nobody asked for it.
func (o *Ops) Run(ctx context.Context, a Actor, id string) (Run, error) {
	if err := a.need(Viewer); err != nil {
		return Run{}, err
	}
	for _, c := range o.cfg.Settings.Current().Connections {
		t, err := o.cfg.Board.Asked(ctx, c.ID, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return Run{}, fmt.Errorf("read run %s: %w", id, err)
		}
		if !a.seesSome(c, t.Accounts) {
			break
		}
		l, err := o.cfg.Board.Last(ctx, c.ID, id)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return Run{}, fmt.Errorf("read run %s: %w", id, err)
		}
		return Run{ID: id, Connection: c.ID, Trigger: t, Log: a.limited(l)}, nil
	}
	return Run{}, Advise(fault.New(fault.NotFound, "run %q is not known", id), "see the list of runs; logs are kept for 90 days")
}

// Start asks for a run of everything queued of the accounts (none: all the actor sees), one per connection. op is an id
// of the caller's choice, see Replay.
func (o *Ops) Start(ctx context.Context, a Actor, accounts []shipment.AccountID, comment, op string) ([]Run, error) {
	if err := a.need(Operator); err != nil {
		return nil, err
	}
	parts, err := o.spread(a, accounts)
	if err != nil {
		return nil, err
	}
	var out []Run
	for _, p := range parts {
		t := job.Trigger{RunID: o.runID(a, op, p.connection.ID, "start"), Connection: p.connection.ID, Accounts: p.ids, Kind: job.Manual, Scope: job.All,
			OpID: op, Actor: a.Name, Reason: comment, At: o.now()}
		if _, err := o.cfg.Board.Ask(ctx, t); err != nil {
			return out, fmt.Errorf("start a run of %s: %w", p.connection.ID, err)
		}
		out = append(out, Run{ID: t.RunID, Connection: t.Connection, Trigger: t})
	}
	return out, nil
}

// part is a connection and those of its accounts that were meant; ids is empty for all of them.
type part struct {
	connection settings.Connection
	accounts   []settings.Account
	ids        []shipment.AccountID
}

func (o *Ops) spread(a Actor, ids []shipment.AccountID) ([]part, error) {
	set := o.cfg.Settings.Current()
	for _, id := range ids {
		if _, _, ok := set.Account(id); !ok {
			return nil, Advise(fault.Field("accounts", "%q is not configured", id), "see the list of accounts")
		}
		if err := a.needAccount(id); err != nil {
			return nil, err
		}
	}
	var out []part
	for _, c := range set.Connections {
		p := part{connection: c}
		for _, acc := range c.Accounts {
			if a.Sees(acc.ID) && (len(ids) == 0 || slices.Contains(ids, acc.ID)) {
				p.accounts, p.ids = append(p.accounts, acc), append(p.ids, acc.ID)
			}
		}
		if len(p.ids) == len(c.Accounts) {
			p.ids = nil
		}
		if len(p.accounts) > 0 {
			out = append(out, p)
		}
	}
	return out, nil
}
