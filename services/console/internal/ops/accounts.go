package ops

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Status is how a connection stands. Known is false when no dispatcher answered; the rest says nothing then.
type Status struct {
	Known bool
	control.Status
}

// Test is the result of a connection test.
type Test struct {
	OK    bool
	Steps []TestStep
}

// TestStep is one step of a connection test. Remedy is empty when it went well.
type TestStep struct {
	control.Step
	Remedy outcome.Text
}

// Account is one account with its connection.
type Account struct {
	settings.Account
	Connection settings.Connection
	Status     Status // of the connection, as far as known
}

// statusWait is how long a list waits for dispatchers to tell how connections are doing.
const statusWait = 500 * time.Millisecond

// Accounts lists the accounts the actor sees. A connection whose dispatcher does not answer at once is shown without
// its health.
func (o *Ops) Accounts(ctx context.Context, a Actor) ([]Account, error) {
	if err := a.need(Viewer); err != nil {
		return nil, err
	}
	connections := o.cfg.Settings.Current().Connections
	status := make([]Status, len(connections))
	wait, cancel := context.WithTimeout(ctx, statusWait)
	defer cancel()
	var wg sync.WaitGroup
	for i, c := range connections {
		if !a.seesSome(c, nil) {
			continue
		}
		wg.Go(func() {
			s, err := o.cfg.Control.Status(wait, c.ID)
			status[i] = Status{Known: err == nil, Status: s}
		})
	}
	wg.Wait()
	var out []Account
	for i, c := range connections {
		for _, acc := range c.Accounts {
			if a.Sees(acc.ID) {
				out = append(out, Account{Account: acc, Connection: c, Status: status[i]})
			}
		}
	}
	return out, nil
}

// account finds an account the actor may touch.
func (o *Ops) account(a Actor, id shipment.AccountID) (settings.Connection, settings.Account, error) {
	c, acc, ok := o.cfg.Settings.Current().Account(id)
	if !ok {
		return c, acc, Advise(fault.New(fault.NotFound, "account %q is not configured", id), "see the list of accounts")
	}
	return c, acc, a.needAccount(id)
}

// Pause keeps an account from sending until a time; a zero or past time ends the pause. Reports are still taken in.
func (o *Ops) Pause(ctx context.Context, a Actor, id shipment.AccountID, until time.Time, comment string) error {
	if err := a.need(Operator); err != nil {
		return err
	}
	why, err := reason(comment)
	if err != nil {
		return err
	}
	c, _, err := o.account(a, id)
	if err != nil {
		return err
	}
	if until.After(o.now().AddDate(1, 0, 0)) {
		return Advise(fault.Field("until", "%s is more than a year ahead", until.Format(time.RFC3339)), "choose an earlier time, or turn the schedule off")
	}
	if !until.After(o.now()) {
		until = time.Time{}
	}
	err = o.edit(ctx, c.ID, id, func(acc *settings.Account) { acc.PausedUntil = until.UTC() })
	if err != nil {
		return err
	}
	o.audit(ctx, a, "account paused", "account", id, "until", until, "comment", why)
	return nil
}

func (o *Ops) edit(ctx context.Context, c shipment.ConnectionID, id shipment.AccountID, change func(*settings.Account)) error {
	err := o.cfg.Settings.Change(ctx, c, func(conn *settings.Connection) error {
		for i := range conn.Accounts {
			if conn.Accounts[i].ID == id {
				change(&conn.Accounts[i])
				return nil
			}
		}
		return fault.New(fault.NotFound, "account %q is not configured", id)
	})
	if err != nil {
		return firstFault(fmt.Errorf("change account %s: %w", id, err))
	}
	return nil
}

// TestConnection has the dispatcher find out, with harmless reads, whether Amazon lets the connection in: token, region,
// role and each marketplace. What the quota leaves no room for is skipped.
func (o *Ops) TestConnection(ctx context.Context, a Actor, id shipment.ConnectionID) (Test, error) {
	if err := a.need(Operator); err != nil {
		return Test{}, err
	}
	c, ok := o.cfg.Settings.Current().Connection(id)
	if !ok || !a.seesSome(c, nil) {
		return Test{}, Advise(fault.New(fault.NotFound, "connection %q is not configured", id), "see the list of accounts")
	}
	o.audit(ctx, a, "connection tested", "connection", id)
	steps, err := o.cfg.Control.Test(ctx, id)
	t := Test{OK: err == nil && len(steps) > 0}
	for _, s := range steps {
		step := TestStep{Step: s}
		if rule, ok := outcome.Lookup(s.Rule); ok && !s.OK && !s.Skipped {
			step.Remedy = rule.Remedy
		}
		t.OK, t.Steps = t.OK && (s.OK || s.Skipped), append(t.Steps, step)
	}
	return t, err
}

// Rebuild has the dispatcher build the view anew from the ledger. Lists may be incomplete until it is done.
func (o *Ops) Rebuild(ctx context.Context, a Actor) error {
	if err := a.need(Support); err != nil {
		return err
	}
	o.audit(ctx, a, "view rebuild asked for")
	return o.cfg.Control.Rebuild(ctx)
}
