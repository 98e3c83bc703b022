package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// callTimeout bounds one question to the store.
const callTimeout = 5 * time.Second

// Book keeps what is known of orders. It is safe for concurrent use.
type Book struct {
	nc *nats.Conn
	js jetstream.JetStream

	any    atomic.Bool // something is known
	looked atomic.Int64
}

// Open opens the book over a connection.
func Open(nc *nats.Conn) (*Book, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open order knowledge: %w", err)
	}
	return &Book{nc: nc, js: js}, nil
}

// lookEvery is how often a book is looked into that was empty before.
const lookEvery = time.Second

// Empty reports whether nothing is known of any order. It costs next to nothing, and may be a second behind.
func (b *Book) Empty(ctx context.Context, now time.Time) bool {
	if b.any.Load() {
		return false
	}
	if last := b.looked.Load(); now.UnixNano()-last < int64(lookEvery) || !b.looked.CompareAndSwap(last, now.UnixNano()) {
		return true
	}
	m, err := stream.Last(ctx, b.nc, stream.Orders, stream.OrdersOf(""))
	if err == nil && m != nil {
		b.any.Store(true)
		return false
	}
	return err == nil
}

// tries is how often Put begins again with an order that somebody else has written meanwhile: each time somebody got
// through.
const tries = 50

// Put adds news of orders to what is known, and writes what changes it. An error leaves some of them written; doing it
// again is harmless.
func (b *Book) Put(ctx context.Context, news ...Order) error {
	for range tries {
		lost, err := b.put(ctx, news)
		if err != nil || len(lost) == 0 {
			return err
		}
		news = lost
	}
	return fault.New(fault.Unavailable, "write order %s: others keep writing it", news[0].ID)
}

// put returns the orders that somebody else has written meanwhile.
func (b *Book) put(ctx context.Context, news []Order) ([]Order, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	subjects := make([]string, len(news))
	for i, o := range news {
		subjects[i] = stream.OrderSubject(o.Connection, o.ID)
	}
	known, err := b.last(ctx, subjects)
	if err != nil {
		return nil, err
	}
	type write struct {
		of  Order
		ack jetstream.PubAckFuture
	}
	var writes []write
	for i, o := range news {
		was := known[subjects[i]]
		merged, changed := Merge(was.Order, o)
		if !changed {
			continue
		}
		if merged.OwnNumber != "" && Normal(merged.OwnNumber) != Normal(was.OwnNumber) { // first: what is found by it is looked up next
			if err := b.number(ctx, merged); err != nil {
				return nil, err
			}
		}
		data, err := json.Marshal(merged)
		if err != nil {
			return nil, fmt.Errorf("write order %s: %w", o.ID, err)
		}
		ack, err := b.js.PublishAsync(subjects[i], data, jetstream.WithExpectLastSequencePerSubject(was.seq), jetstream.WithStallWait(callTimeout))
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "write order %s", o.ID)
		}
		writes = append(writes, write{o, ack})
	}
	var lost []Order
	for _, w := range writes {
		select {
		case <-w.ack.Ok():
		case err := <-w.ack.Err():
			if !stream.LostRace(err) {
				return nil, fault.Wrap(fault.Unavailable, err, "write order %s", w.of.ID)
			}
			lost = append(lost, w.of)
		case <-ctx.Done():
			return nil, fault.Wrap(fault.Unavailable, ctx.Err(), "write order %s", w.of.ID)
		}
	}
	return lost, nil
}

// number notes which order an own number stands for, beside the others it stands for.
func (b *Book) number(ctx context.Context, o Order) error {
	subject := stream.OwnNumberSubject(o.Connection, Normal(o.OwnNumber))
	for range tries {
		m, err := stream.Last(ctx, b.nc, stream.Orders, subject)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read own number of order %s", o.ID)
		}
		var seq uint64
		var ids []string
		if m != nil {
			seq, ids = m.Sequence, strings.Fields(string(m.Data))
		}
		if slices.Contains(ids, o.ID) || len(ids) >= ambiguous {
			return nil
		}
		_, err = b.js.Publish(ctx, subject, []byte(strings.Join(append(ids, o.ID), " ")), jetstream.WithExpectLastSequencePerSubject(seq))
		if err == nil {
			return nil
		}
		if !stream.LostRace(err) {
			return fault.Wrap(fault.Unavailable, err, "write own number of order %s", o.ID)
		}
	}
	return fault.New(fault.Unavailable, "write own number of order %s: others keep writing it", o.ID)
}

// ambiguous is how many orders of one own number are kept: more than one is more than can be told apart.
const ambiguous = 2

// read is an order as it stands in the stream.
type read struct {
	Order
	seq uint64
}

// page is how many orders are read at once.
const page = 500

// last reads the newest knowledge on subjects; what is unknown is absent. Answered by any replica, it may be a moment
// behind.
func (b *Book) last(ctx context.Context, subjects []string) (map[string]read, error) {
	out := make(map[string]read, len(subjects))
	err := b.each(ctx, subjects, func(m *jetstream.RawStreamMsg) error {
		r := read{seq: m.Sequence}
		if err := json.Unmarshal(m.Data, &r.Order); err != nil {
			return fmt.Errorf("read order at %d: %w", m.Sequence, err)
		}
		out[m.Subject] = r
		return nil
	})
	return out, err
}

func (b *Book) each(ctx context.Context, subjects []string, visit func(*jetstream.RawStreamMsg) error) error {
	for len(subjects) > 0 {
		n := min(page, len(subjects))
		if err := b.some(ctx, subjects[:n], visit); err != nil {
			return err
		}
		subjects = subjects[n:]
	}
	return nil
}

func (b *Book) some(ctx context.Context, subjects []string, visit func(*jetstream.RawStreamMsg) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	msgs, err := jetstreamext.GetLastMsgsFor(ctx, b.js, stream.Orders, subjects)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read order knowledge")
	}
	for m, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read order knowledge")
		}
		if err := visit(m); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || b.nc.IsClosed() { // the iterator ends silently then
		return fault.New(fault.Unavailable, "read order knowledge: no complete answer within %s", callTimeout)
	}
	return nil
}

// Get reads what is known of orders of a connection by their ids; what is unknown is absent. It may be a moment behind.
func (b *Book) Get(ctx context.Context, c shipment.ConnectionID, ids ...string) (map[string]Order, error) {
	subjects := make([]string, 0, len(ids))
	for _, id := range ids {
		subjects = append(subjects, stream.OrderSubject(c, id))
	}
	known, err := b.last(ctx, subjects)
	out := make(map[string]Order, len(known))
	for _, r := range known {
		out[r.ID] = r.Order
	}
	return out, err
}

// Find returns the ids of the orders that own numbers stand for, of which several mean that the number cannot tell; numbers
// nobody knows are absent.
func (b *Book) Find(ctx context.Context, c shipment.ConnectionID, ownNumbers ...string) (map[string][]string, error) {
	bySubject := map[string][]string{}
	var subjects []string
	for _, n := range ownNumbers {
		s := stream.OwnNumberSubject(c, Normal(n))
		if bySubject[s] == nil {
			subjects = append(subjects, s)
		}
		bySubject[s] = append(bySubject[s], n)
	}
	out := map[string][]string{}
	err := b.each(ctx, subjects, func(m *jetstream.RawStreamMsg) error {
		for _, n := range bySubject[m.Subject] {
			out[n] = strings.Fields(string(m.Data))
		}
		return nil
	})
	return out, err
}

// Follow calls hear with what is known of every order of a connection (of all for "") and then with news, until ctx ends.
func (b *Book) Follow(ctx context.Context, c shipment.ConnectionID, hear func(Order)) error {
	return b.follow(ctx, stream.OrdersOf(c), func(data []byte) error {
		var o Order
		if err := json.Unmarshal(data, &o); err != nil {
			return fmt.Errorf("read order: %w", err)
		}
		hear(o)
		return nil
	})
}

// EachOpen calls visit with every order of a connection that is known as open.
func (b *Book) EachOpen(ctx context.Context, c shipment.ConnectionID, visit func(Order)) error {
	err := stream.Scan(ctx, b.js, stream.Orders, jetstream.OrderedConsumerConfig{FilterSubjects: []string{stream.OrdersOf(c)}}, func(m jetstream.Msg, seq uint64) error {
		var o Order
		if err := json.Unmarshal(m.Data(), &o); err != nil {
			return fmt.Errorf("read order at %d: %w", seq, err)
		}
		if o.Status.Open() {
			visit(o)
		}
		return nil
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read open orders of %s", c)
	}
	return nil
}

// FollowSweeps calls hear with the last sweep of every connection and then with news of sweeps, until ctx ends.
func (b *Book) FollowSweeps(ctx context.Context, hear func(Sweep)) error {
	return b.follow(ctx, stream.SweepSubject("*"), func(data []byte) error {
		var s Sweep
		if err := json.Unmarshal(data, &s); err != nil {
			return fmt.Errorf("read sweep: %w", err)
		}
		hear(s)
		return nil
	})
}

func (b *Book) follow(ctx context.Context, subject string, take func([]byte) error) error {
	return stream.Follow(ctx, b.js, stream.Orders, []string{subject}, 0, page, func(ms []jetstream.Msg) error {
		for _, m := range ms {
			if err := take(m.Data()); err != nil {
				return err
			}
		}
		return nil
	})
}

// Swept returns the last sweep of a connection as the stream's leader knows it; a zero one when there was none.
func (b *Book) Swept(ctx context.Context, c shipment.ConnectionID) (Sweep, error) {
	m, err := stream.Last(ctx, b.nc, stream.Orders, stream.SweepSubject(c))
	if err != nil {
		return Sweep{}, fault.Wrap(fault.Unavailable, err, "read last sweep of %s", c)
	}
	var s Sweep
	if m == nil {
		return s, nil
	}
	if err := json.Unmarshal(m.Data, &s); err != nil {
		return s, fmt.Errorf("read last sweep of %s: %w", c, err)
	}
	return s, nil
}

// Record keeps where a sweep stands.
func (b *Book) Record(ctx context.Context, s Sweep) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("record sweep of %s: %w", s.Connection, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := b.js.Publish(ctx, stream.SweepSubject(s.Connection), data); err != nil {
		return fault.Wrap(fault.Unavailable, err, "record sweep of %s", s.Connection)
	}
	return nil
}
