package web

import (
	"net/http"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// recent is how many runs are looked through for an account's last one.
const recent = 200

func (c *call) overview() error {
	all, err := c.cfg.Ops.Overview(c.ctx(), c.who)
	if err != nil {
		return err
	}
	accounts, err := c.cfg.Ops.Accounts(c.ctx(), c.who)
	if err != nil {
		return err
	}
	runs, err := c.cfg.Ops.Runs(c.ctx(), c.who, recent)
	if err != nil {
		return err
	}
	o := page.Overview{Frame: c.frame(), FlaggedURL: "/orders?flag=1", Flagged: page.Count{Orders: all.Total.Flagged}}
	for _, s := range shipment.States {
		n := all.Total.States[s]
		if s.Flagged() {
			o.Flagged.Shipments += n
		}
		o.States = append(o.States, page.StateCount{State: s, N: n, URL: with("/orders", nil, "state", string(s))})
	}
	lines := map[shipment.AccountID]ops.AccountOverview{}
	for _, l := range all.Accounts {
		lines[l.ID] = l
	}
	for _, a := range accounts {
		o.Accounts = append(o.Accounts, c.line(a, lines[a.ID], runs))
	}
	o.Connections = c.health(accounts)
	for _, m := range all.Messages {
		o.Messages = append(o.Messages, c.shown(m, runs))
	}
	o.RunNow = c.button(page.Action{ID: "run-now", Label: "action.run", URL: "/runs/new", Link: true, Main: true})
	if len(accounts) == 0 && o.RunNow.Enabled() {
		o.RunNow.Why = page.Say("why.no_accounts")
	}
	return c.show(http.StatusOK, "overview", o)
}

// button disables an action for those who may only look.
func (c *call) button(a page.Action) page.Action {
	if !c.who.May(ops.Operator) {
		a.Why, a.Main = page.Say("why.viewer"), false
	}
	return a
}

func (c *call) line(a ops.Account, o ops.AccountOverview, runs []ops.Run) page.AccountLine {
	l := page.AccountLine{ID: string(a.ID), Name: title(a.Account), Connection: string(a.Connection.ID), Zone: a.Schedule.Location(),
		Next: o.NextRun, Off: a.Schedule.Off, PausedUntil: o.PausedUntil, Halted: halted(a.Status)}
	for _, r := range runs {
		if r.Connection != a.Connection.ID || !r.Trigger.Scoped(a.ID) {
			continue
		}
		switch r.Log.Phase {
		case job.Started:
			if p := a.Status.Run; p.RunID == r.ID && !p.Ended && l.Running == nil {
				l.Running, l.RunURL = &p, page.RunURL(r.ID)
			}
			continue
		case job.Finished:
		case job.Missed:
			if r.Trigger.Slot.After(l.Missed) {
				l.Missed = r.Trigger.Slot
			}
			continue
		default:
			continue
		}
		n := r.Log.ByAccount[a.ID]
		l.Last = &page.LastRun{At: r.Log.StartedAt, Confirmed: n.Confirmed, Deferred: n.Deferred, Doubt: n.Doubt, Other: n.NotRequired + n.Closed + n.Expired, URL: page.RunURL(r.ID)}
		if l.Last.At.IsZero() {
			l.Last.At = r.Log.At
		}
		if l.Last.At.After(l.Missed) {
			l.Missed = time.Time{} // made up for
		}
		break
	}
	return l
}

// health is how each connection is doing, once per connection.
func (c *call) health(accounts []ops.Account) []page.Health {
	var out []page.Health
	seen := map[shipment.ConnectionID]bool{}
	for _, a := range accounts {
		if !seen[a.Connection.ID] {
			seen[a.Connection.ID] = true
			out = append(out, connectionHealth(a))
		}
	}
	return out
}

// halted is why a connection gets no access to Amazon, empty when it does.
func halted(s ops.Status) string {
	if s.Halted != "" || s.TokenBreaker.State != "open" {
		return s.Halted
	}
	return s.TokenBreaker.Reason
}

func connectionHealth(a ops.Account) page.Health {
	s := a.Status
	h := page.Health{ID: string(a.Connection.ID), Name: a.Connection.Name, Mode: a.Connection.Mode, Region: a.Connection.Region, Known: s.Known && s.Breaker.State != "",
		Breaker: s.Breaker.State, Reason: s.Breaker.Reason, Since: s.Breaker.Since, NextProbe: s.Breaker.NextProbe, Rate: s.Rate, Zone: a.Schedule.Location()}
	if h.Name == "" {
		h.Name = h.ID
	}
	if r := s.Run; r.RunID != "" && !r.Ended {
		h.Waiting, h.ETA = max(0, r.Total-r.Done), r.ETA
	}
	return h
}
