package web

import (
	"net/http"
	"net/url"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// openPage is how many open orders a page shows.
const openPage = 50

// unshipped lists the orders that Amazon waits for, nearest ship-by first.
func (c *call) unshipped() error {
	q := c.r.URL.Query()
	p := page.Open{Frame: c.frame(), Account: q.Get("account"), All: q.Get("all") == "1"}
	p.Accounts = append([]page.Option{{Label: "list.all_accounts"}}, c.options(p.Account)...)
	f := ops.OpenFilter{Unreported: !p.All}
	if p.Account != "" {
		f.Accounts = []shipment.AccountID{shipment.AccountID(p.Account)}
	}
	got, err := c.cfg.Ops.OpenOrders(c.ctx(), c.who, f, ops.Paging{After: q.Get("after"), Limit: openPage})
	if err != nil {
		if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Forbidden) {
			return err
		}
		c.cfg.Logger.WarnContext(c.ctx(), "open orders not readable", "error", err)
		problem := page.Say("list.unavailable")
		p.Problem = &problem
		return c.show(http.StatusServiceUnavailable, "open", p)
	}
	for _, x := range got.Items {
		p.Rows = append(p.Rows, c.openRow(x, p.Role.Acts()))
	}
	if got.Next != "" {
		q.Set("after", got.Next)
		p.Next = "/open?" + q.Encode()
	}
	p.AsOf, p.Empty = c.asOf(got)
	return c.show(http.StatusOK, "open", p)
}

func (c *call) openRow(x ops.OpenOrder, acts bool) page.OpenRow {
	_, a := c.account(x.Account)
	r := page.NewOpenRow(x.Order, x.Packages, title(a), c.cfg.Now(), a.Schedule.Location())
	if acts && len(x.Packages) == 0 {
		r.ShipURL = "/ship?" + url.Values{"account": {string(x.Account)}, "order": {x.ID}}.Encode()
	}
	return r
}

// asOf says when the connections were compared with Amazon, and why a list is empty if it is.
func (c *call) asOf(got ops.OpenPage) (list []page.OpenAsOf, empty string) {
	names := map[shipment.ConnectionID]string{}
	for _, conn := range c.cfg.Settings().Connections {
		names[conn.ID] = conn.Name
	}
	empty = "open.empty"
	if got.Total > 0 {
		empty = "open.all_reported"
	}
	for _, s := range got.AsOf {
		if s.At.IsZero() {
			empty = "open.never"
		}
		list = append(list, page.OpenAsOf{Name: names[s.Connection], At: s.At, Open: s.Open})
	}
	if got.Next != "" {
		empty = "open.further"
	}
	return list, empty
}
