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
	_, value, err := l.read(ctx, name)
	if err != nil {
		return "", fmt.Errorf("read lease %s: %w", name, err)
	}
	me, _, _ := strings.Cut(string(value), "\n")
	return me, nil
}

// read returns a lease's newest revision and who holds it, nil for nobody. The leader is asked: a replica that is behind
// would show a lease as held that was just given back, or as lost that was just renewed.
func (l *Leases) read(ctx context.Context, name string) (rev uint64, value []byte, err error) {
	m, err := Last(ctx, l.js.Conn(), "KV_"+LeaseBucket, leaseSubject(name))
	switch {
	case err != nil || m == nil:
		return 0, nil, err
	case m.Header.Get("KV-Operation") != "" || m.Header.Get(jetstream.MarkerReasonHeader) != "": // given back or ended
		return m.Sequence, nil, nil
	}
	return m.Sequence, m.Data, nil
}

// write puts a value on a key that does not end by itself.
func (l *Leases) write(ctx context.Context, name string, value []byte, expected uint64) (uint64, error) {
	return l.put(ctx, &nats.Msg{Subject: leaseSubject(name), Data: value, Header: nats.Header{}}, jetstream.WithExpectLastSequencePerSubject(expected))
}

// erase frees a key.
func (l *Leases) erase(ctx context.Context, name string, expected uint64) (uint64, error) {
	return l.put(ctx, &nats.Msg{Subject: leaseSubject(name), Header: nats.Header{"KV-Operation": {"DEL"}}}, jetstream.WithExpectLastSequencePerSubject(expected))
}

// mark puts a key that ends after a while, whatever is there.
func (l *Leases) mark(ctx context.Context, name string, ttl time.Duration) (uint64, error) {
	return l.put(ctx, &nats.Msg{Subject: leaseSubject(name), Data: []byte(l.me), Header: nats.Header{}}, jetstream.WithMsgTTL(ttl))
}

func (l *Leases) put(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (uint64, error) {
	ack, err := l.js.PublishMsg(ctx, m, opts...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

func leaseSubject(name string) string { return "$KV." + LeaseBucket + "." + name }

// publish writes a holding on top of a revision, with its TTL. It is done by hand because the bucket's own Update drops
// the TTL and the lease would then never expire.
func (l *Leases) publish(ctx context.Context, name string, value []byte, expected uint64) (uint64, error) {
	return l.put(ctx, &nats.Msg{Subject: leaseSubject(name), Data: value, Header: nats.Header{}},
		jetstream.WithMsgTTL(l.ttl), jetstream.WithExpectLastSequencePerSubject(expected))
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
	wish := &Lease{leases: l, name: name, value: []byte(l.me + "\n" + uuid.NewString())}
	for {
		err := l.try(ctx, wish)
		if err == nil {
			return wish, nil
		}
		// A lost marker must not make anybody wait for ever: look again once a TTL, sooner if the store did not answer.
		again := l.ttl
		if !errors.Is(err, errHeld) {
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

// errHeld is the answer to who wants a lease that somebody holds.
var errHeld = errors.New("somebody holds it")

// try takes a lease if it is free, or if it is the wish's own already because the answer to an earlier try was lost.
func (l *Leases) try(ctx context.Context, wish *Lease) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	asked := time.Now()
	rev, value, err := l.read(ctx, wish.name)
	if err != nil {
		return fmt.Errorf("take lease %s: %w", wish.name, err)
	}
	switch {
	case bytes.Equal(value, wish.value) && wish.Remaining() > 0:
	case value != nil:
		return errHeld
	default:
		if wish.Remaining() <= 0 { // nothing that could still arrive counts from later than this
			wish.until = asked.Add(l.ttl)
		}
		rev, err = l.publish(ctx, wish.name, wish.value, rev)
		if LostRace(err) {
			return errHeld
		}
		if err != nil {
			return fmt.Errorf("take lease %s: %w", wish.name, err)
		}
		wish.until = asked.Add(l.ttl)
	}
	wish.token, wish.rev = rev, rev
	return nil
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
		err := l.renew(ctx)
		switch {
		case err == nil:
			tick.Reset(l.leases.ttl / 3)
			continue
		case ctx.Err() != nil:
			return nil
		case LostRace(err) || l.Remaining() <= 0:
			return fmt.Errorf("lease %s is lost: %w", l.name, err)
		}
		tick.Reset(l.leases.ttl / 15) // a leader is being elected: there is time for more than one try
	}
}

// renew fails with a lost race only when somebody else has the lease.
func (l *Lease) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.leases.ttl/3)
	defer cancel()
	err := l.extend(ctx)
	if !LostRace(err) {
		return err
	}
	l.mu.Lock()
	rev := l.rev
	l.mu.Unlock()
	if err := l.settle(ctx, rev, err); err != nil {
		return err
	}
	return l.extend(ctx) // it is ours, but nobody can say until when
}

// extend writes the holding anew on top of the last one.
func (l *Lease) extend(ctx context.Context) error {
	l.mu.Lock()
	rev := l.rev
	l.mu.Unlock()
	asked := time.Now()
	next, err := l.leases.publish(ctx, l.name, l.value, rev)
	if err != nil {
		return fmt.Errorf("renew lease %s: %w", l.name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rev, l.until = next, asked.Add(l.leases.ttl)
	return nil
}

// settle finds out who won a renewal's lost race: it may have been an earlier renewal of our own, whose answer was lost or
// which a cluster has not even committed yet.
func (l *Lease) settle(ctx context.Context, rev uint64, refused error) error {
	current, value, err := l.leases.read(ctx, l.name)
	switch {
	case err != nil:
		return fmt.Errorf("renew lease %s: %w", l.name, err)
	case !bytes.Equal(value, l.value):
		return fmt.Errorf("renew lease %s: %w", l.name, refused)
	case current <= rev:
		return fmt.Errorf("renew lease %s: an earlier renewal is not settled yet", l.name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rev = current
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
