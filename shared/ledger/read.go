package ledger

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// LastMany reads the newest entries of many shipments at once; unknown ones are absent from the result. It may be
// answered by a follower and thus be a moment behind: for doors that inform, not for decisions.
func (l *Ledger) LastMany(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	const page = 500
	out := make(map[shipment.Key]shipment.Entry, len(keys))
	for len(keys) > 0 {
		n := min(page, len(keys))
		subjects := make([]string, n)
		for i, k := range keys[:n] {
			subjects[i] = stream.LedgerSubject(k)
		}
		keys = keys[n:]
		if err := l.lastOf(ctx, subjects, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Siblings reads the newest entries of the other packages of the orders that keys name, by key; a key whose order has no
// other package is absent. Like LastMany it may be a moment behind.
func (l *Ledger) Siblings(ctx context.Context, keys []shipment.Key) (map[shipment.Key][]shipment.Entry, error) {
	const page = 100 // orders a question; the server answers about a thousand packages at once
	found := map[shipment.Key]shipment.Entry{}
	for rest := keys; len(rest) > 0; {
		n := min(page, len(rest))
		subjects := make([]string, n)
		for i, k := range rest[:n] {
			subjects[i] = stream.LedgerOfOrder(k)
		}
		rest = rest[n:]
		if err := l.lastOf(ctx, subjects, found); err != nil {
			return nil, err
		}
	}
	byOrder := map[shipment.Key][]shipment.Entry{}
	for k, e := range found {
		whole := shipment.Key{Connection: k.Connection, Order: k.Order}
		byOrder[whole] = append(byOrder[whole], e)
	}
	out := map[shipment.Key][]shipment.Entry{}
	for _, k := range keys {
		for _, e := range byOrder[shipment.Key{Connection: k.Connection, Order: k.Order}] {
			if e.After.Package != k.Package {
				out[k] = append(out[k], e)
			}
		}
	}
	return out, nil
}

func (l *Ledger) lastOf(ctx context.Context, subjects []string, out map[shipment.Key]shipment.Entry) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	msgs, err := jetstreamext.GetLastMsgsFor(ctx, l.js, stream.Ledger, subjects)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read ledger")
	}
	for m, err := range msgs {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read ledger")
		}
		e, err := decode(m.Sequence, m.Data)
		if err != nil {
			return err
		}
		out[e.After.Key] = e
	}
	// The iterator ends silently when time is up or the connection is closed; what is missing then is not unknown.
	if ctx.Err() != nil || l.nc.IsClosed() {
		return fault.New(fault.Unavailable, "read ledger: no complete answer within %s", callTimeout)
	}
	return nil
}

// History reads all entries of a shipment, oldest first.
func (l *Ledger) History(ctx context.Context, k shipment.Key) ([]shipment.Entry, error) {
	var out []shipment.Entry
	err := l.scan(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{stream.LedgerSubject(k)}}, func(e shipment.Entry) error {
		out = append(out, e)
		return nil
	})
	return out, err
}

// Heads calls visit with the newest entry of every shipment (of one connection, or of all for ""), in the order of their
// sequences, and returns the sequence of the last one. It ends where the stream ended when it was called.
func (l *Ledger) Heads(ctx context.Context, c shipment.ConnectionID, visit func(shipment.Entry) error) (uint64, error) {
	filter := "fertig.ledger.>"
	if c != "" {
		filter = stream.LedgerOf(c)
	}
	var last uint64
	err := l.scan(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy},
		func(e shipment.Entry) error {
			last = e.Seq
			return visit(e)
		})
	return last, err
}

// All calls visit with every entry there is, oldest first.
func (l *Ledger) All(ctx context.Context, visit func(shipment.Entry) error) error {
	return l.scan(ctx, jetstream.OrderedConsumerConfig{}, visit)
}

func (l *Ledger) scan(ctx context.Context, cfg jetstream.OrderedConsumerConfig, visit func(shipment.Entry) error) error {
	var failed error // of visit or of decoding: not the stream's
	err := stream.Scan(ctx, l.js, stream.Ledger, cfg, func(m jetstream.Msg, seq uint64) error {
		e, err := decode(seq, m.Data())
		if err == nil {
			err = visit(e)
		}
		failed = err
		return err
	})
	if err != nil && failed == nil {
		return fault.Wrap(fault.Unavailable, err, "read ledger")
	}
	return err
}

// Follow calls visit with everything appended after a sequence, in order and in batches of at most limit, until ctx ends
// or visit fails. It survives reconnects and changes of leader. The slice is used again after visit returns.
func (l *Ledger) Follow(ctx context.Context, after uint64, limit int, visit func([]shipment.Entry) error) error {
	batch := make([]shipment.Entry, 0, limit)
	var failed error
	err := stream.Follow(ctx, l.js, stream.Ledger, nil, after, limit, func(msgs []jetstream.Msg) error {
		batch, failed = batch[:0], nil
		for _, m := range msgs {
			var e shipment.Entry
			md, err := m.Metadata()
			if err == nil {
				e, err = decode(md.Sequence.Stream, m.Data())
			}
			if err != nil {
				failed = err
				return err
			}
			batch = append(batch, e)
		}
		failed = visit(batch)
		return failed
	})
	if err != nil && failed == nil {
		return fault.Wrap(fault.Unavailable, err, "follow ledger")
	}
	return err
}
