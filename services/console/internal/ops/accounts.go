package ops

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Status is how a connection is doing, as its dispatcher tells it.
type Status struct {
	Connection shipment.ConnectionID `json:"connection"`
	Known      bool                  `json:"-"` // false: no dispatcher answered
	Holder     string                `json:"holder,omitempty"`
	Halted     string                `json:"halted,omitempty"` // why nothing is sent until people act; empty when not
	Breaker    Breaker               `json:"breaker"`
	Quota      Quota                 `json:"quota"`
	TokenUntil time.Time             `json:"tokenUntil,omitzero"` // end of the access token in hand
	Run        *job.Progress         `json:"run,omitempty"`       // the run under way
}

// Breaker is the state of a connection's circuit breaker.
type Breaker struct {
	State     string    `json:"state,omitempty"` // closed, half-open, open
	Reason    string    `json:"reason,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	NextProbe time.Time `json:"nextProbe,omitzero"`
}

// Quota is how much may be asked of Amazon now.
type Quota struct {
	PerSecond float64 `json:"perSecond,omitempty"`
	Burst     int     `json:"burst,omitempty"`
	Left      int     `json:"left,omitempty"`
}

// Test is the result of a connection test.
type Test struct {
	OK    bool       `json:"ok"`
	Steps []TestStep `json:"steps"`
}

// TestStep is one step of a connection test. Remedy is empty when it went well.
type TestStep struct {
	Name     string        `json:"name"`
	OK       bool          `json:"ok"`
	Took     time.Duration `json:"took"` // nanoseconds on the wire
	Text     string        `json:"text,omitempty"`
	RemedyDE string        `json:"remedyDe,omitempty"`
	RemedyEN string        `json:"remedyEn,omitempty"`
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
			s.Connection, s.Known = c.ID, err == nil
			status[i] = s
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

// TestConnection has the dispatcher renew the access token and make a harmless call to Amazon.
func (o *Ops) TestConnection(ctx context.Context, a Actor, id shipment.ConnectionID) (Test, error) {
	if err := a.need(Operator); err != nil {
		return Test{}, err
	}
	c, ok := o.cfg.Settings.Current().Connection(id)
	if !ok || !a.seesSome(c, nil) {
		return Test{}, Advise(fault.New(fault.NotFound, "connection %q is not configured", id), "see the list of accounts")
	}
	o.audit(ctx, a, "connection tested", "connection", id)
	return o.cfg.Control.Test(ctx, id, a.Name)
}

// Rebuild has the dispatcher build the view anew from the ledger. Lists may be incomplete until it is done.
func (o *Ops) Rebuild(ctx context.Context, a Actor) error {
	if err := a.need(Support); err != nil {
		return err
	}
	o.audit(ctx, a, "view rebuild asked for")
	return o.cfg.Control.Rebuild(ctx, a.Name)
}
