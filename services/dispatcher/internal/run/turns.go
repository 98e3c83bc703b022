package run

import (
	"context"

	"github.com/fertig-project/fertig/shared/shipment"
)

// turns says whose turn it is: the account's that was served longest ago. The zero value is ready.
type turns struct {
	n    uint64
	last map[shipment.AccountID]uint64
}

// before reports whether a was served longer ago than b.
func (t *turns) before(a, b shipment.AccountID) bool { return t.last[a] < t.last[b] }

func (t *turns) serve(a shipment.AccountID) {
	if t.last == nil {
		t.last = map[shipment.AccountID]uint64{}
	}
	t.n++
	t.last[a] = t.n
}

// peek reads a source's next shipment without taking it, false when there are no more.
func (s *source) peek(ctx context.Context, q Queues) (shipment.AccountID, bool, error) {
	if s.head == nil || !s.wants(*s.head) { // another source may have dealt with it meanwhile
		s.head = nil
		it, ok, err := s.read(ctx, q)
		if !ok || err != nil {
			return "", false, err
		}
		s.head = &it
	}
	return s.head.Shipment.Account, true, nil
}

// next takes the next shipment, false when there are no more.
func (s *source) next(ctx context.Context, q Queues) (Item, bool, error) {
	if _, ok, err := s.peek(ctx, q); !ok || err != nil {
		return Item{}, false, err
	}
	it := *s.head
	s.head = nil
	return it, true, nil
}

// everybody takes the next shipment of the triggers that asked for everything, accounts by turns: whose trigger came later
// does not wait until the others' backlog is done. Inside a trigger its own order holds.
func (x *execution) everybody(ctx context.Context) (candidate, bool, error) {
	at := -1
	var whose shipment.AccountID
	for i := 0; i < len(x.all); {
		a, ok, err := x.all[i].peek(ctx, x.w.Queues)
		if err != nil {
			return candidate{}, false, err
		}
		if !ok {
			x.all = append(x.all[:i], x.all[i+1:]...)
			continue
		}
		if !x.waits(ctx, x.all[i]) && (at < 0 || x.taken.before(a, whose)) {
			at, whose = i, a
		}
		i++
	}
	if at < 0 {
		return candidate{}, false, nil
	}
	x.taken.serve(whose)
	s := x.all[at]
	it, ok, err := s.next(ctx, x.w.Queues)
	return candidate{Item: it, run: s.trigger.RunID, holds: s.holds}, ok, err
}

// foremost is the position in ready of who goes next: who was asked for by name, else the first of the trigger whose
// account was served longest ago.
func (x *execution) foremost() int {
	best, firsts := 0, map[string]bool{}
	for i, c := range x.ready {
		if c.urgent {
			return 0 // they stand in front
		}
		if firsts[c.run] {
			continue
		}
		firsts[c.run] = true
		if x.sent.before(c.Shipment.Account, x.ready[best].Shipment.Account) {
			best = i
		}
	}
	return best
}
