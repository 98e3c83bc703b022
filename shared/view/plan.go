package view

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// plan collects what a batch of changes does to an image, grouped by key, so that a thousand shipments take some dozen
// commands. Every command sets something to a value and none adds to one, because the client sends a pipeline again
// when its connection broke before the answer.
type plan struct {
	img  image
	docs []any // field, value, …
	gone []string
	add  map[string][]redis.Z
	drop map[string][]any
	// By how much the counters change, by field.
	counts, prints, orders tally
}

// tally is a difference, or a value, by field of a hash.
type tally map[string]int64

func newPlan(img image) *plan {
	return &plan{img: img, add: map[string][]redis.Z{}, drop: map[string][]any{}, counts: tally{}, prints: tally{}, orders: tally{}}
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
		p.orders[orderField(s)] += n
	}
}

// totals are what the counters become.
type totals struct{ counts, prints, orders, flagged tally }

// settle reads what the counters stand at, in one round trip, and returns what they become. An order counts once
// however many of its packages have the flag.
func (p *plan) settle(ctx context.Context, c redis.Cmdable) (totals, error) {
	accounts := tally{}
	for f := range p.orders {
		accounts[accountOf(f)] = 1
	}
	pipe := c.Pipeline()
	counts := ask(ctx, pipe, p.img.counts(), p.counts)
	prints := ask(ctx, pipe, p.img.prints(), p.prints)
	orders := ask(ctx, pipe, p.img.orders(), p.orders)
	flagged := ask(ctx, pipe, p.img.flagged(), accounts)
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return totals{}, err
		}
	}
	t := totals{counts: counts(), prints: prints(), orders: orders(), flagged: flagged()}
	for f := range t.counts {
		t.counts[f] += p.counts[f]
	}
	for f := range t.prints {
		t.prints[f] += p.prints[f]
	}
	for f, before := range t.orders {
		after := before + p.orders[f]
		t.orders[f] = after
		switch {
		case before <= 0 && after > 0:
			t.flagged[accountOf(f)]++
		case before > 0 && after <= 0:
			t.flagged[accountOf(f)]--
		}
	}
	return t, nil
}

// ask queues the question for the fields of a hash that change; the returned function reads the answer.
func ask(ctx context.Context, pipe redis.Pipeliner, key string, change tally) func() tally {
	var fields []string
	for f, n := range change {
		if n != 0 {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return func() tally { return tally{} }
	}
	cmd := pipe.HMGet(ctx, key, fields...)
	return func() tally {
		out := make(tally, len(fields))
		for i, v := range cmd.Val() {
			out[fields[i]] = number(v)
		}
		return out
	}
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
	set(ctx, c, p.img.counts(), t.counts)
	set(ctx, c, p.img.prints(), t.prints)
	set(ctx, c, p.img.orders(), t.orders)
	set(ctx, c, p.img.flagged(), t.flagged)
}

// set writes counters; those at zero are removed.
func set(ctx context.Context, c redis.Cmdable, key string, values tally) {
	var keep []any
	var remove []string
	for f, n := range values {
		if n > 0 {
			keep = append(keep, f, n)
		} else {
			remove = append(remove, f)
		}
	}
	if len(keep) > 0 {
		c.HSet(ctx, key, keep...)
	}
	if len(remove) > 0 {
		c.HDel(ctx, key, remove...)
	}
}
