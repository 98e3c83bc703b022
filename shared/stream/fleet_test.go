package stream_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

// port is where the members of a test's fleet work: it sees when a name is worked on twice.
type port struct {
	t    *testing.T
	s    *natstest.Server
	ttl  time.Duration
	mu   sync.Mutex
	all  []string
	by   map[string]string // name -> member
	hold map[string]*stream.Holding
	last map[string]uint64
	busy map[string]bool
	free map[string]time.Time // when a name was last given up
}

func newPort(t *testing.T, names int) *port {
	p := &port{t: t, s: natstest.Start(t), ttl: 2 * time.Second, by: map[string]string{}, hold: map[string]*stream.Holding{}, last: map[string]uint64{},
		busy: map[string]bool{}, free: map[string]time.Time{}}
	for i := range names {
		p.all = append(p.all, fmt.Sprintf("connection.C%02d", i))
	}
	return p
}

// join starts a member and returns how to stop it cleanly, and how to cut it off as a kill would.
func (p *port) join(name string) (stop, kill func()) {
	p.t.Helper()
	return p.joinOver(name, open(p.t, p.s))
}

func (p *port) joinOver(name string, js jetstream.JetStream) (stop, kill func()) {
	p.t.Helper()
	l := must[*stream.Leases](p.t)(stream.NewLeases(p.t.Context(), js, name, p.ttl))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := stream.NewFleet(l, "test").Run(ctx, p.work(name)); err != nil && !js.Conn().IsClosed() {
			p.t.Errorf("%s: %v", name, err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	kill = sync.OnceFunc(func() { js.Conn().Close(); <-done; cancel() })
	p.t.Cleanup(stop)
	return stop, kill
}

func (p *port) work(member string) stream.Work {
	return stream.Work{
		Names: func() []string { p.mu.Lock(); defer p.mu.Unlock(); return append([]string(nil), p.all...) },
		Busy:  func(name string) bool { p.mu.Lock(); defer p.mu.Unlock(); return p.busy[name] },
		Do: func(ctx context.Context, name string, h *stream.Holding) {
			p.begin(member, name, h)
			<-ctx.Done()
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.hold[name] == h { // else its right ended while it was cut off
				delete(p.by, name)
				p.free[name] = time.Now()
			}
		},
	}
}

func (p *port) begin(member, name string, h *stream.Holding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.by[name]; other != "" && p.hold[name].Remaining() > 0 {
		p.t.Errorf("%s begins %s, on which %s still has a right", member, name, other)
	}
	if h.Token() <= p.last[name] {
		p.t.Errorf("%s: token %d after %d", name, h.Token(), p.last[name])
	}
	p.by[name], p.hold[name], p.last[name] = member, h, h.Token()
}

// shares counts what each member works on with a right.
func (p *port) shares() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for name, m := range p.by {
		if p.hold[name].Remaining() > 0 {
			out[m]++
		}
	}
	return out
}

func (p *port) await(most time.Duration, want map[string]int) time.Duration {
	p.t.Helper()
	began := time.Now()
	natstest.Until(p.t, most, fmt.Sprint("shares ", want, " but ", p.shares()), func() bool { return fmt.Sprint(p.shares()) == fmt.Sprint(want) })
	return time.Since(began)
}

func TestReplicasShareEvenly(t *testing.T) {
	t.Parallel()
	p := newPort(t, 30)
	stopA, _ := p.join("a")
	p.await(5*time.Second, map[string]int{"a": 30})
	_, killB := p.join("b")
	p.await(5*time.Second, map[string]int{"a": 15, "b": 15})
	p.join("c")
	p.await(5*time.Second, map[string]int{"a": 10, "b": 10, "c": 10})

	if took := func() time.Duration { stopA(); return p.await(5*time.Second, map[string]int{"b": 15, "c": 15}) }(); took > time.Second {
		t.Errorf("a clean stop left names free for %s", took)
	}
	killB()
	if took := p.await(10*time.Second, map[string]int{"c": 30}); took > p.ttl+time.Second {
		t.Errorf("after a kill names were free for %s", took)
	}

	p.mu.Lock() // some are removed, and one is new
	p.all = append(p.all[:10], "connection.NEW")
	p.mu.Unlock()
	p.await(5*time.Second, map[string]int{"c": 11})
	js := open(t, p.s)
	kv := must[jetstream.KeyValue](t)(js.KeyValue(t.Context(), stream.LeaseBucket))
	natstest.Until(t, 5*time.Second, "keys of removed names are gone", func() bool {
		keys := must[[]string](t)(kv.Keys(t.Context()))
		return len(keys) == 11+1+1 // the member, and the mark of the one that left
	})
}

// Who has too much gives up what is quiet first; what stays busy goes on for another TTL and is then handed over too.
func TestBusyNamesAreHandedOverLast(t *testing.T) {
	t.Parallel()
	p := newPort(t, 6)
	p.mu.Lock()
	for _, n := range p.all[1:] { // only the oldest is quiet
		p.busy[n] = true
	}
	p.mu.Unlock()
	p.join("a")
	p.await(5*time.Second, map[string]int{"a": 6})
	p.join("b")
	began := time.Now()
	p.await(5*time.Second, map[string]int{"a": 5, "b": 1})
	p.mu.Lock()
	if quiet := p.by[p.all[0]]; quiet != "b" {
		t.Errorf("the quiet one is at %q", quiet)
	}
	p.mu.Unlock()
	p.await(10*time.Second, map[string]int{"a": 3, "b": 3})
	if took := time.Since(began); took < p.ttl || took > 3*p.ttl {
		t.Errorf("busy names changed hands after %s", took)
	}
}

// A member's own lease is taken away behind its back: it ends its work, joins anew when asked to, and nothing is doubled.
func TestAMemberThatLostItsLeaseEndsItsWork(t *testing.T) {
	t.Parallel()
	p := newPort(t, 4)
	js := open(t, p.s)
	l := must[*stream.Leases](t)(stream.NewLeases(t.Context(), js, "a", p.ttl))
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { ended <- stream.NewFleet(l, "test").Run(ctx, p.work("a")) }()
	p.await(5*time.Second, map[string]int{"a": 4})
	kv := must[jetstream.KeyValue](t)(js.KeyValue(t.Context(), stream.LeaseBucket))
	for _, k := range must[[]string](t)(kv.Keys(t.Context())) {
		if len(k) > 8 && k[:8] == "replica." {
			if err := kv.Delete(t.Context(), k); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := <-ended; err == nil || !stream.LostRace(err) {
		t.Errorf("got %v", err)
	}
	if got := p.shares(); len(got) != 0 {
		t.Errorf("still worked on: %v", got)
	}
	p.join("b")
	p.await(5*time.Second, map[string]int{"b": 4})
}

// lossy does not answer some publishes: each subject's first that lose picks. What is dropped is not even stored.
type lossy struct {
	jetstream.JetStream
	lose func(m *nats.Msg) (lost, dropped bool)

	mu   sync.Mutex
	seen map[string]bool
}

func (l *lossy) PublishMsg(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	lost, dropped := l.lose(m)
	l.mu.Lock()
	lost = lost && !l.seen[m.Subject]
	if lost {
		l.seen[m.Subject] = true
	}
	l.mu.Unlock()
	if lost && dropped {
		return nil, nats.ErrTimeout
	}
	ack, err := l.JetStream.PublishMsg(ctx, m, opts...)
	if lost && err == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return ack, err
}

// A name that could not be given back at once is given back later, and not worked on again meanwhile (begin looks at that).
func TestANameIsGivenBackWhateverBecomesOfTheAnswer(t *testing.T) {
	for _, dropped := range []bool{true, false} {
		t.Run(fmt.Sprint("dropped ", dropped), func(t *testing.T) {
			t.Parallel()
			p := newPort(t, 6)
			p.joinOver("a", &lossy{JetStream: open(t, p.s), seen: map[string]bool{}, lose: func(m *nats.Msg) (bool, bool) {
				return m.Header.Get("KV-Operation") == "DEL", dropped
			}})
			p.await(5*time.Second, map[string]int{"a": 6})
			p.join("b")
			p.await(20*time.Second, map[string]int{"a": 3, "b": 3})
		})
	}
}
