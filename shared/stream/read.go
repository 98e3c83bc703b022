package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// scanIdle is how long a scan waits for a message before it asks whether there still is one: a purge takes away what was
// announced.
const scanIdle = time.Second

// scanStuck is how many such times in a row a scan asks in vain. Then the replica that delivers is taken to be stuck behind the
// others; another try may be given another one, and is made where nothing was delivered yet.
const (
	scanStuck = 10
	scanTries = 3
)

var errStuck = errors.New("nothing came")

// Scan calls visit with the messages of a stream that an ordered consumer finds, in order, and ends where the stream ended
// when it was called, however fast others append. Nothing that was acknowledged before the call is missed, even when the
// replica that delivers is behind; when that one does not move, another one is tried twice where
// nothing was delivered yet, and then the scan fails. It survives reconnects and changes of leader, and waits half a minute at most for a leader to begin with. It begins at the beginning or at a start time; with
// DeliverLastPerSubjectPolicy a subject may be seen a second time, then with a newer message.
func Scan(ctx context.Context, js jetstream.JetStream, name string, cfg jetstream.OrderedConsumerConfig, visit func(m jetstream.Msg, seq uint64) error) error {
	cfg.InactiveThreshold = time.Minute
	var err error
	for range scanTries {
		begun := false
		err = scan(ctx, js, name, cfg, func(m jetstream.Msg, seq uint64) error { begun = true; return visit(m, seq) })
		if begun || !errors.Is(err, errStuck) {
			return err
		}
	}
	return err
}

func scan(ctx context.Context, js jetstream.JetStream, name string, cfg jetstream.OrderedConsumerConfig, visit func(m jetstream.Msg, seq uint64) error) error {
	c, err := reader(ctx, js, name, cfg)
	if err != nil {
		return fmt.Errorf("scan %s: %w", name, err)
	}
	defer forget(ctx, js, name, c)
	// Read after the consumer has chosen what it delivers, so that nothing it chose lies behind the end.
	var s jetstream.Stream
	err = opening(ctx, "look for its end", func(ctx context.Context) (err error) { s, err = js.Stream(ctx, name); return err })
	if err != nil {
		return fmt.Errorf("scan %s: %w", name, err)
	}
	end := s.CachedInfo().State.LastSeq
	seen := uint64(0)
	// A consumer lives on one replica, which need not be the leader and may be behind: only the leader knows the end.
	over := func() bool {
		last, err := newest(ctx, js.Conn(), name, cfg.FilterSubjects, cfg.OptStartTime)
		if err != nil {
			return false
		}
		end = min(end, last)
		return seen >= end
	}
	if c.CachedInfo().NumPending == 0 && over() {
		return nil
	}
	it, err := c.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return fmt.Errorf("scan %s: %w", name, err)
	}
	p := newPump(ctx, it, 500)
	defer p.stop()
	for idle := 0; ; {
		m, err := p.next(ctx, scanIdle)
		if err == nil && m == nil {
			if over() {
				return nil
			}
			if idle++; idle == scanStuck {
				return fmt.Errorf("scan %s: %w after %d for %s, of %d: try again", name, errStuck, seen, scanStuck*scanIdle, end)
			}
			continue
		}
		idle = 0
		if err != nil {
			return fmt.Errorf("scan %s: %w", name, err)
		}
		md, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("scan %s: %w", name, err)
		}
		if md.Sequence.Stream > end {
			return nil
		}
		if err := visit(m, md.Sequence.Stream); err != nil {
			return err
		}
		if seen = md.Sequence.Stream; seen == end || md.NumPending == 0 && over() {
			return nil
		}
	}
}

// pump takes messages from an iterator ahead of their reader, so that the reader knows what is at hand.
type pump struct {
	it   jetstream.MessagesContext
	msgs chan jetstream.Msg
	err  error // why msgs was closed
	end  context.CancelFunc
}

func newPump(ctx context.Context, it jetstream.MessagesContext, ahead int) *pump {
	ctx, end := context.WithCancel(ctx)
	p := &pump{it: it, msgs: make(chan jetstream.Msg, ahead), end: end}
	go func() {
		defer close(p.msgs)
		for {
			var m jetstream.Msg
			if m, p.err = it.Next(jetstream.NextContext(ctx)); p.err != nil {
				return
			}
			select {
			case p.msgs <- m:
			case <-ctx.Done():
				p.err = ctx.Err()
				return
			}
		}
	}()
	return p
}

// stop ends the pump and its iterator; what was taken ahead is dropped. While the client makes a consumer anew it heeds
// nothing but its own end, and then goes on for as long as a try takes: nobody waits for that.
func (p *pump) stop() {
	p.end()
	go func() { // ends when the client lets go
		p.it.Stop()
		for range p.msgs {
		}
	}()
}

// next waits for a message at most for a time (0: for ever) and gives nil when none came.
func (p *pump) next(ctx context.Context, most time.Duration) (jetstream.Msg, error) {
	select {
	case m, ok := <-p.msgs:
		return p.check(m, ok)
	default:
	}
	var late <-chan time.Time
	if most > 0 {
		t := time.NewTimer(most)
		defer t.Stop()
		late = t.C
	}
	select {
	case m, ok := <-p.msgs:
		return p.check(m, ok)
	case <-late:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pump) check(m jetstream.Msg, ok bool) (jetstream.Msg, error) {
	if !ok {
		return nil, p.err
	}
	return m, nil
}

// openWithin bounds how long a reader waits for a cluster that is electing a leader before it begins.
const openWithin = 30 * time.Second

// opening does a step that comes before reading. The question may be lost with a leader, and the client would wait for its
// answer as long as the caller has patience, so it is asked again.
func opening(ctx context.Context, what string, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	return patiently(ctx, what, step)
}

// reader makes an ordered consumer. One whose making was answered too late is left behind and ends by itself.
func reader(ctx context.Context, js jetstream.JetStream, name string, cfg jetstream.OrderedConsumerConfig) (c jetstream.Consumer, err error) {
	err = opening(ctx, "make a consumer", func(ctx context.Context) error { c, err = js.OrderedConsumer(ctx, name, cfg); return err })
	return c, err
}

// forget removes a consumer that is read to its end, which the server would otherwise keep for a minute.
func forget(ctx context.Context, js jetstream.JetStream, name string, c jetstream.Consumer) {
	ctx, cancel := context.WithTimeout(ctx, askAgain)
	defer cancel()
	if ctx.Err() == nil {
		_ = js.DeleteConsumer(ctx, name, c.CachedInfo().Name) // a leftover ends by itself
	}
}

// flushAfter is how long Follow holds a batch back for more that was announced.
const flushAfter = 50 * time.Millisecond

// Follow calls visit with everything on a stream after a sequence, in order and in batches of at most limit, until ctx ends
// (nil then) or visit fails. A batch holds what has arrived while visit was busy and waits for more only while more is known
// to come. It survives reconnects and changes of leader. filters may be empty for all subjects. The slice given to visit is
// used again after it returns.
func Follow(ctx context.Context, js jetstream.JetStream, name string, filters []string, after uint64, limit int, visit func([]jetstream.Msg) error) error {
	c, err := reader(ctx, js, name, jetstream.OrderedConsumerConfig{FilterSubjects: filters,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, InactiveThreshold: time.Minute})
	if err != nil {
		return ended(ctx, name, err)
	}
	it, err := c.Messages(jetstream.PullMaxMessages(max(2*limit, 100)))
	if err != nil {
		return ended(ctx, name, err)
	}
	p := newPump(ctx, it, limit)
	defer p.stop()
	batch := make([]jetstream.Msg, 0, limit)
	for {
		wait := flushAfter
		if len(batch) == 0 {
			wait = 0
		}
		m, err := p.next(ctx, wait)
		if err != nil {
			return ended(ctx, name, err)
		}
		flush := m == nil
		if m != nil {
			batch = append(batch, m)
			flush = len(batch) == limit
		}
		if !flush && len(p.msgs) == 0 {
			md, err := m.Metadata()
			if err != nil {
				return ended(ctx, name, err)
			}
			flush = md.NumPending == 0
		}
		if flush {
			if err := visit(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
}

func ended(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow %s: %w", name, err)
}
