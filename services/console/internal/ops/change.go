package ops

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Selection names shipments: by their keys, or by a filter over what is there now. Exactly one of the two.
type Selection struct {
	Keys   []shipment.Key
	Filter *Filter
}

// MaxSelected bounds the shipments of one operation.
const MaxSelected = 20_000

// Item is what became of one shipment of an operation: its state now, or Err and nothing was changed.
type Item struct {
	Key   shipment.Key
	State shipment.State
	Err   error
}

// Bulk is the answer to an operation on many shipments, in the order they were named.
type Bulk struct {
	Items  []Item
	Done   int
	Failed int
	Runs   []string // runs asked for (Replay)
}

// Replay puts shipments in the queue again, waives their age limit and asks for runs of exactly these. op is an id of the
// caller's choice: repeated with the same one, no second run is started; it may be empty.
func (o *Ops) Replay(ctx context.Context, a Actor, sel Selection, comment, op string) (Bulk, error) {
	b, why, err := o.bulk(ctx, a, sel, comment, func(last shipment.Entry) (shipment.Event, error) {
		if last.After.Edited() { // Amazon has it; what waits is the edit
			return shipment.Event{Type: shipment.Noted}, nil
		}
		return shipment.Event{Type: shipment.Requeued, Waiver: true}, nil
	})
	if err != nil || b.Done == 0 {
		return b, err
	}
	b.Runs, err = o.send(ctx, a, b.succeeded(), why, op)
	return b, err
}

// send asks for runs of named shipments, one per connection and MaxKeys.
func (o *Ops) send(ctx context.Context, a Actor, keys []shipment.Key, why, op string) ([]string, error) {
	var order []shipment.ConnectionID
	by := map[shipment.ConnectionID][]shipment.Key{}
	for _, k := range keys {
		if by[k.Connection] == nil {
			order = append(order, k.Connection)
		}
		by[k.Connection] = append(by[k.Connection], k)
	}
	var runs []string
	for _, c := range order {
		for n, rest := 0, by[c]; len(rest) > 0; n++ {
			part := rest[:min(len(rest), job.MaxKeys)]
			rest = rest[len(part):]
			t := job.Trigger{RunID: o.runID(a, op, c, strconv.Itoa(n)), Connection: c, Kind: job.Replay, Scope: job.Named, Keys: part,
				OpID: op, Actor: a.Name, Reason: why, At: o.now()}
			if _, err := o.cfg.Board.Ask(ctx, t); err != nil {
				return runs, fmt.Errorf("shipments are queued, but the run is not: send them again: %w", err)
			}
			runs = append(runs, t.RunID)
		}
	}
	return runs, nil
}

// Exclude takes shipments out of automatic transmission; Include undoes it.
func (o *Ops) Exclude(ctx context.Context, a Actor, sel Selection, comment string) (Bulk, error) {
	b, _, err := o.bulk(ctx, a, sel, comment, func(shipment.Entry) (shipment.Event, error) {
		return shipment.Event{Type: shipment.Exclude}, nil
	})
	return b, err
}

// Include takes excluded shipments back in. They wait where they had waited, and an unanswered request stays a doubt.
func (o *Ops) Include(ctx context.Context, a Actor, sel Selection, comment string) (Bulk, error) {
	b, _, err := o.bulk(ctx, a, sel, comment, func(shipment.Entry) (shipment.Event, error) {
		return shipment.Event{Type: shipment.Include}, nil
	})
	return b, err
}

// Close ends shipments without transmission: cancelled, returned, withdrawn, by the operator, or reported by hand.
func (o *Ops) Close(ctx context.Context, a Actor, sel Selection, kind shipment.Kind, comment string) (Bulk, error) {
	switch kind {
	case shipment.Cancelled, shipment.Returned, shipment.Withdrawn, shipment.ByOperator, shipment.ByHand:
	default:
		return Bulk{}, Advise(fault.Field("kind", "%q is not a reason to close a shipment", kind), "use cancelled, returned, withdrawn, operator or by_hand")
	}
	b, _, err := o.bulk(ctx, a, sel, comment, func(shipment.Entry) (shipment.Event, error) {
		return shipment.Event{Type: shipment.CloseEvent, Kind: kind}, nil
	})
	return b, err
}

// decider chooses the event for a shipment that the actor may touch.
type decider func(last shipment.Entry) (shipment.Event, error)

func (o *Ops) bulk(ctx context.Context, a Actor, sel Selection, comment string, decide decider) (Bulk, string, error) {
	if err := a.need(Operator); err != nil {
		return Bulk{}, "", err
	}
	why, err := reason(comment)
	if err != nil {
		return Bulk{}, "", err
	}
	keys, err := o.selected(ctx, a, sel)
	if err != nil {
		return Bulk{}, "", err
	}
	items, err := o.each(ctx, a, keys, why, decide)
	b := Bulk{Items: items}
	for _, it := range items {
		if it.Err == nil {
			b.Done++
		} else {
			b.Failed++
		}
	}
	return b, why, err
}

func (b Bulk) succeeded() []shipment.Key {
	var out []shipment.Key
	for _, it := range b.Items {
		if it.Err == nil {
			out = append(out, it.Key)
		}
	}
	return out
}

// selected resolves a selection to distinct keys.
func (o *Ops) selected(ctx context.Context, a Actor, sel Selection) ([]shipment.Key, error) {
	if (len(sel.Keys) == 0) == (sel.Filter == nil) {
		return nil, Advise(fault.Field("keys", "or a filter is needed, not both"), "name shipments, or say which to select")
	}
	var out []shipment.Key
	seen := map[shipment.Key]bool{}
	add := func(k shipment.Key) {
		if !seen[k] {
			seen[k], out = true, append(out, k)
		}
	}
	for _, k := range sel.Keys {
		add(k)
	}
	for after := ""; sel.Filter != nil; {
		page, err := o.Shipments(ctx, a, *sel.Filter, Paging{After: after, Limit: MaxPage})
		if err != nil {
			return nil, err
		}
		for _, s := range page.Items {
			add(s.Key)
		}
		if after = page.Next; after == "" || len(out) > MaxSelected {
			break
		}
	}
	if len(out) > MaxSelected {
		return nil, Advise(fault.Field("keys", "more than %d shipments are selected", MaxSelected), "narrow the selection and repeat it for the rest")
	}
	return out, nil
}

// each changes every shipment by its own compare-and-set. All are read and appended together first; what that could not
// settle (a lost race, a reading that was behind) is decided again one by one on what the leader has.
func (o *Ops) each(ctx context.Context, a Actor, keys []shipment.Key, why string, decide decider) ([]Item, error) {
	known, err := o.cfg.Ledger.LastMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read shipments: %w", err)
	}
	items, ids := make([]Item, len(keys)), make([]string, len(keys))
	var drafts []ledger.Draft
	var drafted, again []int
	for i, k := range keys {
		items[i].Key, ids[i] = k, o.cfg.NewID()
		last := known[k]
		ev, err := o.decide(a, k, ids[i], why, last, decide)
		if err != nil {
			again = append(again, i)
			continue
		}
		entry, err := shipment.Record(last.After, ev)
		if err != nil {
			again = append(again, i)
			continue
		}
		drafts, drafted = append(drafts, ledger.Draft{Expected: last.Seq, Entry: entry}), append(drafted, i)
	}
	for j, r := range o.cfg.Ledger.AppendAll(ctx, drafts) {
		if r.Err != nil {
			again = append(again, drafted[j])
			continue
		}
		items[drafted[j]].State = r.Entry.After.State
	}
	o.oneByOne(ctx, again, func(i int) {
		items[i].State, items[i].Err = o.change(ctx, a, items[i].Key, ids[i], why, decide)
	})
	return items, nil
}

// oneByOne calls do for each index, a few at a time, and returns when all have ended.
func (o *Ops) oneByOne(ctx context.Context, indexes []int, do func(i int)) {
	slots := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for _, i := range indexes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	wg.Wait()
}

// change decides on what the ledger's leader has. A change that is already there under its id is done.
func (o *Ops) change(ctx context.Context, a Actor, k shipment.Key, id, why string, decide decider) (shipment.State, error) {
	entry, err := o.cfg.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
		if last.ID == id {
			return shipment.Event{}, nil
		}
		return o.decide(a, k, id, why, last, decide)
	})
	var r *shipment.Refusal
	if errors.As(err, &r) {
		return r.State, explain(err)
	}
	return entry.After.State, err
}

func (o *Ops) decide(a Actor, k shipment.Key, id, why string, last shipment.Entry, decide decider) (shipment.Event, error) {
	if !last.After.Exists() {
		return shipment.Event{}, unknown(k)
	}
	if err := a.needAccount(last.After.Account); err != nil {
		return shipment.Event{}, err
	}
	ev, err := decide(last)
	ev.ID, ev.At, ev.Actor, ev.Comment = id, o.now(), a.Name, why
	return ev, err
}
