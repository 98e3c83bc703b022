package ledger

import (
	"context"
	"errors"
	"fmt"

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

// scan reads what a consumer finds until nothing is pending.
func (l *Ledger) scan(ctx context.Context, cfg jetstream.OrderedConsumerConfig, visit func(shipment.Entry) error) error {
	c, err := l.js.OrderedConsumer(ctx, stream.Ledger, cfg)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read ledger")
	}
	info, err := c.Info(ctx)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read ledger")
	}
	if info.NumPending == 0 && info.Delivered.Stream == 0 {
		return nil
	}
	it, err := c.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read ledger")
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read ledger")
		}
		md, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		e, err := decode(md.Sequence.Stream, m.Data())
		if err != nil {
			return err
		}
		if err := visit(e); err != nil {
			return err
		}
		if md.NumPending == 0 {
			return nil
		}
	}
}

// Follow calls visit with everything appended after a sequence, in order and in batches of at most limit, until ctx ends
// or visit fails. It survives reconnects and changes of leader.
func (l *Ledger) Follow(ctx context.Context, after uint64, limit int, visit func([]shipment.Entry) error) error {
	cfg := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1}
	c, err := l.js.OrderedConsumer(ctx, stream.Ledger, cfg)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "follow ledger")
	}
	it, err := c.Messages(jetstream.PullMaxMessages(2 * limit))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "follow ledger")
	}
	defer it.Stop()
	batch := make([]shipment.Entry, 0, limit)
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fault.Wrap(fault.Unavailable, err, "follow ledger")
		}
		md, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("follow ledger: %w", err)
		}
		e, err := decode(md.Sequence.Stream, m.Data())
		if err != nil {
			return err
		}
		batch = append(batch, e)
		if len(batch) == limit || md.NumPending == 0 {
			if err := visit(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
}
