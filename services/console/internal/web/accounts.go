package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (c *call) accounts() error {
	return c.accountsPage(http.StatusOK, nil)
}

func (c *call) accountsPage(status int, form *page.MapForm) error {
	all, err := c.cfg.Ops.Accounts(c.ctx(), c.who)
	if err != nil {
		return err
	}
	waiting := c.unmapped()
	p := page.Accounts{Frame: c.frame(), Map: form}
	if q := c.r.URL.Query(); form == nil && q.Has("map") {
		p.Map = &page.MapForm{Account: q.Get("map"), Rule: settings.MapRule{Carrier: q.Get("carrier"), Service: q.Get("service")}}
	}
	if p.Map != nil {
		p.Map.Accounts = c.options(p.Map.Account)
		if !p.Role.Acts() {
			p.Map.Why = page.Say("why.viewer")
		}
	}
	for i, a := range all {
		if i == 0 || all[i-1].Connection.ID != a.Connection.ID {
			id := string(a.Connection.ID)
			p.Connections = append(p.Connections, page.Connection{Health: connectionHealth(a), Endpoint: a.Connection.Endpoint, Halted: halted(a.Status),
				Test: c.button(page.Action{ID: "test-" + id, Label: "action.test", URL: "/accounts/" + id + "/test"})})
		}
		shown := page.Account{Account: a.Account, Zone: a.Schedule.Location(), Unmapped: waiting[a.ID]}
		shown.Name = title(a.Account)
		if !a.PausedUntil.After(c.cfg.Now()) {
			shown.PausedUntil = time.Time{}
		}
		if p.Role.Acts() {
			shown.MapURL = "/accounts?" + url.Values{"map": {string(a.ID)}}.Encode() + "#map"
		}
		last := &p.Connections[len(p.Connections)-1]
		last.Accounts = append(last.Accounts, shown)
	}
	return c.show(status, "accounts", p)
}

// unmapped are the carriers that Amazon refused and no rule covers, by account, among the first page of the refused.
func (c *call) unmapped() map[shipment.AccountID][]page.Unmapped {
	out := map[shipment.AccountID][]page.Unmapped{}
	got, err := c.cfg.Ops.Shipments(c.ctx(), c.who, ops.Filter{States: []shipment.State{shipment.Deferred}, Kind: shipment.Rejected}, ops.Paging{Limit: ops.MaxPage})
	if err != nil {
		return out // the page is useful without
	}
next:
	for _, s := range got.Items {
		_, a := c.account(s.Account)
		if _, fits := a.Mapping.Map(s.Data.Carrier, s.Data.Service, ""); fits || page.BlamedField(s) != "carrier" {
			continue
		}
		list := out[s.Account]
		for i, u := range list {
			if strings.EqualFold(u.Carrier, s.Data.Carrier) && strings.EqualFold(u.Service, s.Data.Service) {
				list[i].N++
				continue next
			}
		}
		out[s.Account] = append(list, page.Unmapped{Carrier: s.Data.Carrier, Service: s.Data.Service, N: 1})
	}
	return out
}

// mapCarrier adds a rule to an account's mapping.
func (c *call) mapCarrier() error {
	v := func(name string) string { return trimmed(c.r.PostForm.Get(name)) }
	form := page.MapForm{Account: v("account"), Comment: v("comment"), Rule: settings.MapRule{Carrier: v("carrier"), Service: v("service"),
		CarrierCode: v("carrier_code"), CarrierName: v("carrier_name"), ShippingMethod: v("method")}}
	done, err := c.cfg.Ops.MapCarrier(c.ctx(), c.who, shipment.AccountID(form.Account), form.Rule, form.Comment)
	if fault.Is(err, fault.Invalid) {
		rest := ""
		if form.Problems, rest = c.problems(err); rest != "" {
			form.Problems = map[string]string{"carrier": rest}
		}
		return c.accountsPage(http.StatusUnprocessableEntity, &form)
	}
	if err != nil {
		return err
	}
	f := flash{Notices: []page.Notice{{Tone: page.Good, Sentence: page.Say("flash.map")}}}
	if n := done.Repaired.Done; n > 0 {
		f.Notices = append(f.Notices, page.Notice{Tone: page.Good, Sentence: page.Say("flash.map_repaired", "n", n)})
	}
	c.tell(f)
	return c.to("/accounts")
}

// testConnection tries the way to Amazon without sending anything, and tells each step.
func (c *call) testConnection() error {
	id := c.r.PathValue("id")
	t, err := c.cfg.Ops.TestConnection(c.ctx(), c.who, shipment.ConnectionID(id))
	if err != nil {
		if fault.Is(err, fault.Unavailable) {
			c.say(page.Warn, "flash.test_unavailable", "connection", id)
			return c.to("/accounts")
		}
		return err
	}
	n := page.Notice{Tone: page.Good, Sentence: page.Say("flash.test_ok", "connection", id)}
	if !t.OK {
		n = page.Notice{Tone: page.Bad, Sentence: page.Say("flash.test_failed", "connection", id)}
	}
	for _, s := range t.Steps[:min(len(t.Steps), maxLines)] {
		text := s.Text
		switch {
		case s.OK:
			text = strings.TrimSuffix("OK – "+text, " – ")
		case !s.OK && c.lang == i18n.EN && s.Remedy.EN != "":
			text += " – " + s.Remedy.EN
		case !s.OK && c.lang == i18n.DE && s.Remedy.DE != "":
			text += " – " + s.Remedy.DE
		}
		n.Lines = append(n.Lines, page.Line{Label: c.step(s.Name), Text: clip(text, 300)})
	}
	c.tell(flash{Notices: []page.Notice{n}})
	return c.to("/accounts")
}

// step names a step of a connection test, a marketplace by the account people know it as.
func (c *call) step(name string) string {
	id, isMarket := strings.CutPrefix(name, "marketplace ")
	if !isMarket {
		return c.plain("test." + name)
	}
	for _, conn := range c.cfg.Settings().Connections {
		for _, a := range conn.Accounts {
			if a.Marketplace == id {
				return c.plain("test.marketplace") + " " + title(a)
			}
		}
	}
	return c.plain("test.marketplace") + " " + id
}
