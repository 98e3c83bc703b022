package intake

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/stream"
)

// Stream is the inbox on JetStream: one durable consumer that all replicas share.
type Stream struct{ consumer jetstream.Consumer }

// OpenStream finds or creates the shared consumer. Its acknowledgements are a cursor and nothing more: on a single server
// they may be forgotten by a crash, and everything here stands being delivered again.
func OpenStream(ctx context.Context, js jetstream.JetStream) (*Stream, error) {
	c, err := js.CreateOrUpdateConsumer(ctx, stream.Shipped, jetstream.ConsumerConfig{
		Durable: "intake", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxAckPending: 4 * batch, MaxDeliver: -1})
	if err != nil {
		return nil, fmt.Errorf("open inbox: %w", err)
	}
	return &Stream{c}, nil
}

// Fetch waits up to a second for messages.
func (s *Stream) Fetch(ctx context.Context, limit int) ([]Message, error) {
	fetch, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	got, err := s.consumer.Fetch(limit, jetstream.FetchContext(fetch))
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	var out []Message
	for m := range got.Messages() {
		out = append(out, delivery{m})
	}
	if err := got.Error(); err != nil && len(out) == 0 && !quiet(err) {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return out, nil
}

// quiet reports whether an error only says that nothing came.
func quiet(err error) bool {
	return errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, jetstream.ErrNoMessages)
}

type delivery struct{ jetstream.Msg }

func (d delivery) Position() uint64 {
	md, err := d.Metadata()
	if err != nil {
		return 0
	}
	return md.Sequence.Stream
}

// Stored is when the event reached the inbox; the zero time when that cannot be told.
func (d delivery) Stored() time.Time {
	md, err := d.Metadata()
	if err != nil {
		return time.Time{}
	}
	return md.Timestamp
}

func (d delivery) Later(after time.Duration) error { return d.NakWithDelay(after) }
