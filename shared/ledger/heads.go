package ledger

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/wire"
)

// Heads calls visit with the newest entry of every shipment (of one connection, or of all for ""), in the order of their
// sequences, and returns the sequence of the last one. It ends where the stream ended when it was called.
func (l *Ledger) Heads(ctx context.Context, c shipment.ConnectionID, visit func(shipment.Entry) error) (uint64, error) {
	return l.HeadsBut(ctx, c, nil, visit)
}

// HeadsBut is Heads without the shipments that skip says true of, which cost almost nothing. skip may be called from
// several goroutines, and of a shipment it would skip visit may be told all the same.
func (l *Ledger) HeadsBut(ctx context.Context, c shipment.ConnectionID, skip func(state shipment.State, since time.Time) bool, visit func(shipment.Entry) error) (uint64, error) {
	filter := "fertig.ledger.>"
	if c != "" {
		filter = stream.LedgerOf(c)
	}
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &reader{skip: skip, visit: visit, stop: cancel, lumps: make(chan *lump, lumpsAhead), current: &lump{}}
	visited := make(chan struct{})
	go func() {
		defer close(visited)
		r.deliver()
	}()
	err := stream.Scan(ctx, l.js, stream.Ledger, cfg, func(m jetstream.Msg, seq uint64) error {
		md, err := m.Metadata()
		if err != nil {
			return err
		}
		r.delivered(md.Consumer)
		return r.take(ctx, seq, m.Data())
	})
	if err == nil {
		err = r.hand(ctx)
	}
	close(r.lumps)
	<-visited
	if r.err != nil {
		return r.last, r.err
	}
	if err != nil {
		return r.last, fault.Wrap(fault.Unavailable, err, "read ledger")
	}
	return r.last, nil
}

const (
	lumpSize   = 200 // messages decoded by one goroutine
	lumpsAhead = 8   // lumps under way: what bounds the goroutines
)

// reader decodes messages side by side and gives them to visit in their order.
type reader struct {
	skip    func(shipment.State, time.Time) bool
	by      string // the consumer that delivers
	visit   func(shipment.Entry) error
	stop    context.CancelFunc
	lumps   chan *lump
	current *lump
	last    uint64
	err     error // of visit or of decoding; belongs to deliver
}

type lump struct {
	seqs    []uint64
	raw     [][]byte
	entries []shipment.Entry
	err     error
	ready   chan struct{}
}

// delivered takes note of who delivers. A consumer that took another one's place in the middle begins where that one was and
// knows nothing of newest entries: it delivers what was superseded, too. Who is told of such an entry must be told of the
// one that superseded it, so nothing is skipped from there on.
func (r *reader) delivered(by string) {
	if r.by != "" && r.by != by {
		r.skip = nil
	}
	r.by = by
}

func (r *reader) take(ctx context.Context, seq uint64, data []byte) error {
	r.current.seqs, r.current.raw = append(r.current.seqs, seq), append(r.current.raw, data)
	if r.last = seq; len(r.current.raw) < lumpSize {
		return nil
	}
	return r.hand(ctx)
}

// hand lets the messages taken so far be decoded and visited.
func (r *reader) hand(ctx context.Context) error {
	l := r.current
	l.ready = make(chan struct{})
	r.current = &lump{}
	select {
	case r.lumps <- l:
	case <-ctx.Done():
		return ctx.Err()
	}
	skip := r.skip
	go func() { // ends by itself; deliver waits for it
		defer close(l.ready)
		l.decode(skip)
	}()
	return nil
}

func (l *lump) decode(skip func(shipment.State, time.Time) bool) {
	for i, data := range l.raw {
		if skip != nil {
			if state, since, ok := wire.Glance(data); ok && skip(state, since) {
				continue
			}
		}
		e, err := wire.DecodeEntry(l.seqs[i], data)
		if err != nil {
			l.err = err
			return
		}
		l.entries = append(l.entries, e)
	}
	l.raw = nil
}

func (r *reader) deliver() {
	for l := range r.lumps {
		<-l.ready
		for i := 0; i < len(l.entries) && r.err == nil; i++ {
			r.err = r.visit(l.entries[i])
		}
		if r.err == nil {
			r.err = l.err
		}
		if r.err != nil {
			r.stop()
		}
	}
}
