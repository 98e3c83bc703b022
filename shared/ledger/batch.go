package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// An atomic batch costs about four syncs whatever its size, at most 1000 messages; below batchFrom single appends win.
const (
	batchFrom = 16
	batchMax  = 1000

	sideBySide = 32 // single appends under way at once
)

// Draft is an entry that waits to be appended on top of the sequence its author had seen.
type Draft struct {
	Expected uint64
	Entry    shipment.Entry
}

// Result is what became of a draft: the entry with its sequence, or the error Append would have given.
type Result struct {
	Entry shipment.Entry
	Err   error
}

// AppendAll appends many drafts, each by its own compare-and-set; one that loses does not hold the others back. Drafts
// must be for different shipments. From sixteen on they share atomic batches.
func (l *Ledger) AppendAll(ctx context.Context, drafts []Draft) []Result {
	out := make([]Result, 0, len(drafts))
	for len(drafts) > 0 {
		n := min(batchMax, len(drafts))
		if n < batchFrom || l.commit(ctx, drafts[:n]) != nil {
			out = append(out, l.singles(ctx, drafts[:n])...)
		} else {
			for _, d := range drafts[:n] {
				out = append(out, Result{Entry: d.Entry})
			}
		}
		drafts = drafts[n:]
	}
	return out
}

// commit appends all drafts or none. The sequences of the entries are known from the last one's acknowledgement.
func (l *Ledger) commit(ctx context.Context, drafts []Draft) error {
	msgs := make([]*nats.Msg, len(drafts))
	for i, d := range drafts {
		data, err := json.Marshal(d.Entry)
		if err != nil {
			return fmt.Errorf("encode ledger entry of %s: %w", d.Entry.After.Key, err)
		}
		m := nats.NewMsg(stream.LedgerSubject(d.Entry.After.Key))
		m.Data = data
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(d.Expected, 10))
		msgs[i] = m
	}
	select {
	case l.batch <- struct{}{}:
		defer func() { <-l.batch }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ack, err := jetstreamext.PublishMsgBatch(ctx, l.js, msgs)
	if err != nil {
		return fmt.Errorf("append a batch of %d: %w", len(drafts), err)
	}
	for i := range drafts {
		drafts[i].Entry.Seq = ack.Sequence - uint64(len(drafts)-1-i)
	}
	return nil
}

// singles appends drafts side by side, which also finds out what became of each after a refused or unanswered batch.
func (l *Ledger) singles(ctx context.Context, drafts []Draft) []Result {
	out := make([]Result, len(drafts))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(sideBySide, len(drafts)) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(drafts)); i = next.Add(1) - 1 {
				out[i].Entry, out[i].Err = l.Append(ctx, drafts[i].Expected, drafts[i].Entry)
			}
		})
	}
	workers.Wait()
	return out
}
