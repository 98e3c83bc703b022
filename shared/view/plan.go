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
	img    image
	docs   []any // field, value, …
	gone   []string
	cells  map[cellID]*cellChange
	sets   map[setID]*setChange
	orders map[string]int64 // by how much the number of the order's flagged shipments changes, by field
}

// cellChange is what happens to a cell: its sets in the order of sorts, and by how much its number changes.
type cellChange struct {
	sets [len(sorts)]setChange
	n    int64
}

// setChange is what happens to a sorted set.
type setChange struct {
	drop []any // members
	add  []any // score, member, …
}

func newPlan(img image) *plan {
	return &plan{img: img, cells: map[cellID]*cellChange{}, sets: map[setID]*setChange{}, orders: map[string]int64{}}
}

// put replaces old (nil: not in the view) by s as it stands at ledger entry seq.
func (p *plan) put(old *facts, seq uint64, s *shipment.Shipment) error {
	f := factsOf(seq, s)
	doc, err := encode(&f, *s)
	if err != nil {
		return err
	}
	p.place(old, &f, doc)
	return nil
}

// place replaces old by what f says, with its document.
func (p *plan) place(old, f *facts, doc any) {
	member := any(f.member)
	p.docs = append(p.docs, member, doc)
	p.enter(old, f, member)
	if old != nil {
		p.leave(old, f, member)
	}
	p.flag(old, f)
}

// remove takes old out of the view.
func (p *plan) remove(old *facts) {
	p.gone = append(p.gone, old.member)
	p.leave(old, nil, old.member)
	p.flag(old, nil)
}

// enter adds a shipment where it was not, or with another score.
func (p *plan) enter(old, f *facts, member any) {
	var was [3]cellID
	var before [len(sorts)]int64
	if old != nil {
		was, _ = old.cells()
		before = old.scores()
	}
	cells, n := f.cells()
	scores := f.scores()
	var boxed [len(sorts)]any
	for i, s := range scores {
		boxed[i] = s
	}
	for _, id := range cells[:n] {
		stays := old != nil && (id == was[0] || id == was[1] || id == was[2])
		if stays && scores == before {
			continue
		}
		c := p.cell(id)
		for i := range scores {
			if !stays || scores[i] != before[i] {
				c.sets[i].add = append(c.sets[i].add, boxed[i], member)
			}
		}
		if !stays {
			c.n++
		}
	}
	now, then := f.marks(old), [places]mark{}
	if old != nil {
		then = old.marks(f)
	}
	for i, m := range now {
		if m.member != "" && m != then[i] {
			s := p.set(m.set)
			s.add = append(s.add, m.score, m.member)
		}
	}
}

// leave takes a shipment away from where it is not any more; f nil: from everywhere.
func (p *plan) leave(old, f *facts, member any) {
	var stay [3]cellID
	var now [places]mark
	if f != nil {
		stay, _ = f.cells()
		now = f.marks(old)
	}
	cells, n := old.cells()
	for _, id := range cells[:n] {
		if f != nil && (id == stay[0] || id == stay[1] || id == stay[2]) {
			continue
		}
		c := p.cell(id)
		for i := range c.sets {
			c.sets[i].drop = append(c.sets[i].drop, member)
		}
		c.n--
	}
	for i, m := range old.marks(f) {
		if m.member != "" && (m.set != now[i].set || m.member != now[i].member) {
			s := p.set(m.set)
			s.drop = append(s.drop, m.member)
		}
	}
}

func (p *plan) cell(id cellID) *cellChange {
	c := p.cells[id]
	if c == nil {
		c = &cellChange{}
		p.cells[id] = c
	}
	return c
}

func (p *plan) set(id setID) *setChange {
	s := p.sets[id]
	if s == nil {
		s = &setChange{}
		p.sets[id] = s
	}
	return s
}

// flag notes a shipment that gets or loses the flag for its order's number.
func (p *plan) flag(old, f *facts) {
	was, is := old != nil && old.state.Flagged(), f != nil && f.state.Flagged()
	if was && is && old.account == f.account {
		return
	}
	if was {
		p.orders[old.orderField()]--
	}
	if is {
		p.orders[f.orderField()]++
	}
}

// tally is a value by field of a hash.
type tally map[string]int64

// totals are what the counters become.
type totals struct{ counts, prints, orders, flagged tally }

// settle reads what the counters stand at, in one round trip, and returns what they become. An order counts once
// however many of its packages have the flag.
func (p *plan) settle(ctx context.Context, c redis.Cmdable) (totals, error) {
	change := totals{counts: tally{}, prints: tally{}, orders: p.orders, flagged: tally{}}
	for id, n := range p.cells {
		if n.n != 0 {
			change.of(id)[id.String()] = n.n
		}
	}
	for f, n := range p.orders {
		if n != 0 {
			change.flagged[accountOf(f)] = 1
		}
	}
	pipe := c.Pipeline()
	counts := ask(ctx, pipe, p.img.counts(), change.counts)
	prints := ask(ctx, pipe, p.img.prints(), change.prints)
	orders := ask(ctx, pipe, p.img.orders(), change.orders)
	flagged := ask(ctx, pipe, p.img.flagged(), change.flagged)
	if pipe.Len() > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return totals{}, err
		}
	}
	t := totals{counts: counts(), prints: prints(), orders: orders(), flagged: flagged()}
	for f := range t.counts {
		t.counts[f] += change.counts[f]
	}
	for f := range t.prints {
		t.prints[f] += change.prints[f]
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

// of is where a cell is counted.
func (t totals) of(c cellID) tally {
	if c.print != "" {
		return t.prints
	}
	return t.counts
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

// write queues the commands of the plan but for the counters. Leaving comes before entering.
func (p *plan) write(ctx context.Context, c redis.Pipeliner) {
	if len(p.gone) > 0 {
		c.HDel(ctx, p.img.docs(), p.gone...)
	}
	if len(p.docs) > 0 {
		c.HSet(ctx, p.img.docs(), p.docs...)
	}
	for id, cell := range p.cells {
		name := id.String()
		for i := range cell.sets {
			cell.sets[i].write(ctx, c, p.img.key(cellSet(name, sorts[i])))
		}
	}
	for id, s := range p.sets {
		s.write(ctx, c, p.img.key(id.String()))
	}
}

func (s *setChange) write(ctx context.Context, c redis.Pipeliner, key string) {
	if len(s.drop) > 0 {
		c.ZRem(ctx, key, s.drop...)
	}
	if len(s.add) > 0 {
		c.Do(ctx, append([]any{"zadd", key}, s.add...)...)
	}
}

// write queues the commands that set the counters.
func (t totals) write(ctx context.Context, c redis.Pipeliner, img image) {
	set(ctx, c, img.counts(), t.counts)
	set(ctx, c, img.prints(), t.prints)
	set(ctx, c, img.orders(), t.orders)
	set(ctx, c, img.flagged(), t.flagged)
}

// set writes counters; those at zero are removed.
func set(ctx context.Context, c redis.Pipeliner, key string, values tally) {
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

// orderField names an order in the hash of orders.
func (f *facts) orderField() string {
	return string(f.account) + "|" + f.connection() + "/" + f.order()
}
