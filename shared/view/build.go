package view

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	chunk   = 6000 // how many shipments a rebuild writes at once: few commands with much in them, each of some milliseconds
	writers = 3    // how many such writes are under way at once
)

// piece is a shipment on its way into the image: with its entry decoded, or as a document.
type piece struct {
	seq uint64
	s   *shipment.Shipment
	doc string
}

// builder fills an image nobody reads yet. Documents and sets are written side by side while the feed goes on; the
// counters, which nobody else changes meanwhile, are kept here and written last.
type builder struct {
	v    *View
	ctx  context.Context
	now  time.Time
	img  image
	last uint64
	buf  []piece

	hash    hasher
	seen    map[orderID]struct{} // shipments written so far
	flagged map[orderID]int64    // orders with the flag -> how many of their shipments have it
	fields  tally                // what differs from the 1 that a write leaves in the hash of orders
	counts  map[cellID]int64
	orders  tally // account -> orders with the flag

	work chan []piece
	stop context.CancelCauseFunc
	busy sync.WaitGroup // chunks handed over and not yet written
	done sync.WaitGroup // the writers
}

func newBuilder(ctx context.Context, v *View, img image, now time.Time) *builder {
	b := &builder{v: v, now: now, img: img, hash: newHasher(), seen: map[orderID]struct{}{}, flagged: map[orderID]int64{}, fields: tally{},
		counts: map[cellID]int64{}, orders: tally{}, work: make(chan []piece)}
	b.ctx, b.stop = context.WithCancelCause(ctx)
	for range writers {
		b.done.Go(func() {
			for pieces := range b.work {
				if err := b.write(pieces); err != nil {
					b.stop(err)
				}
				b.busy.Done()
			}
		})
	}
	return b
}

// close ends the writers.
func (b *builder) close() {
	close(b.work)
	b.done.Wait()
	b.stop(nil)
}

// visit collects entries and hands them to a writer when there are enough. A shipment that comes again needs what was
// written of it taken back first.
func (b *builder) visit(e shipment.Entry) error {
	b.last = max(b.last, e.Seq)
	f := factsOf(e.Seq, &e.After)
	if _, again := b.seen[b.hash.sum(f.member)]; again {
		return b.again(e)
	}
	return b.take(&f, piece{seq: e.Seq, s: &e.After})
}

// take collects a shipment that is not in the image yet.
func (b *builder) take(f *facts, p piece) error {
	if b.v.outlived(f.state, f.since, b.now) {
		return nil
	}
	b.seen[b.hash.sum(f.member)] = struct{}{}
	b.count(nil, f)
	b.buf = append(b.buf, p)
	if len(b.buf) >= chunk {
		return b.flush()
	}
	return nil
}

// count changes the counters as the shipment's move from old to f does; either may be nil.
func (b *builder) count(old, f *facts) {
	for _, c := range [...]struct {
		f *facts
		n int64
	}{{old, -1}, {f, 1}} {
		if c.f == nil {
			continue
		}
		cells, n := c.f.cells()
		for _, id := range cells[:n] {
			b.counts[id] += c.n
		}
		if c.f.state.Flagged() {
			b.flag(c.f.orderField(), c.n)
		}
	}
}

func (b *builder) flag(field string, by int64) {
	id := b.hash.sum(field)
	before := b.flagged[id]
	after := before + by
	if after == 0 {
		delete(b.flagged, id)
	} else {
		b.flagged[id] = after
	}
	switch {
	case before == 0:
		b.orders[accountOf(field)]++
	case after == 0:
		b.orders[accountOf(field)]--
	}
	if _, known := b.fields[field]; known || before != 0 {
		b.fields[field] = after
	}
}

// flush hands what was collected to a writer.
func (b *builder) flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	b.busy.Add(1)
	select {
	case b.work <- b.buf:
		b.buf = make([]piece, 0, chunk)
		return nil
	case <-b.ctx.Done():
		b.busy.Done()
		return context.Cause(b.ctx)
	}
}

// settled waits until everything handed over is written.
func (b *builder) settled() error {
	if err := b.flush(); err != nil {
		return err
	}
	b.busy.Wait()
	return context.Cause(b.ctx)
}

// write puts shipments into the image that are not there yet.
func (b *builder) write(pieces []piece) error {
	if b.ctx.Err() != nil {
		return nil
	}
	p := newPlan(b.img)
	for _, it := range pieces {
		if it.s != nil {
			if err := p.put(nil, it.seq, it.s); err != nil {
				return err
			}
			continue
		}
		f, _, err := glance(it.doc)
		if err != nil {
			return err
		}
		p.place(nil, &f, it.doc)
	}
	orders := make(tally, len(p.orders))
	for field := range p.orders {
		orders[field] = 1
	}
	pipe := b.v.client.Pipeline()
	p.write(b.ctx, pipe)
	set(b.ctx, pipe, b.img.orders(), orders)
	return b.exec(pipe)
}

func (b *builder) exec(pipe redis.Pipeliner) error {
	if _, err := pipe.Exec(b.ctx); err != nil {
		return unavailable(err, "write the rebuilt view")
	}
	return nil
}

// again replaces a shipment that is in the image already. It happens to the few that change while the feed reads.
func (b *builder) again(e shipment.Entry) error {
	if err := b.settled(); err != nil {
		return err
	}
	pipe := b.v.client.Pipeline()
	stands := standing(b.ctx, pipe, b.img, []string{e.After.Key.String()})
	if err := b.exec(pipe); err != nil {
		return err
	}
	olds, err := stands()
	if err != nil {
		return err
	}
	old := olds[0]
	if old != nil && old.seq >= e.Seq {
		return nil
	}
	p := newPlan(b.img)
	if err := p.put(old, e.Seq, &e.After); err != nil {
		return err
	}
	f := factsOf(e.Seq, &e.After)
	b.count(old, &f)
	b.fields[f.orderField()] = b.flagged[b.hash.sum(f.orderField())]
	pipe = b.v.client.Pipeline()
	p.write(b.ctx, pipe)
	return b.exec(pipe)
}

// finish writes what is left and the counters.
func (b *builder) finish() error {
	if err := b.settled(); err != nil {
		return err
	}
	t := totals{counts: tally{}, prints: tally{}, orders: b.fields, flagged: b.orders}
	for id, n := range b.counts {
		t.of(id)[id.String()] = n
	}
	pipe := b.v.client.Pipeline()
	t.write(b.ctx, pipe, b.img)
	if pipe.Len() == 0 {
		return nil
	}
	return b.exec(pipe)
}
