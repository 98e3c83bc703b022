// Package publish tells whoever reported a shipment what became of it: CloudEvents on FERTIG_EVENTS, made from the ledger.
// It owns which entry is told and how, and guarantees that everything told is in the ledger, in the ledger's order, at
// least once and with the same id each time; what was told last is also its only cursor, written with compare-and-set, so
// that of two publishers one goes on and nothing is left out between them. It decides nothing, and nobody waits for it.
package publish

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// Ledger is what is followed.
type Ledger interface {
	Epoch() string
	LastSeq(ctx context.Context) (uint64, error)
	Each(ctx context.Context, after uint64, limit int, skip func(data []byte) bool, visit func([]shipment.Entry) error) error
}

// Publisher publishes. Run should be called once at a time, under a lease; two at once only waste work.
type Publisher struct {
	NATS   *nats.Conn
	JS     jetstream.JetStream
	Ledger Ledger
	Now    func() time.Time
	Logger *slog.Logger
}

const (
	batch       = 1000                  // entries looked at, and events published, together
	rest        = 50 * time.Millisecond // between batches: one of a thousand costs about as much as one of ten
	callTimeout = 10 * time.Second
	oldest      = 30 * 24 * time.Hour // of what is told when nothing was told before: the stream keeps no more
)

// The headers by which an event says where it stands in the ledger.
const (
	headerSequence = "Fertig-Ledger-Sequence"
	headerEpoch    = "Fertig-Ledger-Epoch"
)

// errMoved says that somebody else has published.
var errMoved = errors.New("somebody else has published")

// Run publishes until ctx ends. It fails when NATS cannot be reached; calling it again goes on where it was.
func (p *Publisher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		at, err := p.position(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		err = p.follow(ctx, at)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errMoved):
			p.Logger.Warn("events: going on from what somebody else has published")
		case err != nil:
			return err
		}
	}
	return nil
}

// position is where publishing stands.
type position struct {
	ledger uint64    // the entry told last
	events uint64    // last sequence of the stream
	since  time.Time // older entries are not told any more
}

func (p *Publisher) position(ctx context.Context) (position, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, err := p.JS.Stream(ctx, stream.Events)
	if err != nil {
		return position{}, fault.Wrap(fault.Unavailable, err, "look for the last event")
	}
	at := position{events: s.CachedInfo().State.LastSeq, since: p.Now().Add(-oldest)}
	last, err := stream.Last(ctx, p.NATS, stream.Events, stream.EventSubjects)
	if err != nil || last == nil {
		return at, err
	}
	end, err := p.Ledger.LastSeq(ctx)
	if err != nil {
		return at, err
	}
	seq, err := strconv.ParseUint(last.Header.Get(headerSequence), 10, 64)
	if err != nil || last.Header.Get(headerEpoch) != p.Ledger.Epoch() || seq > end { // another ledger: told anew, with the same ids
		return at, nil
	}
	at.ledger = seq
	return at, nil
}

func (p *Publisher) follow(ctx context.Context, at position) error {
	pause := time.NewTimer(0)
	defer pause.Stop()
	return p.Ledger.Each(ctx, at.ledger, batch, silent, func(entries []shipment.Entry) error {
		var msgs []*nats.Msg
		for _, e := range entries {
			w := WordFor(e)
			if w == "" || e.At.Before(at.since) {
				continue
			}
			m, err := p.message(w, e)
			if err != nil {
				return err
			}
			msgs = append(msgs, m)
		}
		if len(msgs) == 0 {
			return nil
		}
		if err := p.publish(ctx, msgs, at.events); err != nil {
			return err
		}
		at.events += uint64(len(msgs))
		pause.Reset(rest)
		select {
		case <-pause.C:
		case <-ctx.Done():
		}
		return nil
	})
}

func (p *Publisher) message(w Word, e shipment.Entry) (*nats.Msg, error) {
	body, err := Encode(w, e)
	if err != nil {
		return nil, err
	}
	m := nats.NewMsg(stream.EventSubject(e.After.Connection, e.After.Account))
	m.Data = body
	m.Header.Set(headerSequence, strconv.FormatUint(e.Seq, 10))
	m.Header.Set(headerEpoch, p.Ledger.Epoch())
	return m, nil
}

// publish puts messages on top of a sequence, all of them or none.
func (p *Publisher) publish(ctx context.Context, msgs []*nats.Msg, expected uint64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	msgs[0].Header.Set(jetstream.ExpectedLastSeqHeader, strconv.FormatUint(expected, 10))
	var err error
	if len(msgs) == 1 {
		_, err = p.JS.PublishMsg(ctx, msgs[0])
	} else {
		_, err = jetstreamext.PublishMsgBatch(ctx, p.JS, msgs, jetstreamext.BatchFlowControl{AckTimeout: callTimeout})
	}
	switch {
	case err == nil:
		return nil
	case stream.LostRace(err):
		return errMoved
	}
	return fault.Wrap(fault.Unavailable, err, "publish %d events", len(msgs))
}

// silent tells entries apart that are never told, before they are decoded: half of all are attempts.
func silent(data []byte) bool {
	const head = 120 // {"id":"<36 characters>","type":"attempt"
	return bytes.Contains(data[:min(head, len(data))], attempted)
}

var attempted = []byte(`"type":"attempt"`)
