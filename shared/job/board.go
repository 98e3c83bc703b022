package job

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

const callTimeout = 5 * time.Second

// Board is where triggers and run logs hang. It is safe for concurrent use.
type Board struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Open makes a board over the streams that stream.Ensure has created.
func Open(nc *nats.Conn) (*Board, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open run board: %w", err)
	}
	return &Board{nc: nc, js: js}, nil
}

// Ask publishes a trigger. It reports false when the run id was already asked for, which is how any number of schedulers
// make one run.
func (b *Board) Ask(ctx context.Context, t Trigger) (bool, error) {
	if !ValidRun(t.RunID) || !shipment.ValidID(string(t.Connection)) || len(t.Keys) > MaxKeys {
		return false, fault.New(fault.Invalid, "trigger needs a run id of letters, digits, _ : + and -, a connection and at most %d shipments", MaxKeys)
	}
	return b.once(ctx, stream.TriggerSubject(t.Connection, t.RunID), t)
}

// once publishes v if nothing is on the subject yet.
func (b *Board) once(ctx context.Context, subject string, v any) (bool, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return false, fmt.Errorf("encode for %s: %w", subject, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for wait := time.Millisecond; ; wait *= 2 {
		_, err = b.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(0))
		if err == nil {
			return true, nil
		}
		if !stream.LostRace(err) {
			return false, fault.Wrap(fault.Unavailable, err, "publish on %s", subject)
		}
		// A cluster refuses on behalf of a publish that it has not committed yet and may still lose with its leader.
		there, err := stream.Last(ctx, b.nc, stream.Runs, subject)
		if err != nil {
			return false, fault.Wrap(fault.Unavailable, err, "publish on %s", subject)
		}
		if there != nil {
			return false, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false, fault.Wrap(fault.Unavailable, ctx.Err(), "publish on %s", subject)
		}
	}
}

// Begin writes a run's first log entry, or returns the one an earlier holder of the lease wrote.
func (b *Board) Begin(ctx context.Context, l Log) (Log, error) {
	if created, err := b.once(ctx, stream.RunLogSubject(l.Connection, l.RunID), l); created || err != nil {
		return l, err
	}
	return b.Last(ctx, l.Connection, l.RunID)
}

// Write adds an entry to a run's log.
func (b *Board) Write(ctx context.Context, l Log) error {
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode log of run %s: %w", l.RunID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := b.js.Publish(ctx, stream.RunLogSubject(l.Connection, l.RunID), data); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write log of run %s", l.RunID)
	}
	return nil
}

// Last returns the newest log entry of a run; fault.NotFound when it has none.
func (b *Board) Last(ctx context.Context, c shipment.ConnectionID, run string) (Log, error) {
	m, err := stream.Last(ctx, b.nc, stream.Runs, stream.RunLogSubject(c, run))
	if err != nil {
		return Log{}, fault.Wrap(fault.Unavailable, err, "read log of run %s", run)
	}
	if m == nil {
		return Log{}, fault.New(fault.NotFound, "run %s has not begun", run)
	}
	var l Log
	return l, json.Unmarshal(m.Data, &l)
}

// Recent returns the newest log entry of each run of a connection ("" for all), the latest run first, at most n.
func (b *Board) Recent(ctx context.Context, c shipment.ConnectionID, n int) ([]Log, error) {
	if c == "" {
		c = "*"
	}
	var logs []Log
	err := b.scan(ctx, stream.RunLogSubject(c, "*"), func(data []byte) {
		var l Log
		if json.Unmarshal(data, &l) == nil { // anything else on the stream is nothing to show
			logs = append(logs, l)
		}
	})
	if err != nil {
		return nil, err
	}
	sort.SliceStable(logs, func(i, j int) bool { return logs[i].At.After(logs[j].At) })
	return logs[:max(0, min(n, len(logs)))], nil
}

// Asked returns the trigger of a run; fault.NotFound when nobody asked for it.
func (b *Board) Asked(ctx context.Context, c shipment.ConnectionID, run string) (Trigger, error) {
	m, err := stream.Last(ctx, b.nc, stream.Runs, stream.TriggerSubject(c, run))
	if err != nil {
		return Trigger{}, fault.Wrap(fault.Unavailable, err, "read trigger %s", run)
	}
	if m == nil {
		return Trigger{}, fault.New(fault.NotFound, "run %s was never asked for", run)
	}
	var t Trigger
	return t, json.Unmarshal(m.Data, &t)
}

// Since returns the triggers stored at or after a moment, by the server's clock, the oldest first.
func (b *Board) Since(ctx context.Context, since time.Time) ([]Trigger, error) {
	var all []Trigger
	err := b.read(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{stream.TriggerSubject("*", "*")},
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since}, func(data []byte) {
		var t Trigger
		if json.Unmarshal(data, &t) == nil {
			all = append(all, t)
		}
	})
	return all, err
}

func (b *Board) scan(ctx context.Context, filter string, visit func(data []byte)) error {
	return b.read(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}, visit)
}

func (b *Board) read(ctx context.Context, what jetstream.OrderedConsumerConfig, visit func(data []byte)) error {
	err := stream.Scan(ctx, b.js, stream.Runs, what,
		func(m jetstream.Msg, _ uint64) error {
			visit(m.Data())
			return nil
		})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "read runs")
	}
	return nil
}

// Triggers calls handle with every trigger of a connection that is not done, oldest first, until ctx ends. handle runs in
// the consumer's goroutine and must be quick; a trigger stays open until its log says that it is done. What is no trigger
// is passed over: it must not keep the others from being heard.
func (b *Board) Triggers(ctx context.Context, c shipment.ConnectionID, handle func(Trigger)) error {
	done, err := b.done(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return b.follow(ctx, stream.TriggerSubject(c, "*"), 0, func(_ uint64, data []byte) error {
		var t Trigger
		if json.Unmarshal(data, &t) == nil && t.Settled == "" && !done[t.RunID] {
			handle(t)
		}
		return nil
	})
}

func (b *Board) done(ctx context.Context, c shipment.ConnectionID) (map[string]bool, error) {
	done := map[string]bool{}
	err := b.scan(ctx, stream.RunLogSubject(c, "*"), func(data []byte) {
		var l Log
		if json.Unmarshal(data, &l) == nil {
			done[l.RunID] = l.Phase.Ended()
		}
	})
	return done, err
}

// follow calls visit with what a filter finds after a sequence until ctx ends or visit fails.
func (b *Board) follow(ctx context.Context, filter string, after uint64, visit func(seq uint64, data []byte) error) error {
	var failed error
	err := stream.Follow(ctx, b.js, stream.Runs, []string{filter}, after, 100, func(msgs []jetstream.Msg) error {
		for _, m := range msgs {
			md, err := m.Metadata()
			if err == nil {
				err = visit(md.Sequence.Stream, m.Data())
			}
			if failed = err; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && failed == nil {
		return fault.Wrap(fault.Unavailable, err, "follow runs")
	}
	return err
}

// Tell publishes progress; it is lost when nobody listens.
func (b *Board) Tell(p Progress) error {
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode progress: %w", err)
	}
	return b.nc.Publish(stream.ProgressSubject(p.Connection), data)
}

// Listen delivers the progress of all runs of a connection ("" for all) until ctx ends. A slow listener misses some.
func (b *Board) Listen(ctx context.Context, c shipment.ConnectionID, hear func(Progress)) error {
	if c == "" {
		c = "*"
	}
	ch := make(chan *nats.Msg, 64)
	sub, err := b.nc.ChanSubscribe(stream.ProgressSubject(c), ch)
	if err != nil {
		return fmt.Errorf("listen to progress: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-ch:
			var p Progress
			if json.Unmarshal(m.Data, &p) == nil {
				hear(p)
			}
		}
	}
}

// FollowLogs calls hear with run log entries as they are written, beginning after stream sequence from, until ctx ends or
// hear fails.
func (b *Board) FollowLogs(ctx context.Context, from uint64, hear func(seq uint64, l Log) error) error {
	return b.follow(ctx, stream.RunLogSubject("*", "*"), from, func(seq uint64, data []byte) error {
		var l Log
		if json.Unmarshal(data, &l) != nil {
			return nil
		}
		return hear(seq, l)
	})
}
