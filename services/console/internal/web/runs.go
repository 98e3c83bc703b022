package web

import (
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// shownRuns bounds the history on the job's page.
const shownRuns = 50

func (c *call) runs() error {
	plans, err := c.cfg.Ops.Schedules(c.ctx(), c.who)
	if err != nil {
		return err
	}
	runs, err := c.cfg.Ops.Runs(c.ctx(), c.who, shownRuns)
	if err != nil {
		return err
	}
	now, err := c.progress()
	if err != nil {
		return err
	}
	p := page.Runs{Frame: c.frame()}
	change := page.Action{ID: "schedule", Label: "action.schedule", Why: page.Say("why.support")}
	if p.Role.Configures() {
		change.Why = page.Say("why.later")
	}
	p.Change = change
	for _, s := range plans {
		_, a := c.account(s.Account)
		row := page.Schedule{Account: string(s.Account), Name: title(a), Cron: s.Cron, ZoneID: s.Zone, Zone: a.Schedule.Location(), Off: s.Off, PausedUntil: s.PausedUntil, Next: s.Next, Clashes: s.Clashes,
			RunNow: c.button(page.Action{ID: "run-" + string(s.Account), Label: "action.run", URL: "/runs/new?for=" + url.QueryEscape(string(s.Account)), Link: true})}
		p.Schedules = append(p.Schedules, row)
	}
	for _, r := range runs {
		row := c.runRow(r, now)
		if r.Log.Phase == job.Started {
			p.Running = append(p.Running, row)
			continue
		}
		p.History = append(p.History, row)
	}
	return c.show(http.StatusOK, "runs", p)
}

// progress is where the runs under way stand, by run, as far as their dispatchers tell.
func (c *call) progress() (map[string]*job.Progress, error) {
	accounts, err := c.cfg.Ops.Accounts(c.ctx(), c.who)
	if err != nil {
		return nil, err
	}
	out := map[string]*job.Progress{}
	for _, a := range accounts {
		if p := a.Status.Run; p.RunID != "" && !p.Ended {
			out[p.RunID] = &p
		}
	}
	return out, nil
}

func (c *call) runRow(r ops.Run, now map[string]*job.Progress) page.RunRow {
	row := page.RunRow{ID: r.ID, Connection: string(r.Connection), Kind: r.Trigger.Kind, Actor: r.Trigger.Actor, Reason: r.Trigger.Reason, Zone: c.zone(r.Connection),
		Started: r.Log.StartedAt, Phase: r.Log.Phase, Counts: r.Log.Counts, Left: left(r.Log.Left), URL: page.RunURL(r.ID), JoinedTo: r.Log.JoinedTo}
	if row.Started.IsZero() {
		row.Started = r.Trigger.At
	}
	if r.Log.Phase == job.Missed {
		row.Started, row.Ended = r.Trigger.Slot, r.Trigger.Slot
	} else if r.Ended() {
		row.Ended = r.Log.At
	} else {
		row.Progress = now[r.ID]
	}
	if row.JoinedTo != "" {
		row.JoinedURL = page.RunURL(row.JoinedTo)
	}
	names := make([]string, len(r.Trigger.Accounts))
	for i, a := range r.Trigger.Accounts {
		names[i] = string(a)
	}
	row.Accounts = strings.Join(names, ", ")
	return row
}

// zone is the zone of a connection's first account.
func (c *call) zone(id shipment.ConnectionID) *time.Location {
	if conn, ok := c.cfg.Settings().Connection(id); ok && len(conn.Accounts) > 0 {
		return conn.Accounts[0].Schedule.Location()
	}
	return time.UTC
}

func left(why map[string]int) []page.Left {
	var out []page.Left
	for k, n := range why {
		out = append(out, page.Left{Why: strings.ReplaceAll(strings.ToLower(k), " ", "_"), N: n})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].N > out[j].N || out[i].N == out[j].N && out[i].Why < out[j].Why })
	return out
}

func (c *call) run() error {
	r, err := c.cfg.Ops.Run(c.ctx(), c.who, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	now := map[string]*job.Progress{}
	if !r.Ended() {
		if now, err = c.progress(); err != nil {
			return err
		}
	}
	p := page.Run{Frame: c.frame(), RunRow: c.runRow(r, now)}
	for id, n := range r.Log.ByAccount {
		p.ByAccount = append(p.ByAccount, page.AccountCounts{Account: string(id), Counts: n})
	}
	sort.Slice(p.ByAccount, func(i, j int) bool { return p.ByAccount[i].Account < p.ByAccount[j].Account })
	if r.Log.Counts.Deferred > 0 {
		p.OrdersURL = "/deferred"
		if len(p.ByAccount) == 1 {
			p.OrdersURL = with("/deferred", nil, "account", p.ByAccount[0].Account)
		}
	}
	return c.show(http.StatusOK, "run", p)
}

// runNew warns before a run by hand.
func (c *call) runNew() error {
	account := c.r.URL.Query().Get("for")
	p := page.RunNew{Frame: c.frame(), Account: account, Minutes: -1, Start: c.button(page.Action{ID: "run-start", Label: "action.run"}),
		Targets: append([]page.Option{{Label: "list.all_accounts", Selected: account == ""}}, c.options(account)...)}
	if len(p.Targets) == 1 && p.Start.Enabled() {
		p.Start.Why = page.Say("why.no_accounts")
	}
	preview, err := c.cfg.Ops.Preview(c.ctx(), c.who, chosen(account))
	if err == nil {
		p.Known, p.N, p.ETA = true, preview.Count, preview.DoneBy
		if !preview.LastRun.IsZero() {
			p.Minutes = int(preview.At.Sub(preview.LastRun).Minutes())
		}
	} else {
		c.cfg.Logger.WarnContext(c.ctx(), "run not previewed", "error", err)
	}
	runs, err := c.cfg.Ops.Runs(c.ctx(), c.who, shownRuns)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.Log.Phase == job.Started && (account == "" || c.onConnection(r.Connection, account)) {
			p.Busy = page.RunURL(r.ID)
		}
	}
	return c.show(http.StatusOK, "runnew", p)
}

func (c *call) onConnection(id shipment.ConnectionID, account string) bool {
	conn, _ := c.account(shipment.AccountID(account))
	return conn.ID == id
}

func chosen(account string) []shipment.AccountID {
	if account == "" {
		return nil
	}
	return []shipment.AccountID{shipment.AccountID(account)}
}

// runStart asks for a run. One run leads to its page, several to the list.
func (c *call) runStart() error {
	runs, err := c.cfg.Ops.Start(c.ctx(), c.who, chosen(c.r.PostForm.Get("account")), trimmed(c.r.PostForm.Get("comment")), "")
	if err != nil {
		return err
	}
	c.say(page.Good, "flash.run")
	if len(runs) == 1 {
		return c.to(page.RunURL(runs[0].ID))
	}
	return c.to("/runs")
}
