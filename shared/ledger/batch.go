package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/wire"
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
// must be for different shipments. They go a thousand at a time, so that others who append meanwhile need not wait for
// all of them.
func (l *Ledger) AppendAll(ctx context.Context, drafts []Draft) []Result {
	out := make([]Result, len(drafts))
	for from := 0; from < len(drafts); from += batchMax {
		to := min(from+batchMax, len(drafts))
		l.appendSome(ctx, drafts[from:to], out[from:to])
	}
	return out
}

func (l *Ledger) appendSome(ctx context.Context, drafts []Draft, out []Result) {
	turns := make(chan turn, len(drafts))
	ps := make([]*pending, 0, len(drafts))
	for i, d := range drafts {
		data, err := wire.EncodeEntry(d.Entry)
		if err != nil {
			out[i] = Result{Entry: d.Entry, Err: err}
			continue
		}
		ps = append(ps, &pending{Draft: d, data: data, turns: turns, index: i})
	}
	if ctx.Err() != nil {
		for _, p := range ps {
			out[p.index] = p.unavailable(ctx.Err())
		}
		return
	}
	l.commits.enter(ps...)
	var side sync.WaitGroup // single appends, and batches led for others
	defer side.Wait()
	ended := ctx.Done()
	for open := len(ps); open > 0; {
		select {
		case t := <-turns:
			if t.result != nil {
				out[t.p.index] = *t.result
				open--
				continue
			}
			side.Go(func() {
				if r := l.take(ctx, t); r != nil {
					t.p.tell(*r)
				}
			})
		case <-ended:
			ended = nil
			for _, p := range ps {
				if l.commits.leave(p) {
					out[p.index] = p.unavailable(ctx.Err())
					open--
				}
			}
		}
	}
}

// rounds bounds how often a refused batch is tried again; what is left then is appended one by one.
const rounds = 4

// commit appends a group in one atomic batch and tells each its result. A refused batch has appended nothing: its losers
// are found by reading and told so, the rest is committed again. What it cannot settle that way it returns.
func (l *Ledger) commit(ctx context.Context, group []*pending) (left []*pending) {
	pause := time.Millisecond
	for range rounds {
		err := l.publish(ctx, group)
		if err == nil {
			return nil
		}
		var refused *jetstream.APIError
		sure := errors.As(err, &refused)
		if sure && !stream.LostRace(err) {
			return group // each finds out by itself what is the matter
		}
		rest, read := l.sort(ctx, group)
		if read != nil || !sure {
			for _, p := range rest {
				p.tell(p.unavailable(errors.Join(err, read)))
			}
			return nil
		}
		if len(rest) < batchFrom {
			return rest
		}
		if len(rest) == len(group) { // a cluster may refuse on behalf of an append that it has not committed yet
			time.Sleep(pause)
			pause *= 2
		}
		group = rest
	}
	return group
}

// publish appends all or none. The sequences of the entries are known from the last one's acknowledgement.
func (l *Ledger) publish(ctx context.Context, group []*pending) error {
	msgs := make([]*nats.Msg, len(group))
	for i, p := range group {
		m := nats.NewMsg(stream.LedgerSubject(p.Entry.After.Key))
		m.Data = p.data
		m.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(p.Expected, 10))
		msgs[i] = m
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	// Asking for an acknowledgement of the first message would cost a round trip; the last one's says it all.
	ack, err := jetstreamext.PublishMsgBatch(ctx, l.js, msgs, jetstreamext.BatchFlowControl{AckTimeout: callTimeout})
	if err != nil {
		return fmt.Errorf("append a batch of %d: %w", len(group), err)
	}
	for i, p := range group {
		p.Entry.Seq = ack.Sequence - uint64(len(group)-1-i)
		p.tell(Result{Entry: p.Entry})
	}
	return nil
}

// sort reads what stands where a batch was to be appended and tells those whose fate that decides: the entry is there
// already, or another one is. The rest is returned, as is an error that kept it from reading. A follower may answer and
// be behind, so what seems untouched need not be; an entry it does show is there.
func (l *Ledger) sort(ctx context.Context, group []*pending) ([]*pending, error) {
	keys := make([]shipment.Key, len(group))
	for i, p := range group {
		keys[i] = p.Entry.After.Key
	}
	there, err := l.LastMany(ctx, keys)
	if err != nil {
		return group, err
	}
	rest := group[:0:0]
	for _, p := range group {
		current := there[p.Entry.After.Key]
		switch {
		case current.Seq != 0 && current.ID == p.Entry.ID:
			p.tell(Result{Entry: current})
		case current.Seq > p.Expected:
			p.tell(Result{Entry: p.Entry, Err: &LostRace{Current: current}})
		default:
			rest = append(rest, p)
		}
	}
	return rest, nil
}
