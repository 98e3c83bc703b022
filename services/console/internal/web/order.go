package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (c *call) key() (shipment.Key, error) {
	k, err := shipment.ParseKey(c.r.PathValue("connection") + "/" + c.r.PathValue("order") + "/" + c.r.PathValue("package"))
	if err != nil {
		return k, fault.Wrap(fault.NotFound, err, "find the shipment")
	}
	return k, nil
}

func (c *call) order() error {
	k, err := c.key()
	if err != nil {
		return err
	}
	o, err := c.orderPage(k)
	if err != nil {
		return err
	}
	return c.show(http.StatusOK, "order", o)
}

func (c *call) orderPage(k shipment.Key) (page.Order, error) {
	d, err := c.cfg.Ops.Shipment(c.ctx(), c.who, k)
	if err != nil {
		return page.Order{}, err
	}
	s := d.Shipment
	conn, a := c.account(s.Account)
	zone := a.Schedule.Location()
	at := page.Situation{Zone: zone, AgeDays: a.AgeLimitDays}
	if plans, err := c.cfg.Ops.Schedules(c.ctx(), c.who); err == nil {
		for _, p := range plans {
			if p.Account == s.Account && len(p.Next) > 0 {
				at.Next = p.Next[0]
			}
		}
	}
	f := c.frame()
	o := page.Order{Frame: f, Row: c.row(s), AccountName: title(a), ConnName: conn.Name, Explain: page.Explain(s, at), Field: page.BlamedField(s),
		Editable: page.Editable(f.Role, s), Actions: page.OrderActions(f.Role, s), Steps: page.Steps(d.History),
		Form: page.ShipForm{Carrier: s.Data.Carrier, Service: s.Data.Service, Tracking: s.Data.Tracking, ShippedAt: s.Data.ShippedAt.In(zone).Format(formTime), Items: page.Items(s.Data.Items), Label: string(s.Data.LabelSource)}}
	mapped, fits := a.Mapping.Map(s.Data.Carrier, s.Data.Service, "")
	if o.MappedRule = fits; s.Data.Carrier != "" {
		o.Mapped = &mapped
	}
	if f.Role.Acts() {
		o.MapURL = "/accounts?" + url.Values{"map": {string(s.Account)}, "carrier": {s.Data.Carrier}, "service": {s.Data.Service}}.Encode() + "#map"
	}
	for _, other := range d.Packages {
		if sib, err := c.cfg.Ops.Shipment(c.ctx(), c.who, other); err == nil && len(o.Packages) < maxPackages {
			o.Packages = append(o.Packages, c.row(sib.Shipment))
		}
	}
	return o, nil
}

// maxPackages bounds the other packages shown beside one.
const maxPackages = 20

// formTime is what a datetime-local field reads and writes, in the account's zone.
const formTime = "2006-01-02T15:04"

func (c *call) orderAction() error {
	k, err := c.key()
	if err != nil {
		return err
	}
	if c.r.PathValue("action") == "correct" {
		return c.correct(k)
	}
	f, err := c.act(c.r.PathValue("action"), []shipment.Key{k})
	if err != nil {
		return err
	}
	c.tell(f)
	return c.to(page.OrderURL(k))
}

// correct changes a shipment's data and, if asked to, has it sent at once. A mistake brings the form back as it was filled.
func (c *call) correct(k shipment.Key) error {
	form := c.shipForm()
	d, err := c.cfg.Ops.Shipment(c.ctx(), c.who, k)
	if err != nil {
		return err
	}
	_, a := c.account(d.Shipment.Account)
	change, problems := c.correction(form, d.Shipment, a.Schedule.Location())
	change.Sent = d.Shipment.State == shipment.Confirmed // the page has said what that means
	rest := ""
	if len(problems) == 0 {
		if _, err = c.cfg.Ops.Correct(c.ctx(), c.who, k, change, form.Comment); err != nil {
			if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Conflict) {
				return err
			}
			problems, rest = c.problems(err)
		}
	}
	if len(problems) > 0 || rest != "" {
		o, err := c.orderPage(k)
		if err != nil {
			return err
		}
		o.Form, o.Problems = form, problems
		if rest != "" {
			o.Notices = append(o.Notices, page.Notice{Tone: page.Bad, Sentence: page.Say("flash.error", "text", rest)})
		}
		return c.show(http.StatusUnprocessableEntity, "order", o)
	}
	if c.r.PostForm.Get("then") == "replay" {
		b, err := c.cfg.Ops.Replay(c.ctx(), c.who, ops.Selection{Keys: []shipment.Key{k}}, form.Comment, "")
		if err != nil {
			return err
		}
		if b.Done > 0 {
			c.say(page.Good, "flash.correct_send")
			return c.to(page.OrderURL(k))
		}
	}
	c.say(page.Good, "flash.correct")
	return c.to(page.OrderURL(k))
}

func (c *call) shipForm() page.ShipForm {
	v := func(name string) string { return trimmed(c.r.PostForm.Get(name)) }
	return page.ShipForm{Account: v("account"), Order: strings.ToUpper(v("order")), Package: v("package"), Carrier: v("carrier"), Service: v("service"),
		Tracking: v("tracking"), ShippedAt: v("shipped_at"), Items: v("items"), Reference: v("reference"), Label: v("label_source"), Comment: v("comment")}
}

// correction is what the form changes: only fields that differ are named, so that seconds and items nobody touched stay.
func (c *call) correction(form page.ShipForm, s shipment.Shipment, zone *time.Location) (ops.Correction, map[string]string) {
	var out ops.Correction
	problems := map[string]string{}
	for _, f := range []struct {
		to  **string
		new *string
		old string
	}{{&out.Carrier, &form.Carrier, s.Data.Carrier}, {&out.Service, &form.Service, s.Data.Service}, {&out.Tracking, &form.Tracking, s.Data.Tracking}} {
		if *f.new != f.old {
			*f.to = f.new
		}
	}
	if form.ShippedAt != s.Data.ShippedAt.In(zone).Format(formTime) {
		t, ok := shippedAt(form.ShippedAt, zone)
		if out.ShippedAt = &t; !ok {
			problems["shipped_at"] = c.plain("problem.shipped_at")
		}
	}
	if form.Items != page.Items(s.Data.Items) {
		in, ok := items(form.Items)
		if out.Items = &in; !ok {
			problems["items"] = c.plain("problem.items")
		}
	}
	if l := shipment.LabelSource(form.Label); l != "" && l != cmp.Or(s.Data.LabelSource, shipment.LabelUnknown) {
		out.Label = &l
	}
	if form.Comment == "" {
		problems["comment"] = c.plain("flash.comment")
	}
	if len(problems) == 0 && out == (ops.Correction{}) {
		problems["comment"] = c.plain("problem.nothing_new")
		if form.Comment != "" {
			problems = map[string]string{"carrier": c.plain("problem.nothing_new")}
		}
	}
	return out, problems
}

// shippedAt reads a date, or a date and time in the account's zone.
func shippedAt(text string, zone *time.Location) (event.Time, bool) {
	if t, err := event.ParseTime(text); err == nil {
		return t, true
	}
	for _, layout := range []string{formTime, formTime + ":05", "2006-01-02 15:04", "02.01.2006 15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return event.Time{Time: t}, true
		}
	}
	return event.Time{}, false
}

// items reads one item per line: its id and a quantity.
func items(text string) ([]shipment.Item, bool) {
	out := []shipment.Item{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 2 {
			return nil, false
		}
		n, err := strconv.Atoi(f[1])
		if err != nil || n < 1 {
			return nil, false
		}
		out = append(out, shipment.Item{OrderItemID: f[0], Quantity: n})
	}
	return out, true
}
