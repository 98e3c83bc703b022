package web

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// ship draws the form; what the last report led to stands above it.
func (c *call) ship() error {
	q := c.r.URL.Query()
	told := c.peek()
	s := c.shipPage(page.ShipForm{Account: q.Get("account"), Order: q.Get("order"), Carrier: q.Get("carrier"), Service: q.Get("service")})
	s.Result = told.Verdict
	_, a := c.account(shipment.AccountID(s.Form.Account))
	s.Form.ShippedAt = c.cfg.Now().In(a.Schedule.Location()).Format(formTime)
	return c.show(http.StatusOK, "ship", s)
}

// peek reads the flash; the frame takes it away afterwards.
func (c *call) peek() flash {
	if c.r.Header.Get("X-Live") != "" {
		return flash{}
	}
	return c.take()
}

func (c *call) shipPage(form page.ShipForm) page.Ship {
	s := page.Ship{Frame: c.frame(), Form: form, Op: uuid.NewString()}
	if s.Form.Account == "" {
		for _, a := range c.visible() {
			s.Form.Account = string(a.ID)
			break
		}
	}
	s.Accounts = c.options(s.Form.Account)
	switch {
	case !s.Role.Acts():
		s.Why = page.Say("why.viewer")
	case len(s.Accounts) == 0:
		s.Why = page.Say("why.no_accounts")
	}
	return s
}

// report marks an order as shipped. The form's own id makes a form sent twice one report.
func (c *call) report() error {
	form := c.shipForm()
	_, a := c.account(shipment.AccountID(form.Account))
	at, okTime := shippedAt(form.ShippedAt, a.Schedule.Location())
	in, okItems := items(form.Items)
	problems := map[string]string{}
	for name, ok := range map[string]bool{"shipped_at": okTime, "items": okItems, "order": shipment.ValidOrder(form.Order),
		"package": form.Package == "" || shipment.ValidPackage(form.Package), "account": form.Account != ""} {
		if !ok {
			problems[name] = c.plain("problem." + name)
		}
	}
	if len(problems) > 0 {
		return c.refuse(form, problems, nil)
	}
	pkg := form.Package
	if pkg == "" {
		pkg = "1"
	}
	data := event.Shipped{Account: form.Account, Order: form.Order, Package: pkg, ShippedAt: at, Carrier: form.Carrier, Service: form.Service,
		Tracking: form.Tracking, Items: in, Reference: form.Reference, Source: "hand"}
	id := c.r.PostForm.Get("op")
	if uuid.Validate(id) != nil {
		id = ""
	}
	verdicts, err := c.cfg.Ops.Report(c.ctx(), c.who, []ops.Reported{{ID: id, Data: data}})
	if err != nil {
		return err
	}
	return c.verdict(form, verdicts[0], a.AgeLimitDays)
}

func (c *call) verdict(form page.ShipForm, v door.Verdict, days int) error {
	fields, rest := c.sorted(v.Problems)
	shown := page.Verdict{Result: string(v.Result), Order: form.Order, State: v.State, Days: days, Texts: rest}
	if v.Key.Order != "" && (v.Result.Taken() || v.State != "") {
		shown.URL = page.OrderURL(v.Key)
	}
	if v.Result == door.Refused {
		return c.refuse(form, fields, &shown)
	}
	for _, w := range v.Warnings {
		shown.Texts = append(shown.Texts, c.phrase(formField(w.Field), w.Text))
	}
	for _, d := range v.Changes {
		shown.Changes = append(shown.Changes, shipment.Change{Field: d.Field, Old: clip(d.Old, 120), New: clip(d.New, 120)})
	}
	if v.Result == door.Accepted {
		c.arrived(v.Key)
	}
	c.tell(flash{Verdict: &shown})
	return c.to(with("/ship", map[string][]string{"account": {form.Account}}))
}

// arriveWithin bounds how long a taken report's answer waits for the lists to show the shipment.
const arriveWithin = 2 * time.Second

// arrived waits until the lists show a shipment that was just taken, so that the link in the answer leads somewhere.
// When that takes longer the report stands all the same.
func (c *call) arrived(k shipment.Key) {
	ctx, cancel := context.WithTimeout(c.ctx(), arriveWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := c.cfg.Ops.Shipment(ctx, c.who, k); !fault.Is(err, fault.NotFound) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// refuse brings the form back as it was filled, with what is wrong beside each field.
func (c *call) refuse(form page.ShipForm, problems map[string]string, v *page.Verdict) error {
	s := c.shipPage(form)
	s.Problems, s.Result = problems, v
	return c.show(http.StatusUnprocessableEntity, "ship", s)
}
