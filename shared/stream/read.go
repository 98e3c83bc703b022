package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// scanIdle is how long a scan waits for a message before it asks whether there still is one: a purge takes away what was
// announced.
const scanIdle = time.Second

// Scan calls visit with the messages of a stream that an ordered consumer finds, in order, and ends where the stream ended
// when it was called, however fast others append. It survives reconnects. With DeliverLastPerSubjectPolicy a subject may be
// seen a second time after a reconnect, then with a newer message.
func Scan(ctx context.Context, js jetstream.JetStream, name string, cfg jetstream.OrderedConsumerConfig, visit func(m jetstream.Msg, seq uint64) error) error {
	cfg.InactiveThreshold = time.Minute
	c, err := js.OrderedConsumer(ctx, name, cfg)
	if err != nil {
		return fmt.Errorf("scan %s: %w", name, err)
	}
	defer forget(ctx, js, name, c)
	if c.CachedInfo().NumPending == 0 {
		return nil
	}
	// Read after the consumer has chosen what it delivers, so that nothing it chose lies behind the end.
	s, err := js.Stream(ctx, name)
	if err != nil {
		return fmt.Errorf("scan %s: %w", name, err)
	}
	end := s.CachedInfo().State.LastSeq
	it, err := c.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return fmt.Errorf("scan %s: %w", name, err)
	}
	defer it.Stop()
	var seen jetstream.MsgMetadata
	for {
		m, err := next(ctx, it, scanIdle)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			if drained(ctx, c, seen) {
				return nil
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("scan %s: %w", name, err)
		}
		md, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("scan %s: %w", name, err)
		}
		if md.Sequence.Stream > end {
			return nil
		}
		if err := visit(m, md.Sequence.Stream); err != nil {
			return err
		}
		if seen = *md; md.NumPending == 0 || md.Sequence.Stream == end {
			return nil
		}
	}
}

// next waits for a message at most for a time.
func next(ctx context.Context, it jetstream.MessagesContext, most time.Duration) (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return it.Next(jetstream.NextContext(ctx))
}

// drained reports whether everything the consumer had has been seen. A consumer that cannot be asked is being replaced.
func drained(ctx context.Context, c jetstream.Consumer, seen jetstream.MsgMetadata) bool {
	info, err := c.Info(ctx)
	if err != nil || info.NumPending > 0 {
		return false
	}
	return info.Delivered.Consumer == 0 || info.Name == seen.Consumer && info.Delivered.Consumer <= seen.Sequence.Consumer
}

// forget removes a consumer that is read to its end, which the server would otherwise keep for a minute.
func forget(ctx context.Context, js jetstream.JetStream, name string, c jetstream.Consumer) {
	if ctx.Err() == nil {
		_ = js.DeleteConsumer(ctx, name, c.CachedInfo().Name) // a leftover ends by itself
	}
}

// flushAfter is how long Follow holds a batch back for more that was announced.
const flushAfter = 50 * time.Millisecond

// Follow calls visit with everything on a stream after a sequence, in order and in batches of at most limit, until ctx ends
// (nil then) or visit fails. A batch waits for more only while more is known to come. It survives reconnects and changes of
// leader. filters may be empty for all subjects. The slice given to visit is used again after it returns.
func Follow(ctx context.Context, js jetstream.JetStream, name string, filters []string, after uint64, limit int, visit func([]jetstream.Msg) error) error {
	c, err := js.OrderedConsumer(ctx, name, jetstream.OrderedConsumerConfig{FilterSubjects: filters,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, InactiveThreshold: time.Minute})
	if err != nil {
		return ended(ctx, name, err)
	}
	it, err := c.Messages(jetstream.PullMaxMessages(max(2*limit, 100)))
	if err != nil {
		return ended(ctx, name, err)
	}
	defer it.Stop()
	batch := make([]jetstream.Msg, 0, limit)
	for {
		wait := flushAfter
		if len(batch) == 0 {
			wait = time.Hour
		}
		m, err := next(ctx, it, wait)
		idle := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		if err != nil && !idle {
			return ended(ctx, name, err)
		}
		flush := idle && len(batch) > 0
		if err == nil {
			md, err := m.Metadata()
			if err != nil {
				return ended(ctx, name, err)
			}
			batch = append(batch, m)
			flush = len(batch) == limit || md.NumPending == 0
		}
		if flush {
			if err := visit(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
}

func ended(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow %s: %w", name, err)
}
