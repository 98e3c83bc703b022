package intake

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// parcel is a message with events that are still to be settled. It is acknowledged with the last of them, or delivered
// again when one of them has to wait: the others are known then.
type parcel struct {
	Message
	events int
	open   atomic.Int32
	waits  atomic.Bool
}

func (p *parcel) done() error {
	if p.open.Add(-1) > 0 {
		return nil
	}
	if p.waits.Load() {
		return p.Later(heldLater)
	}
	return p.Ack()
}

func (p *parcel) postpone() error {
	p.waits.Store(true)
	return p.done()
}

// reading is an event of a message, or what is wrong with it.
type reading struct {
	p   *parcel
	n   int // its place in the message, from 0
	e   event.Event
	err error
	key shipment.Key // zero where nothing can be told
}

// place is where the original stands in the inbox.
func (r reading) place() string {
	if r.p.events == 1 {
		return fmt.Sprintf("FERTIG_SHIPPED/%d", r.p.Position())
	}
	return fmt.Sprintf("FERTIG_SHIPPED/%d/%d", r.p.Position(), r.n+1)
}

// chunks calls do with the events of messages, about a batch at a time and never parting those of a message.
func chunks(msgs []Message, do func([]reading) error) error {
	var chunk []reading
	for _, m := range msgs {
		events := event.DecodeAll(m.Data())
		if len(chunk) > 0 && len(chunk)+len(events) > batch {
			if err := do(chunk); err != nil {
				return err
			}
			chunk = nil
		}
		p := &parcel{Message: m, events: len(events)}
		p.open.Store(int32(len(events)))
		for n, d := range events {
			chunk = append(chunk, reading{p: p, n: n, e: d.Event, err: d.Err})
		}
	}
	if len(chunk) == 0 {
		return nil
	}
	return do(chunk)
}

// work is a judged batch: first reports, which are appended together, and the rest in its order.
type work struct {
	firsts []reading
	drafts []ledger.Draft // one for each of firsts
	rest   []reading

	drafted map[shipment.Key]bool // shipments of firsts
	held    map[shipment.Key]bool // orders of rest: what else is about one of them must come after
	beside  door.Neighbours

	settled atomic.Bool
}

func orderOf(k shipment.Key) shipment.Key {
	return shipment.Key{Connection: k.Connection, Order: k.Order}
}

// hold puts an event behind those that have to be settled one by one.
func (w *work) hold(r reading) {
	w.rest = append(w.rest, r)
	if r.key != (shipment.Key{}) {
		w.held[orderOf(r.key)] = true
	}
}

// after reports whether something about the shipment, or about its order as a whole, is to be settled first.
func (w *work) after(k shipment.Key) bool {
	return w != nil && (w.drafted[k] || w.held[orderOf(k)])
}

// judgeAll says what is to be done with a batch while the one before may still be on its way into the ledger. Nothing is
// decided here on top of an entry but that an event is known: what the ledger held a moment ago, it has held.
func (i *Intake) judgeAll(ctx context.Context, events []reading, before *work) (*work, error) {
	if before != nil && before.settled.Load() {
		before = nil
	}
	set, now := i.Settings(), i.Now()
	keys := make([]shipment.Key, 0, len(events))
	for n := range events {
		r := &events[n]
		if r.err != nil {
			continue
		}
		if k, err := door.KeyOf(set, r.e); err == nil {
			r.key, keys = k, append(keys, k)
		}
	}
	known, err := i.Ledger.Orders(ctx, keys)
	if err != nil {
		return nil, err
	}
	packages := door.ByOrder(known)
	shipBy := i.deadlines(ctx, events)
	w := &work{drafted: make(map[shipment.Key]bool, len(events)), held: map[shipment.Key]bool{}, beside: door.Neighbours{}}
	for _, r := range events {
		if r.key == (shipment.Key{}) || w.after(r.key) || before.after(r.key) {
			w.hold(r)
			continue
		}
		last, others := packages.Around(r.key)
		v, ev := door.Judge(set, now, r.e, last)
		if v.Result == door.AlreadyKnown {
			i.known.Add(1)
			if err := r.p.done(); err != nil {
				return nil, err
			}
			continue
		}
		others = append(others, w.beside.Of(r.key)...)
		if before != nil {
			others = append(others, before.beside.Of(r.key)...)
		}
		if !v.Result.First() || !door.Beside(v, r.e, others).Result.First() {
			w.hold(r)
			continue
		}
		learned(&ev, shipBy[orderOf(r.key)])
		entry, err := shipment.Record(shipment.Shipment{}, ev)
		if err != nil {
			return nil, fmt.Errorf("record report %s: %w", r.e.ID, err)
		}
		w.drafted[r.key] = true
		w.beside.Add(v, r.e)
		w.firsts, w.drafts = append(w.firsts, r), append(w.drafts, ledger.Draft{Entry: entry})
	}
	return w, nil
}

// learned adds to a first report the ship-by that its sender has not told.
func learned(ev *shipment.Event, by time.Time) {
	if ev.Data != nil && ev.Data.ShipBy.IsZero() && !by.IsZero() {
		ev.Data.ShipBy, ev.Data.ShipByFrom = by, orders.FromAmazon
	}
}

// deadlines looks up the ship-by dates that senders have not told.
func (i *Intake) deadlines(ctx context.Context, events []reading) map[shipment.Key]time.Time {
	if i.ShipBy == nil {
		return nil
	}
	var keys []shipment.Key
	for _, r := range events {
		if r.key != (shipment.Key{}) && r.e.Data.ShipBy == nil {
			keys = append(keys, orderOf(r.key))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return i.ShipBy(ctx, keys)
}

// settle appends the first reports and then decides about the rest, losers of the first before what came later.
func (i *Intake) settle(ctx context.Context, w *work) error {
	var again []reading
	var failed error
	for n, res := range i.Ledger.AppendAll(ctx, w.drafts) {
		var lost *ledger.LostRace
		switch r := w.firsts[n]; {
		case res.Err == nil:
			i.accepted.Add(1)
			if err := r.p.done(); err != nil {
				failed = err
			}
		case errors.As(res.Err, &lost):
			again = append(again, r)
		default:
			failed = fmt.Errorf("take in %s: %w", r.e.ID, res.Err)
		}
	}
	if failed != nil {
		return failed
	}
	return i.oneByOne(ctx, append(again, w.rest...))
}

// oneByOne settles events in their order as far as they are about the same order, and many orders side by side, so that
// their appends can share batches.
func (i *Intake) oneByOne(ctx context.Context, events []reading) error {
	var lines [][]reading
	of := map[shipment.Key]int{}
	for _, r := range events {
		n, known := of[orderOf(r.key)]
		if r.key == (shipment.Key{}) || !known {
			n = len(lines)
			lines = append(lines, nil)
			of[orderOf(r.key)] = n
		}
		lines[n] = append(lines[n], r)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(abreast, len(lines)) {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < int64(len(lines)) && ctx.Err() == nil; n = next.Add(1) - 1 {
				for _, r := range lines[n] {
					if err := i.single(ctx, r); err != nil {
						cancel(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// single decides about one event on top of what the ledger's leader holds.
func (i *Intake) single(ctx context.Context, r reading) error {
	if r.err != nil {
		return i.refuse(ctx, r, door.Problems(r.err))
	}
	key, err := door.KeyOf(i.Settings(), r.e)
	if err != nil {
		if _, _, known := i.Settings().Account(shipment.AccountID(r.e.Data.Account)); !known && i.Now().Before(r.p.Stored().Add(unknownFor)) && i.unknown.take(i.Now()) {
			i.later.Add(1)
			return r.p.postpone()
		}
		return i.refuse(ctx, r, door.Problems(err))
	}
	last, err := i.Ledger.Last(ctx, key)
	if err != nil {
		return err
	}
	return i.judge(ctx, r, last)
}
