package view

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// plan collects what a batch of changes does to an image, grouped by key, so that a thousand shipments take some dozen
// commands.
type plan struct {
	img    image
	docs   []any // field, value, …
	gone   []string
	add    map[string][]redis.Z
	drop   map[string][]any
	counts map[string]int64
	prints map[string]int64
	orders map[flagged]int64
}

// flagged names an order that carries the flag.
type flagged struct {
	account shipment.AccountID
	order   string // "connection/order"
}

func (f flagged) field() string { return string(f.account) + "|" + f.order }

func newPlan(img image) *plan {
	return &plan{
		img: img, add: map[string][]redis.Z{}, drop: map[string][]any{},
		counts: map[string]int64{}, prints: map[string]int64{}, orders: map[flagged]int64{},
	}
}

// put replaces old (nil: not in the view) by it.
func (p *plan) put(old *Item, it Item) error {
	doc, err := encode(it)
	if err != nil {
		return err
	}
	p.docs = append(p.docs, it.Shipment.Key.String(), doc)
	want := marks(it.Shipment)
	if old != nil {
		for m, score := range marks(old.Shipment) {
			if now, stays := want[m]; !stays {
				p.drop[m.set] = append(p.drop[m.set], m.member)
			} else if now == score {
				delete(want, m)
			}
		}
		p.count(old.Shipment, -1)
	}
	for m, score := range want {
		p.add[m.set] = append(p.add[m.set], redis.Z{Score: float64(score), Member: m.member})
	}
	p.count(it.Shipment, 1)
	return nil
}

// remove takes old out of the view.
func (p *plan) remove(old Item) {
	p.gone = append(p.gone, old.Shipment.Key.String())
	for m := range marks(old.Shipment) {
		p.drop[m.set] = append(p.drop[m.set], m.member)
	}
	p.count(old.Shipment, -1)
}

func (p *plan) count(s shipment.Shipment, n int64) {
	for _, c := range cells(s) {
		if c.Fingerprint != "" {
			p.prints[cellKey(c)] += n
		} else {
			p.counts[cellKey(c)] += n
		}
	}
	if s.State.Flagged() {
		p.orders[flagged{s.Account, string(s.Connection) + "/" + s.Order}] += n
	}
}

// totals are the numbers that cannot be written as a difference: a field that reaches zero is removed, and an order
// counts once however many of its packages have the flag.
type totals struct {
	prints  map[string]int64
	orders  map[string]int64
	flagged map[shipment.AccountID]int64 // difference
}

// settle reads what the totals stand at, in one round trip, and returns what they become.
func (p *plan) settle(ctx context.Context, c redis.Cmdable) (totals, error) {
	t := totals{prints: map[string]int64{}, orders: map[string]int64{}, flagged: map[shipment.AccountID]int64{}}
	var prints, orders []string
	var of []flagged
	for f, n := range p.prints {
		if n != 0 {
			prints = append(prints, f)
		}
	}
	for o, n := range p.orders {
		if n != 0 {
			orders, of = append(orders, o.field()), append(of, o)
		}
	}
	if len(prints)+len(orders) == 0 {
		return t, nil
	}
	pipe := c.Pipeline()
	var wasPrints, wasOrders *redis.SliceCmd
	if len(prints) > 0 {
		wasPrints = pipe.HMGet(ctx, p.img.prints(), prints...)
	}
	if len(orders) > 0 {
		wasOrders = pipe.HMGet(ctx, p.img.orders(), orders...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return t, err
	}
	for i, f := range prints {
		t.prints[f] = number(wasPrints.Val()[i]) + p.prints[f]
	}
	for i, o := range of {
		before := number(wasOrders.Val()[i])
		after := before + p.orders[o]
		t.orders[o.field()] = after
		switch {
		case before <= 0 && after > 0:
			t.flagged[o.account]++
		case before > 0 && after <= 0:
			t.flagged[o.account]--
		}
	}
	return t, nil
}

func number(v any) int64 {
	s, _ := v.(string)
	n, _ := strconv.ParseInt(s, 10, 64) // a missing field counts as zero
	return n
}

// write queues the commands of the plan. Leaving comes before entering.
func (p *plan) write(ctx context.Context, c redis.Cmdable, t totals) {
	if len(p.gone) > 0 {
		c.HDel(ctx, p.img.docs(), p.gone...)
	}
	if len(p.docs) > 0 {
		c.HSet(ctx, p.img.docs(), p.docs...)
	}
	for set, members := range p.drop {
		c.ZRem(ctx, p.img.key(set), members...)
	}
	for set, members := range p.add {
		c.ZAdd(ctx, p.img.key(set), members...)
	}
	for f, n := range p.counts {
		if n != 0 {
			c.HIncrBy(ctx, p.img.counts(), f, n)
		}
	}
	setOrRemove(ctx, c, p.img.prints(), t.prints)
	setOrRemove(ctx, c, p.img.orders(), t.orders)
	for a, n := range t.flagged {
		if n != 0 {
			c.HIncrBy(ctx, p.img.flagged(), string(a), n)
		}
	}
}

func setOrRemove(ctx context.Context, c redis.Cmdable, key string, values map[string]int64) {
	var set []any
	var remove []string
	for f, n := range values {
		if n > 0 {
			set = append(set, f, n)
		} else {
			remove = append(remove, f)
		}
	}
	if len(set) > 0 {
		c.HSet(ctx, key, set...)
	}
	if len(remove) > 0 {
		c.HDel(ctx, key, remove...)
	}
}
