package web

import (
	"net/http"
	"net/url"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// maxGroups bounds the kinds of failures a message shows.
const maxGroups = 5

// shown is a message as people see it, with what Amazon said about what it lists, the most frequent first.
func (c *call) shown(m message.Message, runs []ops.Run) page.Message {
	_, a := c.account(m.Account)
	out := page.Message{ID: m.ID, Kind: string(m.Kind), Account: string(m.Account), Zone: a.Schedule.Location(), N: m.Count, Shipments: m.Count,
		RaisedAt: m.At, ClearedAt: m.ClearedAt, OrdersURL: "/orders?" + url.Values{"message": {m.ID}}.Encode(), Detail: m.Detail, Held: m.Held,
		Update: c.button(page.Action{ID: "message-update", Label: "action.update", URL: "/messages/" + url.PathEscape(m.ID) + "/update", Main: true})}
	if m.Kind == message.SlotMissed {
		out.Slot, out.Slots, out.Update.Label = m.Slot, m.Slots, "action.run"
	}
	if out.Account == "" {
		out.Account = string(m.Connection)
	}
	if !m.Button() {
		if out.Update.ID = ""; !hasOrders(m.Kind) {
			out.OrdersURL = ""
		}
		return out
	}
	for _, r := range runs {
		if r.Log.Phase == job.Started && r.Connection == m.Connection && r.Trigger.Scoped(m.Account) && answers(r.Trigger, m) {
			out.Busy, out.RunURL = true, page.RunURL(r.ID)
			out.Update.Why, out.Update.Main = page.Say("why.busy"), false
		}
	}
	got, err := c.cfg.Ops.Shipments(c.ctx(), c.who, ops.Listed(m), ops.Paging{Limit: ops.MaxPage})
	if err != nil {
		return out // the message itself is worth showing without its groups
	}
	out.N, out.Shipments = len(distinct(got.Items)), got.Total
	if m.Kind == message.SlotMissed { // it is about the job, not about what Amazon said to some
		out.N = got.Total
		return out
	}
	if got.Total > len(got.Items) {
		out.N = got.Total
	}
	out.Groups = groups(got.Items, out.OrdersURL)
	return out
}

// hasOrders reports whether a message without a button speaks of shipments that can be listed.
func hasOrders(k message.Kind) bool {
	return k == message.Expired || k == message.NoEffect || k == message.OnItsWay || k == message.StillOpen || k == message.EditRefused
}

// answers reports whether a run does what the message's button asks for.
func answers(t job.Trigger, m message.Message) bool {
	if m.Kind == message.SlotMissed {
		return t.Scope == job.All && t.At.After(m.Slot)
	}
	return t.Kind == job.Message && t.DeferredUntil.Equal(m.At)
}

func distinct(in []shipment.Shipment) map[string]bool {
	orders := map[string]bool{}
	for _, s := range in {
		orders[string(s.Connection)+"/"+s.Order] = true
	}
	return orders
}

func groups(in []shipment.Shipment, list string) []page.Group {
	var out []page.Group
	at := map[string]int{}
	for _, s := range in {
		if s.Answer == nil {
			continue
		}
		id := s.Fingerprint
		i, ok := at[id]
		if !ok {
			i = len(out)
			g := page.Group{Text: s.Answer.Message, Remedy: page.Remedy(s), Lead: page.Lead(s)}
			if s.Kind == shipment.Incomplete {
				said := page.Say("detail.incomplete", "field", page.Say("field."+page.MissingField(s)))
				g.Ours = &said
			}
			if g.Text == "" {
				g.Text = s.Answer.Code
			}
			if id != "" {
				g.URL = list + "&" + url.Values{"print": {id}}.Encode()
			}
			at[id], out = i, append(out, g)
		}
		out[i].N++
	}
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && out[j].N > out[j-1].N; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out[:min(len(out), maxGroups)]
}

// maxCleared bounds the history of the maintenance centre.
const maxCleared = 50

func (c *call) messages() error {
	all, err := c.cfg.Book.All(c.ctx())
	if err != nil {
		return err
	}
	runs, err := c.cfg.Ops.Runs(c.ctx(), c.who, recent)
	if err != nil {
		return err
	}
	p := page.Messages{Frame: c.frame()}
	for _, m := range all {
		switch {
		case m.Account != "" && !c.who.Sees(m.Account):
		case m.Phase == message.Raised:
			p.Open = append(p.Open, c.shown(m, runs))
		case len(p.Cleared) < maxCleared:
			p.Cleared = append(p.Cleared, c.shown(m, nil))
		}
	}
	return c.show(http.StatusOK, "messages", p)
}

// update is the message's button. The run's page shows what becomes of it.
func (c *call) update() error {
	r, err := c.cfg.Ops.Press(c.ctx(), c.who, c.r.PathValue("id"), "")
	if err != nil {
		return err
	}
	c.say(page.Good, "flash.update")
	return c.to(page.RunURL(r.ID))
}
