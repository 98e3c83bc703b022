package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// fillAtOnce bounds how many shipments are looked at before the loop turns to what else has happened.
const fillAtOnce = 500

// fill prepares candidates until enough are ready or nothing is left to prepare. It reports whether it is to be called
// again at once.
func (x *execution) fill(ctx context.Context) (more bool, err error) {
	x.conn = x.w.Settings() // a mapping or a pause changed meanwhile holds from the next shipment on
	more = true
	for n := 0; more && n < fillAtOnce; n++ {
		if more = x.wanting(); !more {
			break
		}
		var c candidate
		if c, more, err = x.take(ctx); err != nil || !more {
			break
		}
		if err = x.prepare(ctx, c); err != nil {
			break
		}
	}
	if err != nil {
		return false, err
	}
	for len(x.parked) > 0 && x.resolving < maxResolving && x.waitReason == "" {
		x.resolve(ctx, x.parked[0])
		x.parked = x.parked[1:]
	}
	return more, nil
}

// wanting reports whether more candidates are wanted. Urgent work passes what is merely ready.
func (x *execution) wanting() bool {
	if x.noMore != "" {
		return false
	}
	return len(x.ready) < lookAhead || len(x.urgent) > 0 && len(x.ready) < 2*lookAhead
}

// take returns the next shipment: of who was asked for by name, else of all, accounts by turns; false when there is none.
func (x *execution) take(ctx context.Context) (candidate, bool, error) {
	for i := 0; i < len(x.urgent); {
		s := x.urgent[i]
		_, ok, err := s.peek(ctx, x.w.Queues)
		switch {
		case err != nil:
			return candidate{}, false, err
		case !ok:
			x.urgent = slices.Delete(x.urgent, i, i+1)
		case x.waits(ctx, s):
			i++
		default:
			it, ok, err := s.next(ctx, x.w.Queues)
			return candidate{Item: it, run: s.trigger.RunID, urgent: true, holds: s.holds}, ok, err
		}
	}
	return x.everybody(ctx)
}

// waits reports whether a source's next shipment would have to be parked and there is no room for it. Then the others go
// on without it: reading orders is slow, and not their fault.
func (x *execution) waits(ctx context.Context, s *source) bool {
	if len(x.parked) < maxParked || s.head.Shipment.State == shipment.Doubt {
		return false
	}
	account, _ := x.conn.Account(s.head.Shipment.Account)
	what, _ := x.label(ctx, candidate{Item: *s.head}, account)
	_, known := attempt.Items(s.head.Shipment)
	return what == plan.AskFirst || what == plan.Send && !known
}

// prepare takes a candidate as far as it goes without a permit: left out with a reason, deferred as incomplete, sent off
// to learn its items, or ready.
func (x *execution) prepare(ctx context.Context, c candidate) error {
	if why := x.barred(c); why != "" {
		x.leave(why)
		return nil
	}
	s, now := c.Shipment, x.w.Now()
	account, _ := x.conn.Account(s.Account)
	if at, ages := s.AgesAt(account.AgeLimit()); ages && !now.Before(at) {
		return x.expire(ctx, c)
	}
	if s.State == shipment.Doubt {
		return x.recorded(ctx, c)
	}
	switch what, why := x.label(ctx, c, account); what {
	case plan.NotOurs:
		return x.append(ctx, c, shipment.Event{Type: shipment.Found, To: shipment.NotRequired, Comment: why}, func(n *job.Counts) { n.NotRequired++ })
	case plan.AskFirst:
		x.parked = insert(x.parked, c)
		return nil
	}
	items, known := x.items(ctx, &c)
	if !known {
		x.parked = insert(x.parked, c)
		return nil
	}
	return x.compose(ctx, c, account, items)
}

// label says whether a shipment is ours to confirm. An edit of what Amazon has is.
func (x *execution) label(ctx context.Context, c candidate, a settings.Account) (plan.Label, string) {
	if c.Shipment.State == shipment.Confirmed {
		return plan.Send, ""
	}
	about := c.about
	if l := c.Shipment.Data.LabelSource; !about.Known && l != shipment.LabelOwn && l != shipment.LabelAmazon && x.w.Known != nil {
		about = x.w.Known.Label(ctx, c.Shipment.Key)
	}
	return plan.Labelled(c.Shipment, a, about)
}

// items are what the package holds, false while they have to be read at Amazon.
func (x *execution) items(ctx context.Context, c *candidate) ([]shipment.Item, bool) {
	items, known := attempt.Items(c.Shipment)
	if c.items != nil {
		return c.items, true
	}
	if !known && x.w.Known != nil && c.Shipment.Answer == nil { // after an answer only Amazon knows what is left to ship
		if items, known = x.w.Known.Items(ctx, c.Shipment.Key, x.w.Now()); known {
			c.items = items
		}
	}
	return items, known
}

// compose makes a candidate ready to be sent, or sets it back for what is missing.
func (x *execution) compose(ctx context.Context, c candidate, account settings.Account, items []shipment.Item) error {
	s, now := c.Shipment, x.w.Now()
	conf, err := attempt.Compose(s, account, x.w.Country(account.Marketplace), items, now)
	if err == nil {
		c.body, err = x.w.Encode(conf)
	}
	var missing *attempt.Incomplete
	if errors.As(err, &missing) && s.State == shipment.Confirmed { // an edit: what Amazon has stays as it is
		x.w.Logger.Warn("an edit cannot be sent", "shipment", s.Key, "field", missing.Field, "why", missing.Text)
		x.leave("edit incomplete")
		return nil
	}
	if errors.As(err, &missing) {
		return x.incomplete(ctx, c, missing)
	}
	if err != nil {
		return fmt.Errorf("compose confirmation of %s: %w", s.Key, err)
	}
	if x.conn.Mode == settings.ModeShadow {
		return x.shadow(ctx, c)
	}
	x.ready = insert(x.ready, c)
	return nil
}

// insert adds a candidate behind the others, an urgent one behind the other urgent ones.
func insert(list []candidate, c candidate) []candidate {
	if !c.urgent {
		return append(list, c)
	}
	return slices.Insert(list, len(list)-len(notUrgent(list)), c)
}

func notUrgent(list []candidate) []candidate {
	i := slices.IndexFunc(list, func(c candidate) bool { return !c.urgent })
	if i < 0 {
		return nil
	}
	return list[i:]
}

func (x *execution) leave(why string) {
	x.left[why]++
	x.done++
}

// recorded fetches the body a settled doubt was sent with: nothing else may follow it.
func (x *execution) recorded(ctx context.Context, c candidate) error {
	last, err := x.w.Ledger.Last(ctx, c.Shipment.Key)
	if err != nil {
		return err
	}
	if last.Seq != c.Seq || last.After.Attempt == nil {
		x.leave("changed")
		return nil
	}
	if x.conn.Mode == settings.ModeShadow {
		x.leave(leftShadow)
		return nil
	}
	c.Shipment, c.body = last.After, []byte(last.After.Attempt.Body)
	x.ready = insert(x.ready, c)
	return nil
}

func (x *execution) expire(ctx context.Context, c candidate) error {
	return x.append(ctx, c, shipment.Event{Type: shipment.Aged}, func(n *job.Counts) { n.Expired++ })
}

// incomplete defers what Amazon would refuse for a missing or unusable field, without a request.
func (x *execution) incomplete(ctx context.Context, c candidate, m *attempt.Incomplete) error {
	s := c.Shipment
	deferred := func(n *job.Counts) { n.Deferred++ }
	if s.State == shipment.Deferred && s.Kind == shipment.Incomplete && !s.Changed && s.Answer != nil && s.Answer.Field == m.Field {
		x.count(s.Account, deferred)
		x.dealt(s.Key)
		return nil // nothing has changed; another line in its history would say nothing new
	}
	return x.append(ctx, c, shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Incomplete, Comment: m.Error(),
		Print: "incomplete:" + m.Field, Answer: &shipment.Answer{At: x.w.Now(), Message: m.Error(), Rule: "incomplete", Field: m.Field}}, deferred)
}

// dealt notes that the run has done with a shipment what it could.
func (x *execution) dealt(k shipment.Key) {
	x.done++
	x.past.seen[k] = struct{}{}
}

// append writes an event on top of what the view showed and counts it; whoever was faster is right.
func (x *execution) append(ctx context.Context, c candidate, ev shipment.Event, add func(*job.Counts)) error {
	ev.ID, ev.At, ev.Actor, ev.Run = newID(), x.w.Now(), x.w.Actor, c.run
	_, err := x.w.Ledger.Step(ctx, shipment.Entry{Seq: c.Seq, After: c.Shipment}, ev)
	var lost *ledger.LostRace
	var refused *shipment.Refusal
	switch {
	case err == nil:
		x.count(c.Shipment.Account, add)
		x.dealt(c.Shipment.Key)
	case errors.As(err, &lost):
		return x.overtaken(ctx, c, lost.Current)
	case errors.As(err, &refused):
		return x.overtaken(ctx, c, shipment.Entry{})
	default:
		return err
	}
	return nil
}

// maxChanges is how often a shipment that others keep changing is prepared anew in one run.
const maxChanges = 3

// overtaken goes on with a shipment that somebody changed after the view had shown it: with the change, if it still waits
// to be sent and this run has not sent it.
func (x *execution) overtaken(ctx context.Context, c candidate, current shipment.Entry) error {
	s := current.After
	if c.changes >= maxChanges || x.noMore != "" || !s.Sendable() || x.past.has(s) {
		x.log.Counts.Skipped++
		x.done++
		return nil
	}
	c.changes++
	c.Item, c.body, c.items, c.about = Item{current.Seq, s}, nil, nil, plan.About{}
	return x.prepare(ctx, c)
}

// resolution is what was learned about a shipment whose sender gave no items.
type resolution struct {
	c     candidate
	order plan.Order
	known bool
	err   error
}

// resolve asks Amazon for the order in the background; others go on meanwhile.
func (x *execution) resolve(ctx context.Context, c candidate) {
	x.resolving++
	go func() { // bounded by ctx and the read's own deadline; the loop waits for it
		o, known, err := x.w.Amazon.Read(ctx, c.Shipment.Order)
		x.resolved <- resolution{c, o, known, err}
	}()
}

// maxReads is how often an order is read in vain before its shipment is left for the next run.
const maxReads = 4

// learned goes on with a shipment whose order was read.
func (x *execution) learned(ctx context.Context, r resolution) error {
	c := r.c
	switch {
	case r.err != nil:
		x.parked = insert(x.parked, c)
		x.refused(ctx, r.err)
	case x.noMore != "":
	case !r.known && c.reads+1 >= maxReads:
		x.leave("order not readable")
		return nil
	case !r.known:
		c.reads++
		x.parked = insert(x.parked, c)
	default:
		return x.apply(ctx, c, r.order)
	}
	if x.noMore != "" {
		x.unsent = append(x.unsent, c.Shipment.Key)
		x.parked = nil
	}
	return nil
}

// apply goes on with what Amazon shows of the order.
func (x *execution) apply(ctx context.Context, c candidate, o plan.Order) error {
	if !o.Found {
		const text = "Amazon does not know the order"
		return x.append(ctx, c, shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Rejected, Comment: text,
			Print: "order-unknown", Answer: &shipment.Answer{At: x.w.Now(), Message: text, Rule: "order-unknown", Field: "order"}},
			func(n *job.Counts) { n.Deferred++ })
	}
	if f := plan.Facts(c.Shipment, o); f.To != "" {
		return x.append(ctx, c, shipment.Event{Type: shipment.Found, To: f.To, Kind: f.Kind, Comment: f.Text},
			func(n *job.Counts) { tally(n, f.To) })
	}
	if o.Status == "PENDING" || o.Status == "PENDING_AVAILABILITY" {
		x.leave("not yet released by Amazon")
		return nil
	}
	c.about = plan.About{Known: true, Asked: true, Programs: o.Programs, ServiceLevel: o.ServiceLevel}
	if _, given := attempt.Items(c.Shipment); !given {
		if c.items = plan.WholeOrder(o); c.items == nil {
			c.items = []shipment.Item{}
		}
	}
	return x.prepare(ctx, c)
}
