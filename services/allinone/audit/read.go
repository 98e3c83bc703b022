package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// Read fills in what an installation recorded: the whole ledger and everything rejected.
func (b *Books) Read(ctx context.Context, js jetstream.JetStream, l *ledger.Ledger) error {
	b.Ledger, b.Rejected = nil, nil
	if err := l.All(ctx, func(e shipment.Entry) error { b.Ledger = append(b.Ledger, e); return nil }); err != nil {
		return err
	}
	s, err := js.Stream(ctx, stream.Invalid)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read rejected input")
	}
	info := s.CachedInfo().State
	for seq := info.FirstSeq; seq != 0 && seq <= info.LastSeq; seq++ {
		m, err := s.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read rejected input")
		}
		var r door.Rejected
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("decode rejected input %d: %w", seq, err)
		}
		b.Rejected = append(b.Rejected, r)
	}
	return nil
}
