// Package invalid reads what the doors could not use: reports that contradict known ones, rows of carrier files. It owns
// nothing of the stream but the way to follow it, and guarantees the order of recording. It does not repair or delete.
package invalid

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/stream"
)

// Reader follows the stream of invalid input. It is safe for concurrent use.
type Reader struct{ js jetstream.JetStream }

// Open makes a reader over the stream that stream.Ensure has created.
func Open(nc *nats.Conn) (*Reader, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open invalid input: %w", err)
	}
	return &Reader{js: js}, nil
}

// Follow calls hear with what was recorded since a time and is recorded from now on, until ctx ends.
func (r *Reader) Follow(ctx context.Context, since time.Time, hear func(door.Rejected)) error {
	since = since.UTC()
	c, err := r.js.OrderedConsumer(ctx, stream.Invalid, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "follow invalid input")
	}
	it, err := c.Messages()
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "follow invalid input")
	}
	defer it.Stop()
	for {
		m, err := it.Next(jetstream.NextContext(ctx))
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "follow invalid input")
		}
		var in door.Rejected
		if json.Unmarshal(m.Data(), &in) == nil { // what is no record of ours is nobody's message
			hear(in)
		}
	}
}
