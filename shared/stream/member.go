package stream

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// rememberDead bounds the ids remembered of members that live no more.
const rememberDead = 1000

// sight is what a member has seen of the bucket, in the bucket's order.
type sight struct {
	fleet   *Fleet
	whole   bool              // everything that was there has been seen
	members map[string]bool   // that live -> and are leaving
	left    map[string]bool   // that said they leave
	dead    map[string]bool   // that live no more; an id never comes back
	names   map[string]holder // every key that is no member's
	own     time.Time         // when our own presence was seen last
	asking  map[string]bool   // members that are being looked for at the leader
}

// holder is who holds a name, and the revision that says so.
type holder struct {
	id  string // "" nobody
	rev uint64
}

func newSight(f *Fleet) *sight {
	return &sight{fleet: f, members: map[string]bool{}, left: map[string]bool{}, dead: map[string]bool{}, names: map[string]holder{},
		own: time.Now(), asking: map[string]bool{}}
}

// apply takes one change of the bucket in.
func (s *sight) apply(e jetstream.KeyValueEntry, me string) {
	if e == nil {
		s.whole = true
		return
	}
	there := e.Operation() == jetstream.KeyValuePut
	if id, ok := strings.CutPrefix(e.Key(), s.fleet.presence("")); ok {
		if there {
			s.members[id] = true
		} else {
			delete(s.members, id)
			delete(s.left, id)
			s.dead[id] = true
		}
		if id == me {
			s.own = time.Now()
		}
		return
	}
	if id, ok := strings.CutPrefix(e.Key(), s.fleet.leaving("")); ok {
		if there {
			s.left[id] = true
		} else {
			delete(s.left, id)
		}
		return
	}
	h := holder{rev: e.Revision()}
	if there {
		_, h.id, _ = strings.Cut(string(e.Value()), "\n")
	}
	s.know(e.Key(), h)
}

// know takes in what is known of a name, unless something newer is.
func (s *sight) know(name string, h holder) {
	if h.rev > s.names[name].rev {
		s.names[name] = h
	}
}

// active are the members that take part.
func (s *sight) active(me string) map[string]int {
	out := map[string]int{me: 0}
	for id := range s.members {
		if !s.left[id] {
			out[id] = 0
		}
	}
	return out
}

// verified is what the leader says of a member that was not seen.
type verified struct {
	id    string
	known bool
	lives bool
}

// run takes part until ctx ends (nil) or the member's lease or the watch is lost.
func (m *member) run(ctx context.Context, kept chan error) error {
	m.seen = newSight(m.Fleet)
	w, err := m.leases.kv.WatchAll(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	tick := time.NewTicker(max(m.leases.ttl/30, 20*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-kept:
			kept <- err
			return err
		case e, ok := <-w.Updates():
			if !ok {
				return errDark
			}
			m.seen.apply(e, m.id)
			if len(w.Updates()) > 0 {
				continue
			}
		case t := <-m.took:
			m.settle(t)
		case h := <-m.ended:
			m.ending(h)
		case t := <-m.freed:
			delete(m.mine, t.name)
			if t.rev == 0 { // the key is gone
				delete(m.seen.names, t.name)
			}
			m.seen.know(t.name, holder{rev: t.rev})
		case v := <-m.asked:
			delete(m.seen.asking, v.id)
			m.seen.dead[v.id] = m.seen.dead[v.id] || v.known && !v.lives
		case <-m.work.Changed:
		case <-tick.C:
		}
		if time.Since(m.seen.own) > m.leases.ttl { // our own renewals are not seen: we are blind
			return errDark
		}
		if m.seen.whole {
			m.reckon(time.Now())
		}
	}
}

// settle takes in what came of a take.
func (m *member) settle(t taken) {
	delete(m.taking, t.name)
	if t.rev == 0 {
		return
	}
	m.seen.know(t.name, holder{m.id, t.rev})
	if m.mine[t.name] == nil {
		m.start(t.name, t.rev)
	}
}

// ending takes in that a work has ended: ours to give back, or somebody else's already.
func (m *member) ending(h *Holding) {
	if m.seen.names[h.name] != (holder{m.id, h.token}) {
		delete(m.mine, h.name)
		return
	}
	h.ending, h.done = true, true
	m.giveBack(h)
}

// reckon compares what is with what should be, and begins what leads there.
func (m *member) reckon(now time.Time) {
	wanted := map[string]bool{}
	for _, n := range m.work.Names() {
		wanted[n] = true
	}
	for name, h := range m.mine {
		switch at := m.seen.names[name]; {
		case at.id != m.id && at.rev > h.token:
			h.over.Store(true)
			m.end(h, errTaken)
		case !wanted[name]:
			m.end(h, errUnwanted)
		}
	}
	if len(m.seen.dead) > rememberDead {
		clear(m.seen.dead) // those that still matter are looked for again
	}
	loads, free := m.count(wanted)
	target := targets(loads, len(wanted))
	m.occupy(now, free, assign(loads, target, free))
	m.yield(now, target[m.id])
}

// count reckons who holds how many of the wanted names, and which are free. What is ours without being worked on is
// begun: the answer to a take was lost.
func (m *member) count(wanted map[string]bool) (loads []load, free []string) {
	active := m.seen.active(m.id)
	for name := range wanted {
		at := m.seen.names[name]
		_, lives := active[at.id]
		switch {
		case m.mine[name] != nil || m.taking[name]:
			if h := m.mine[name]; h == nil || !h.ending {
				active[m.id]++
			}
		case at.id == m.id:
			m.start(name, at.rev)
			active[m.id]++
		case lives:
			active[at.id]++
		case at.id == "" || m.seen.dead[at.id]:
			free = append(free, name)
		case !m.seen.members[at.id]:
			m.look(at.id)
		}
	}
	for id, n := range active {
		loads = append(loads, load{id, n})
	}
	return loads, free
}

// look asks the leader for a holder that was never seen.
func (m *member) look(id string) {
	if m.seen.asking[id] {
		return
	}
	m.seen.asking[id] = true
	m.background(func(ctx context.Context) {
		_, value, err := m.leases.read(ctx, m.presence(id))
		select {
		case m.asked <- verified{id, err == nil, value != nil}:
		case <-m.works.Done():
		}
	})
}

// occupy takes the free names that are ours to take, and those that nobody has taken for a while: whose they are may be
// paused.
func (m *member) occupy(now time.Time, free []string, whose map[string]string) {
	slices.Sort(free)
	for _, name := range free {
		since, ok := m.waiting[name]
		if !ok {
			since = now
			m.waiting[name] = now
		}
		if whose[name] == m.id || now.Sub(since) > m.leases.ttl/3 {
			m.take(name, m.seen.names[name].rev)
			delete(m.waiting, name)
		}
	}
	for name := range m.waiting {
		if _, found := slices.BinarySearch(free, name); !found {
			delete(m.waiting, name)
		}
	}
}

// yield hands over what is beyond our share: quiet names after a third of a TTL, so that replicas which start together
// move little; busy ones after another whole TTL, in which most become quiet by themselves. What was taken last goes first.
func (m *member) yield(now time.Time, target int) {
	var held []*Holding
	for _, h := range m.mine {
		if !h.ending {
			held = append(held, h)
		}
	}
	surplus := len(held) + len(m.taking) - target
	if surplus <= 0 {
		m.heavy = time.Time{}
		return
	}
	if m.heavy.IsZero() {
		m.heavy = now
	}
	if now.Sub(m.heavy) < m.leases.ttl/3 {
		return
	}
	slices.SortFunc(held, func(a, b *Holding) int { return int(int64(b.token) - int64(a.token)) })
	patient := now.Sub(m.heavy) < m.leases.ttl/3+m.leases.ttl
	for _, busy := range []bool{false, true} {
		for _, h := range held {
			if surplus > 0 && !h.ending && m.work.Busy(h.name) == busy && !(busy && patient) {
				m.end(h, errHandedOver)
				surplus--
			}
		}
	}
}
