package ledger

import (
	"context"
	"sync"

	"github.com/fertig-project/fertig/shared/fault"
)

// An atomic batch costs about four syncs whatever its size, a single append one; below batchFrom single appends win.
const (
	batchFrom = 16
	batchMax  = 1000 // messages the server takes in one batch
)

// committer decides who appends when, so that appends which wait at the same time share an atomic batch. It has no
// goroutine of its own: one of those who wait commits for all. Never are two batches in flight, because two would each
// pay for the other's syncs; while one is, everybody else gathers for the next.
type committer struct {
	mu      sync.Mutex
	waiting []*pending // oldest first
	singles int        // single appends under way
	batch   bool       // an atomic batch is under way
}

// pending is an append that waits for its turn. Turns of several may share a channel; each is owed at most one at a time,
// so a place for each is enough.
type pending struct {
	Draft
	data  []byte
	turns chan turn
	index int // where its result belongs, for those who wait for several
}

// turn tells whoever waits for p what to do: commit the group, which p is part of; append p alone; or take its result.
type turn struct {
	p      *pending
	group  []*pending
	result *Result
}

// enter lines appends up.
func (c *committer) enter(ps ...*pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, ps...)
	c.next()
}

// leave takes an append out of the line; false if its turn has come.
func (c *committer) leave(p *pending) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, w := range c.waiting {
		if w == p {
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// next gives out turns; c.mu is held.
func (c *committer) next() {
	if c.batch {
		return
	}
	if len(c.waiting) >= batchFrom {
		group := c.group()
		c.batch = true
		group[0].turns <- turn{p: group[0], group: group}
		return
	}
	for c.singles < batchFrom && len(c.waiting) > 0 {
		c.alone(c.waiting[0])
		c.waiting = c.waiting[1:]
	}
}

func (c *committer) alone(p *pending) {
	c.singles++
	p.turns <- turn{p: p}
}

// group takes a batch out of the line. A shipment is in it once: the server would refuse the whole for the second.
func (c *committer) group() []*pending {
	seen := make(map[string]struct{}, min(len(c.waiting), batchMax))
	var group, rest []*pending
	for _, p := range c.waiting {
		member := p.Entry.After.Key.String()
		if _, twice := seen[member]; twice || len(group) == batchMax {
			rest = append(rest, p)
			continue
		}
		seen[member] = struct{}{}
		group = append(group, p)
	}
	c.waiting = rest
	return group
}

// landed says that a single append has come to its end.
func (c *committer) landed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.singles--
	c.next()
}

// committed says that a batch has come to its end; what is left of it is appended one by one.
func (c *committer) committed(left []*pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batch = false
	for _, p := range left {
		c.alone(p)
	}
	c.next()
}

// await does what p's turns ask for until its result is there. An append that never got its turn before ctx ended has
// not happened; one under way is waited for, which callTimeout bounds.
func (l *Ledger) await(ctx context.Context, p *pending) Result {
	ended := ctx.Done()
	for {
		select {
		case t := <-p.turns:
			if r := l.take(ctx, t); r != nil {
				return *r
			}
		case <-ended:
			if l.commits.leave(p) {
				return p.unavailable(ctx.Err())
			}
			ended = nil
		}
	}
}

// take does what a turn asks for and returns the result if that brought it.
func (l *Ledger) take(ctx context.Context, t turn) *Result {
	switch {
	case t.result != nil:
		return t.result
	case t.group != nil:
		l.commits.committed(l.commit(context.WithoutCancel(ctx), t.group))
		return nil // it is told like the others'
	}
	defer l.commits.landed()
	r := l.single(ctx, t.p)
	return &r
}

func (p *pending) tell(r Result) { p.turns <- turn{p: p, result: &r} }

func (p *pending) unavailable(err error) Result {
	return Result{Entry: p.Entry, Err: fault.Wrap(fault.Unavailable, err, "append %s of %s", p.Entry.Type, p.Entry.After.Key)}
}
