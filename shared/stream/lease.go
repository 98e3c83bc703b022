package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
)

// DefaultLeaseTTL is how long a lease lives without being renewed. It is renewed every third of it.
const DefaultLeaseTTL = 30 * time.Second

// Leases hands out exclusive, expiring rights by name. The right's Token is a fencing token: a later holder's is larger.
type Leases struct {
	js  jetstream.JetStream
	kv  jetstream.KeyValue
	me  string
	ttl time.Duration
}

// NewLeases opens the lease bucket. me names this process to people; ttl of 0 means DefaultLeaseTTL. The server knows
// whole seconds only, so ttl is rounded down, to a second at least.
func NewLeases(ctx context.Context, js jetstream.JetStream, me string, ttl time.Duration) (*Leases, error) {
	kv, err := js.KeyValue(ctx, LeaseBucket)
	if err != nil {
		return nil, fmt.Errorf("open lease bucket: %w", err)
	}
	if ttl == 0 {
		ttl = DefaultLeaseTTL
	}
	return &Leases{js: js, kv: kv, me: me, ttl: max(ttl.Truncate(time.Second), time.Second)}, nil
}

// TTL is the life of a lease without renewal.
func (l *Leases) TTL() time.Duration { return l.ttl }

// Holder returns who holds a lease, "" for nobody.
func (l *Leases) Holder(ctx context.Context, name string) (string, error) {
	e, err := l.kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read lease %s: %w", name, err)
	}
	me, _, _ := strings.Cut(string(e.Value()), "\n")
	return me, nil
}

// Lease is a held right. It is safe for concurrent use.
type Lease struct {
	leases *Leases
	name   string
	value  []byte // the holder's name for people, and a word that no other holding has
	token  uint64 // of the first grant; stays while held

	mu    sync.Mutex
	rev   uint64
	until time.Time // monotonic; counted from before the grant was asked for
}

// Acquire waits until the lease is free and takes it. It returns only with the lease or when ctx ends.
func (l *Leases) Acquire(ctx context.Context, name string) (*Lease, error) {
	w, err := l.kv.Watch(ctx, name)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "watch lease %s", name)
	}
	defer func() { _ = w.Stop() }()
	for {
		lease, err := l.try(ctx, name)
		if err == nil {
			return lease, nil
		}
		// A lost marker must not make anybody wait for ever: look again once a TTL, sooner if the store did not answer.
		again := l.ttl
		if !errors.Is(err, jetstream.ErrKeyExists) {
			again = min(again, time.Second)
		}
		if err := free(ctx, w, again); err != nil {
			return nil, fmt.Errorf("wait for lease %s: %w", name, err)
		}
	}
}

// free returns when the watched lease may be free, or after a while in any case.
func free(ctx context.Context, w jetstream.KeyWatcher, again time.Duration) error {
	timer := time.NewTimer(again)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case e, ok := <-w.Updates():
			if !ok {
				return fault.New(fault.Unavailable, "the connection to NATS is closed")
			}
			if e != nil && e.Operation() != jetstream.KeyValuePut {
				return nil
			}
		}
	}
}

func (l *Leases) try(ctx context.Context, name string) (*Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	asked := time.Now()
	value := []byte(l.me + "\n" + uuid.NewString())
	rev, err := l.kv.Create(ctx, name, value, jetstream.KeyTTL(l.ttl))
	if err != nil {
		return nil, fmt.Errorf("take lease %s: %w", name, err)
	}
	return &Lease{leases: l, name: name, value: value, token: rev, rev: rev, until: asked.Add(l.ttl)}, nil
}

// Token is the fencing token of this holding.
func (l *Lease) Token() uint64 { return l.token }

// Remaining is how much longer the lease is surely held; zero or less means it may be somebody else's.
func (l *Lease) Remaining() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}

// Keep renews the lease until ctx ends or the lease is lost, and returns why: nil when ctx ended. The caller stops all
// work under the lease before calling Release.
func (l *Lease) Keep(ctx context.Context) error {
	tick := time.NewTicker(l.leases.ttl / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := l.renew(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if LostRace(err) || l.Remaining() <= 0 {
				return fmt.Errorf("lease %s is lost: %w", l.name, err)
			}
		}
	}
}

// renew publishes to the bucket's subject by hand, because the bucket's own Update drops the TTL and the lease would
// then never expire.
func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.leases.ttl/3)
	defer cancel()
	l.mu.Lock()
	rev := l.rev
	l.mu.Unlock()
	asked := time.Now()
	ack, err := l.leases.js.PublishMsg(ctx,
		&nats.Msg{Subject: "$KV." + LeaseBucket + "." + l.name, Data: l.value, Header: nats.Header{}},
		jetstream.WithMsgTTL(l.leases.ttl), jetstream.WithExpectLastSequencePerSubject(rev))
	if LostRace(err) { // our own renewal whose answer was lost looks the same
		e, gerr := l.leases.kv.Get(ctx, l.name)
		if gerr == nil && bytes.Equal(e.Value(), l.value) && e.Revision() > rev {
			l.mu.Lock()
			l.rev = e.Revision()
			l.mu.Unlock()
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("renew lease %s: %w", l.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rev, l.until = ack.Sequence, asked.Add(l.leases.ttl)
	return nil
}

// Release gives the lease up at once, so that another process need not wait for its end.
func (l *Lease) Release(ctx context.Context) error {
	l.mu.Lock()
	l.until = time.Time{}
	rev := l.rev
	l.mu.Unlock()
	err := l.leases.kv.Delete(ctx, l.name, jetstream.LastRevision(rev))
	if err != nil && !LostRace(err) {
		return fmt.Errorf("release lease %s: %w", l.name, err)
	}
	return nil
}
