package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/stream"
)

// Stream is the inbox on JetStream: one durable consumer that all replicas share.
type Stream struct{ consumer jetstream.Consumer }

const (
	most      = 1000                  // messages handed over at once
	mostBytes = 2 * event.MaxTogether // and about how much of them
	ahead     = 256                   // messages the server sends before they are asked for; the rest is for other replicas
	lull      = 5 * time.Millisecond
	pipeline  = 4 // batches that intake may have in hand, of which it has not acknowledged all
)

// OpenStream finds or creates the shared consumer. Its acknowledgements are a cursor and nothing more: on a single server
// they may be forgotten by a crash, and everything here stands being delivered again.
func OpenStream(ctx context.Context, js jetstream.JetStream) (*Stream, error) {
	c, err := js.CreateOrUpdateConsumer(ctx, stream.Shipped, jetstream.ConsumerConfig{
		Durable: "intake", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: 8 * most, MaxDeliver: -1})
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	return &Stream{c}, nil
}

// Receive hands over messages as they come, until ctx ends (nil then) or visit fails. A message waits for others only
// while the server says that there are more. At its end what was not acknowledged goes back, so that whoever receives next
// need not wait for it.
func (s *Stream) Receive(ctx context.Context, visit func([]Message) error) error {
	it, err := s.consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(ahead, 4*mostBytes))
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	var batch []Message
	var under [][]Message // batches handed over last, which may not be acknowledged yet
	defer func() { giveBack(it, append(under, batch)) }()
	for bytes := 0; ; {
		m, err := next(ctx, it, len(batch) > 0)
		idle := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		if err != nil && !idle {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("receive: %w", err)
		}
		flush := idle
		if err == nil {
			md, err := m.Metadata()
			if err != nil {
				return fmt.Errorf("receive: %w", err)
			}
			batch, bytes = append(batch, delivery{m, md}), bytes+len(m.Data())
			flush = md.NumPending == 0 || len(batch) == most || bytes >= mostBytes
		}
		if flush && len(batch) > 0 {
			under = append(under[max(0, len(under)+1-pipeline):], batch)
			full := batch
			batch, bytes = nil, 0
			if err := visit(full); err != nil {
				return err
			}
		}
	}
}

// giveBack asks for messages to be delivered again at once: those fetched ahead, and those of batches, where the
// acknowledged ones take no notice.
func giveBack(it jetstream.MessagesContext, batches [][]Message) {
	it.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			break
		}
		_ = m.Nak() // without it the message comes again after AckWait
	}
	for _, b := range batches {
		for _, m := range b {
			_ = m.Later(0)
		}
	}
}

// next waits for a message: briefly while others wait for it, which another replica may have been given instead.
func next(ctx context.Context, it jetstream.MessagesContext, brief bool) (jetstream.Msg, error) {
	most := time.Hour
	if brief {
		most = lull
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return it.Next(jetstream.NextContext(ctx))
}

type delivery struct {
	jetstream.Msg
	md *jetstream.MsgMetadata
}

func (d delivery) Position() uint64 { return d.md.Sequence.Stream }

// Stored is when the event reached the inbox.
func (d delivery) Stored() time.Time { return d.md.Timestamp }

func (d delivery) Later(after time.Duration) error {
	if after <= 0 {
		return d.Nak()
	}
	return d.NakWithDelay(after)
}
