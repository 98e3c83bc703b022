package ledger

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/wire"
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
		e, err := wire.DecodeEntry(m.Sequence, m.Data)
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

// All calls visit with every entry there is, oldest first.
func (l *Ledger) All(ctx context.Context, visit func(shipment.Entry) error) error {
	return l.scan(ctx, jetstream.OrderedConsumerConfig{}, visit)
}

func (l *Ledger) scan(ctx context.Context, cfg jetstream.OrderedConsumerConfig, visit func(shipment.Entry) error) error {
	var failed error // of visit or of decoding: not the stream's
	err := stream.Scan(ctx, l.js, stream.Ledger, cfg, func(m jetstream.Msg, seq uint64) error {
		e, err := wire.DecodeEntry(seq, m.Data())
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
