package ledger

import (
	"context"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/wire"
)

// Follow calls visit with what is appended after a sequence, in order and in batches made of at most limit entries, until
// ctx ends or visit fails. Of several entries of one shipment in a batch only the newest is given, which holds all that the
// others say of the shipment; so the last of a batch is the newest of all. It survives reconnects and changes of leader. The
// slice is used again after visit returns.
func (l *Ledger) Follow(ctx context.Context, after uint64, limit int, visit func([]shipment.Entry) error) error {
	newest := make(map[string]int, limit) // subject -> place in the batch
	return l.follow(ctx, after, limit, func(msgs []jetstream.Msg, keep []bool) {
		clear(newest)
		for i, m := range msgs {
			newest[m.Subject()] = i
		}
		for i, m := range msgs {
			keep[i] = newest[m.Subject()] == i
		}
	}, visit)
}

// Each is Follow with every entry, but those that skip says true of, which are not even decoded.
func (l *Ledger) Each(ctx context.Context, after uint64, limit int, skip func(data []byte) bool, visit func([]shipment.Entry) error) error {
	return l.follow(ctx, after, limit, func(msgs []jetstream.Msg, keep []bool) {
		for i, m := range msgs {
			keep[i] = !skip(m.Data())
		}
	}, visit)
}

func (l *Ledger) follow(ctx context.Context, after uint64, limit int, choose func(msgs []jetstream.Msg, keep []bool), visit func([]shipment.Entry) error) error {
	batch := make([]shipment.Entry, 0, limit)
	keep := make([]bool, limit)
	var failed error
	err := stream.Follow(ctx, l.js, stream.Ledger, nil, after, limit, func(msgs []jetstream.Msg) error {
		choose(msgs, keep)
		batch, failed = batch[:0], nil
		for i, m := range msgs {
			if !keep[i] {
				continue
			}
			var e shipment.Entry
			md, err := m.Metadata()
			if err == nil {
				e, err = wire.DecodeEntry(md.Sequence.Stream, m.Data())
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
