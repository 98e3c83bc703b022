// Package ledger is the append-only record of everything decided about shipments. It guarantees that an event is
// appended only on top of the event its author had seen (compare-and-set on the shipment's subject), that a lost answer
// is resolved by reading the subject and comparing event ids, and that every entry carries the whole shipment after it,
// so that the last entry alone decides. It does not decide anything itself: package shipment does.
package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/wire"
)

// callTimeout bounds one append or read when the caller's context does not.
const callTimeout = 5 * time.Second

// Ledger reads and appends. It is safe for concurrent use.
type Ledger struct {
	nc    *nats.Conn
	js    jetstream.JetStream
	epoch string

	commits committer
}

// Open finds the ledger stream, which stream.Ensure has created.
func Open(ctx context.Context, nc *nats.Conn) (*Ledger, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	s, err := js.Stream(ctx, stream.Ledger)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	return &Ledger{nc: nc, js: js, epoch: s.CachedInfo().Created.UTC().Format(time.RFC3339Nano)}, nil
}

// Epoch changes when the stream is created anew: sequences of another epoch mean nothing.
func (l *Ledger) Epoch() string { return l.epoch }

// LastSeq is the sequence of the newest entry of all.
func (l *Ledger) LastSeq(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, err := l.js.Stream(ctx, stream.Ledger)
	if err != nil {
		return 0, fmt.Errorf("ledger position: %w", err)
	}
	return s.CachedInfo().State.LastSeq, nil
}

// LostRace is the error of an append that found another entry on top. Current is what stands there now.
type LostRace struct{ Current shipment.Entry }

func (e *LostRace) Error() string {
	return fmt.Sprintf("shipment %s was changed meanwhile (%s)", e.Current.After.Key, e.Current.Type)
}

// Last reads the newest entry of a shipment from the stream's leader. An unknown shipment gives an Entry with Seq 0.
func (l *Ledger) Last(ctx context.Context, k shipment.Key) (shipment.Entry, error) {
	m, err := stream.Last(ctx, l.nc, stream.Ledger, stream.LedgerSubject(k))
	if err != nil {
		return shipment.Entry{}, fault.Wrap(fault.Unavailable, err, "read ledger of %s", k)
	}
	if m == nil {
		return shipment.Entry{}, nil
	}
	return wire.DecodeEntry(m.Sequence, m.Data)
}

// Append adds e on top of the entry with sequence expected (0: the shipment is new) and returns it with its own
// sequence. Appends that wait at the same time share an atomic batch. It fails with *LostRace when something else is on top, and with a fault.Unavailable error when it is not
// known whether the append happened; a caller that repeats it with the same event id is safe.
func (l *Ledger) Append(ctx context.Context, expected uint64, e shipment.Entry) (shipment.Entry, error) {
	data, err := wire.EncodeEntry(e)
	if err != nil {
		return e, err
	}
	p := &pending{Draft: Draft{Expected: expected, Entry: e}, data: data, turns: make(chan turn, 1)}
	if ctx.Err() != nil {
		r := p.unavailable(ctx.Err())
		return r.Entry, r.Err
	}
	l.commits.enter(p)
	r := l.await(ctx, p)
	return r.Entry, r.Err
}

// single appends by itself.
func (l *Ledger) single(ctx context.Context, p *pending) Result {
	pctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	e := p.Entry
	ack, err := l.js.Publish(pctx, stream.LedgerSubject(e.After.Key), p.data, jetstream.WithExpectLastSequencePerSubject(p.Expected))
	if err == nil {
		e.Seq = ack.Sequence
		return Result{Entry: e}
	}
	e, err = l.resolve(ctx, p.Expected, e, err)
	return Result{Entry: e, Err: err}
}

// resolve finds out what became of an append that was refused or not answered.
func (l *Ledger) resolve(ctx context.Context, expected uint64, e shipment.Entry, cause error) (shipment.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	unknown := func(err error) (shipment.Entry, error) {
		return e, fault.Wrap(fault.Unavailable, err, "append %s of %s", e.Type, e.After.Key)
	}
	for wait := time.Millisecond; ; wait *= 2 {
		current, err := l.Last(ctx, e.After.Key)
		switch {
		case err != nil:
			return unknown(errors.Join(cause, err))
		case current.Seq != 0 && current.ID == e.ID:
			return current, nil
		case !stream.LostRace(cause):
			return unknown(cause)
		case current.Seq != expected:
			return e, &LostRace{Current: current}
		}
		// A cluster refuses on behalf of an append that it has not committed yet, which may be an earlier try of this one.
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return unknown(errors.Join(cause, ctx.Err()))
		}
	}
}

// Step records ev on top of last and appends it. Beyond Append's errors it fails with *shipment.Refusal.
func (l *Ledger) Step(ctx context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error) {
	entry, err := shipment.Record(last.After, ev)
	if err != nil {
		return shipment.Entry{}, err
	}
	return l.Append(ctx, last.Seq, entry)
}

// Change reads the shipment, lets decide choose an event for it, and appends that; after a lost race it decides again
// on what is there then, at most 20 times. decide returning a zero Type means nothing is to be done: Change returns the last entry.
func (l *Ledger) Change(ctx context.Context, k shipment.Key, decide func(last shipment.Entry) (shipment.Event, error)) (shipment.Entry, error) {
	last, err := l.Last(ctx, k)
	for range 20 {
		if err != nil {
			return shipment.Entry{}, err
		}
		ev, derr := decide(last)
		if derr != nil || ev.Type == "" {
			return last, derr
		}
		var e shipment.Entry
		e, err = l.Step(ctx, last, ev)
		var lost *LostRace
		if !errors.As(err, &lost) {
			return e, err
		}
		last, err = lost.Current, nil
	}
	return last, fault.New(fault.Conflict, "shipment %s changes too often: try again", k)
}
