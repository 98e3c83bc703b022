package run

import (
	"context"
	"slices"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// pageSize is how many shipments of one queue are read at once.
const pageSize = 100

// A page that lasted less than a second is followed by one twice as long, up to maxPage: the embedded store sorts a whole
// queue for every page of it. In a run at Amazon's pace pages stay short, for what they show grows old.
const (
	quick   = time.Second
	maxPage = 1000
)

// source yields what one trigger asks for, in order. It reads the view page by page, so that a million waiting shipments
// cost no more than ten.
type source struct {
	trigger job.Trigger
	from    time.Time      // what was accepted later belongs to the next run
	keys    []shipment.Key // scope list: still to be read
	head    *Item          // read already, not yet taken
	page    []Item
	lanes   []*lane
	rank    int
	turn    int
	past    *past
	now     func() time.Time
	holds   *plan.Holds // what a group is held by; work asked for by name begins with a clean sheet
}

// lane is one account's way through its groups.
type lane struct {
	account shipment.AccountID
	groups  []shipment.Queue
	buffer  []Item
	at      Place
	end     bool // of the current group
	size    int  // of the last page
	read    time.Time
}

// pageSize is how many shipments the next page is to have.
func (l *lane) pageSize(now time.Time) int {
	if l.size > 0 && now.Sub(l.read) < quick {
		l.size = min(2*l.size, maxPage)
	} else {
		l.size = pageSize
	}
	l.read = now
	return l.size
}

func newSource(t job.Trigger, c settings.Connection, from time.Time, p *past, now func() time.Time) *source {
	s := &source{trigger: t, from: from, past: p, now: now, holds: &plan.Holds{}, keys: slices.Clone(t.Keys)}
	if t.Scope == job.Named {
		return s
	}
	for _, a := range c.Accounts {
		if !t.Scoped(a.ID) {
			continue
		}
		groups := shipment.Groups(a.RejectedOrder)
		if t.Scope == job.Listed { // what the message listed has failed, whatever the account's order is
			// and what was held back for the same mapping line
			groups = []shipment.Queue{shipment.Again, shipment.Refused, shipment.New}
		}
		s.lanes = append(s.lanes, &lane{account: a.ID, groups: groups})
	}
	return s
}

// read reads the next shipment, false when there are no more.
func (s *source) read(ctx context.Context, q Queues) (Item, bool, error) {
	if s.trigger.Scope == job.Named {
		return s.named(ctx, q)
	}
	for {
		busy := false
		for range s.lanes {
			l := s.lanes[s.turn%len(s.lanes)]
			s.turn++
			if !s.goes(l) {
				continue
			}
			busy = true
			it, ok, err := l.next(ctx, q, s.rank, s.now)
			if err != nil {
				return Item{}, false, err
			}
			if ok && s.wants(it) {
				return it, true, nil
			}
			if ok {
				s.turn-- // not this one; the account keeps its turn
			}
		}
		if !busy {
			return Item{}, false, nil
		}
		if s.drained() {
			s.rank, s.turn = s.rank+1, 0
			for _, l := range s.lanes {
				l.buffer, l.at, l.end = nil, nil, false
			}
		}
	}
}

// goes reports whether an account has a group of this rank that is to be read.
func (s *source) goes(l *lane) bool {
	if s.rank >= len(l.groups) {
		return false
	}
	return s.trigger.Scope != job.Listed || l.groups[s.rank] != shipment.New || len(s.trigger.Held) > 0
}

func (s *source) drained() bool {
	for _, l := range s.lanes {
		if s.goes(l) && (!l.end || len(l.buffer) > 0) {
			return false
		}
	}
	return true
}

func (l *lane) next(ctx context.Context, q Queues, rank int, now func() time.Time) (Item, bool, error) {
	if len(l.buffer) == 0 && !l.end {
		page, at, err := q.Queue(ctx, l.account, l.groups[rank], l.at, l.pageSize(now()))
		if err != nil {
			return Item{}, false, err
		}
		l.buffer, l.at, l.end = page, at, at == nil
	}
	if len(l.buffer) == 0 {
		return Item{}, false, nil
	}
	it := l.buffer[0]
	l.buffer = l.buffer[1:]
	return it, true, nil
}

// wants leaves out what the run has dealt with already and what came after it began. Who asks for shipments by name, or
// for those a message listed, gets them tried even if the run they join has tried them before.
func (s *source) wants(it Item) bool {
	sh := it.Shipment
	tried := sh.LastRun == s.trigger.RunID && sh.State != shipment.Pending
	switch s.trigger.Scope {
	case job.Listed:
		if sh.State == shipment.Pending {
			return !sh.AcceptedAt.After(s.trigger.DeferredUntil) && slices.ContainsFunc(s.trigger.Held, func(l job.Line) bool { return l.Covers(sh) })
		}
		return !tried && sh.State == shipment.Deferred && !sh.Since.After(s.trigger.DeferredUntil)
	case job.Named:
		return !tried
	}
	return !s.past.has(sh) && !sh.AcceptedAt.After(s.from)
}

func (s *source) named(ctx context.Context, q Queues) (Item, bool, error) {
	for {
		for len(s.page) > 0 {
			it := s.page[0]
			s.page = s.page[1:]
			if s.wants(it) {
				return it, true, nil
			}
		}
		if len(s.keys) == 0 {
			return Item{}, false, nil
		}
		n := min(pageSize, len(s.keys))
		items, err := q.Get(ctx, s.keys[:n])
		if err != nil {
			return Item{}, false, err
		}
		s.page, s.keys = items, s.keys[n:]
	}
}

// size estimates how many shipments the source will yield, for progress.
func (s *source) size(ctx context.Context, q Queues) (int, error) {
	n := len(s.trigger.Keys)
	for _, l := range s.lanes {
		for _, g := range l.groups {
			if s.trigger.Scope == job.Listed && g == shipment.New { // few of them, if any
				continue
			}
			k, err := q.QueueLen(ctx, l.account, g)
			if err != nil {
				return 0, err
			}
			n += k
		}
	}
	return n, nil
}
