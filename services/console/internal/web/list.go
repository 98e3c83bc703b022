package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// maxBulk bounds the ticked rows of one form.
const maxBulk = 500

func (c *call) orders() error   { return c.list("/orders") }
func (c *call) deferred() error { return c.list("/deferred") }

// list draws the order list or, under /deferred, what could not be sent.
func (c *call) list(path string) error {
	q := c.r.URL.Query()
	l := page.List{Frame: c.frame(), Deferred: path == "/deferred", Empty: "list.empty_filter",
		Filter: page.Filter{Account: q.Get("account"), State: q.Get("state"), Kind: q.Get("kind"), Query: trimmed(q.Get("q")), Message: q.Get("message"), Flag: q.Get("flag") == "1"}}
	l.Accounts = append([]page.Option{{Label: "list.all_accounts"}}, c.options(l.Filter.Account)...)
	f, err := c.filter(&l, q)
	if err != nil {
		return err
	}
	l.Chips = chips(path, q, l)
	if err = c.tabs(&l, q); err == nil {
		err = c.rows(&l, f, path, q)
	}
	if err != nil {
		if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Forbidden) {
			return err
		}
		c.cfg.Logger.WarnContext(c.ctx(), "list not readable", "error", err)
		p := page.Say("list.unavailable")
		l.Problem = &p
		return c.show(http.StatusServiceUnavailable, "list", l)
	}
	return c.show(http.StatusOK, "list", l)
}

// filter turns the address into a question, and notes what the page shows about it.
func (c *call) filter(l *page.List, q url.Values) (ops.Filter, error) {
	f := ops.Filter{Search: l.Filter.Query, Kind: shipment.Kind(l.Filter.Kind), Fingerprint: q.Get("print"), Flagged: l.Filter.Flag, Desc: true}
	if l.Filter.Message != "" {
		m, err := c.message(l.Filter.Message)
		if err != nil {
			return f, err
		}
		listed := ops.Listed(m)
		f.Accounts, f.States, f.DeferredUntil = listed.Accounts, listed.States, listed.DeferredUntil
		shown := c.shown(m, nil)
		l.Message = &shown
	}
	if l.Filter.Account != "" {
		f.Accounts = []shipment.AccountID{shipment.AccountID(l.Filter.Account)}
	}
	if s, ok := state(l.Filter.State); ok {
		f.States = []shipment.State{s}
	}
	if l.Deferred {
		f.States, f.Sort, f.Desc = []shipment.State{shipment.Deferred}, ops.ByShipBy, false
		l.Kinds = []page.Option{{Label: "list.all_kinds"}}
		for _, k := range []shipment.Kind{shipment.Transient, shipment.Throttled, shipment.Rejected, shipment.Incomplete} {
			l.Kinds = append(l.Kinds, page.Option{Value: string(k), Label: "kind." + string(k), Selected: string(k) == l.Filter.Kind})
		}
	}
	switch s := ops.Sort(q.Get("sort")); s {
	case ops.BySince, ops.ByShippedAt, ops.ByShipBy:
		f.Sort, f.Desc = s, q.Get("desc") == "1"
	}
	return f, nil
}

// tabs are the states with their counts, of one account where the list is of one.
func (c *call) tabs(l *page.List, q url.Values) error {
	if l.Deferred {
		l.Empty = "list.empty_deferred"
		if len(l.Chips) > 0 {
			l.Empty = "list.empty_filter"
		}
		return nil
	}
	counts, err := c.cfg.Ops.Counts(c.ctx(), c.who)
	if err != nil {
		return err
	}
	sum := map[shipment.State]int{}
	all := 0
	for id, n := range counts {
		if l.Filter.Account != "" && string(id) != l.Filter.Account {
			continue
		}
		for s, k := range n.States {
			sum[s] += k
			all += k
		}
	}
	if all == 0 && len(l.Chips) == 0 {
		l.Empty = "list.empty_all"
	}
	l.Tabs = append(l.Tabs, page.StateCount{N: all, URL: with("/orders", q, "state", "", "kind", "", "message", ""), Active: l.Filter.State == "" && l.Message == nil})
	for _, s := range shipment.States {
		l.Tabs = append(l.Tabs, page.StateCount{State: s, N: sum[s], URL: with("/orders", q, "state", string(s), "kind", "", "message", ""), Active: l.Filter.State == string(s)})
	}
	return nil
}

func (c *call) rows(l *page.List, f ops.Filter, path string, q url.Values) error {
	got, err := c.cfg.Ops.Shipments(c.ctx(), c.who, f, ops.Paging{After: q.Get("after")})
	if err != nil {
		return err
	}
	l.Total.Shipments = got.Total
	l.Bulk = page.BulkActions(l.Role)
	before, _ := strconv.Atoi(q.Get("n"))
	if q.Get("after") == "" || before < 0 {
		before = 0
	}
	l.Page = page.Paging{From: before + 1, To: before + len(got.Items)}
	if before > 0 {
		l.Page.Prev = with(path, q)
	}
	if got.Next != "" {
		l.Page.Next = with(path, q, "after", got.Next, "n", strconv.Itoa(l.Page.To))
	}
	for _, s := range got.Items {
		l.Rows = append(l.Rows, c.row(s))
	}
	return nil
}

func (c *call) row(s shipment.Shipment) page.Row {
	_, a := c.account(s.Account)
	return page.NewRow(s, c.cfg.Now(), a.Schedule.Location(), a.AgeLimitDays)
}

// with is the address of a list with some of its parameters changed; changing any leads to its first page.
func with(path string, q url.Values, pairs ...string) string {
	out := url.Values{}
	for _, k := range []string{"account", "state", "kind", "flag", "q", "message", "print", "sort", "desc"} {
		if v := q.Get(k); v != "" {
			out.Set(k, v)
		}
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if out.Del(pairs[i]); pairs[i+1] != "" {
			out.Set(pairs[i], pairs[i+1])
		}
	}
	if len(out) == 0 {
		return path
	}
	return path + "?" + out.Encode()
}

func chips(path string, q url.Values, l page.List) []page.Chip {
	var out []page.Chip
	add := func(name, value string, label page.Sentence) {
		if value != "" {
			out = append(out, page.Chip{Label: label, URL: with(path, q, name, "")})
		}
	}
	add("message", l.Filter.Message, page.Say("chip.message"))
	add("print", q.Get("print"), page.Say("chip.print"))
	add("account", l.Filter.Account, page.Say("chip.account", "v", l.Filter.Account))
	if s, ok := state(l.Filter.State); ok && !l.Deferred {
		add("state", string(s), page.Say("chip.state", "v", page.Say("state."+string(s))))
	}
	switch k := shipment.Kind(l.Filter.Kind); k {
	case shipment.Transient, shipment.Throttled, shipment.Rejected, shipment.Incomplete:
		add("kind", string(k), page.Say("chip.kind", "v", page.Say("kind."+string(k))))
	}
	if l.Filter.Flag {
		add("flag", "1", page.Say("chip.flag"))
	}
	add("q", l.Filter.Query, page.Say("chip.q", "v", l.Filter.Query))
	return out
}

// message finds a message the visitor may see, cleared ones included.
func (c *call) message(id string) (message.Message, error) {
	all, err := c.cfg.Book.All(c.ctx())
	if err != nil {
		return message.Message{}, err
	}
	for _, m := range all {
		if m.ID == id && (m.Account == "" || c.who.Sees(m.Account)) {
			return m, nil
		}
	}
	return message.Message{}, fault.New(fault.NotFound, "message %q is not known", id)
}

// bulk does one thing to all ticked shipments.
func (c *call) bulk() error {
	next := local(c.r.PostForm.Get("next"), "/orders")
	var keys []shipment.Key
	for _, text := range c.r.PostForm["key"] {
		k, err := shipment.ParseKey(text)
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "read the ticked rows")
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0:
		c.say(page.Warn, "flash.none_ticked")
		return c.to(next)
	case len(keys) > maxBulk:
		return fault.New(fault.Invalid, "more than %d rows are ticked", maxBulk)
	}
	f, err := c.act(c.r.PathValue("action"), keys)
	if err != nil {
		return err
	}
	c.tell(f)
	return c.to(next)
}

// act does what a button says to shipments and words the result. Mistakes of the visitor become part of it.
func (c *call) act(action string, keys []shipment.Key) (flash, error) {
	sel, comment := ops.Selection{Keys: keys}, c.r.PostForm.Get("comment")
	var b ops.Bulk
	var err error
	switch action {
	case "replay":
		b, err = c.cfg.Ops.Replay(c.ctx(), c.who, sel, comment, "")
	case "exclude":
		b, err = c.cfg.Ops.Exclude(c.ctx(), c.who, sel, comment)
	case "include":
		b, err = c.cfg.Ops.Include(c.ctx(), c.who, sel, comment)
	case "reported":
		b, err = c.cfg.Ops.Close(c.ctx(), c.who, sel, shipment.ByHand, comment)
	case "close":
		kind := shipment.Kind(c.r.PostForm.Get("kind"))
		if kind == "" {
			kind = shipment.ByOperator
		}
		b, err = c.cfg.Ops.Close(c.ctx(), c.who, sel, kind, comment)
	default:
		return flash{}, fault.New(fault.NotFound, "there is no action %q", action)
	}
	if err != nil && fault.Is(err, fault.Invalid) {
		return flash{Notices: []page.Notice{{Tone: page.Bad, Sentence: page.Say("flash.error", "text", c.words(err))}}}, nil
	}
	return c.outcome(action, b), err
}
