package message

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/stream"
)

const callTimeout = 5 * time.Second

// Book reads and writes messages. It is safe for concurrent use.
type Book struct{ js jetstream.JetStream }

// Open makes a book over the stream that stream.Ensure has created.
func Open(nc *nats.Conn) (*Book, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open messages: %w", err)
	}
	return &Book{js: js}, nil
}

// Raise stores a new message. It reports false when a message with this id was raised before, cleared or not.
func (b *Book) Raise(ctx context.Context, m Message) (bool, error) {
	m.Phase, m.Revision = Raised, 0
	return b.put(ctx, m)
}

// Clear ends a message. It reports false when it was cleared already or changed meanwhile.
func (b *Book) Clear(ctx context.Context, m Message, at time.Time, why string) (bool, error) {
	if m.Phase == Cleared {
		return false, nil
	}
	m.Phase, m.ClearedAt, m.ClearedFor = Cleared, at, why
	return b.put(ctx, m)
}

// Recount corrects the number a raised message was raised for. It reports false when the message changed meanwhile.
func (b *Book) Recount(ctx context.Context, m Message, count int) (bool, error) {
	if m.Phase != Raised {
		return false, nil
	}
	m.Count = count
	return b.put(ctx, m)
}

func (b *Book) put(ctx context.Context, m Message) (bool, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return false, fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = b.js.Publish(ctx, stream.MessageSubject(m.ID), data, jetstream.WithExpectLastSequencePerSubject(m.Revision))
	switch {
	case err == nil:
		return true, nil
	case stream.LostRace(err):
		return false, nil
	}
	return false, fault.Wrap(fault.Unavailable, err, "store message %s", m.ID)
}

// Get returns a message; fault.NotFound when there was never one.
func (b *Book) Get(ctx context.Context, id string) (Message, error) {
	if id == "" || strings.ContainsAny(id, "*> \t\r\n") || strings.HasPrefix(id, ".") || strings.HasSuffix(id, ".") || strings.Contains(id, "..") {
		return Message{}, fault.New(fault.NotFound, "message %q is not known", id)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s, err := b.js.Stream(ctx, stream.Messages)
	if err != nil {
		return Message{}, fault.Wrap(fault.Unavailable, err, "read message %s", id)
	}
	raw, err := s.GetLastMsgForSubject(ctx, stream.MessageSubject(id))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Message{}, fault.New(fault.NotFound, "message %q is not known", id)
	}
	if err != nil {
		return Message{}, fault.Wrap(fault.Unavailable, err, "read message %s", id)
	}
	return decode(raw.Sequence, raw.Data)
}

func decode(seq uint64, data []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("decode message %d: %w", seq, err)
	}
	m.Revision = seq
	return m, nil
}

// Open lists the raised messages, the newest first.
func (b *Book) Open(ctx context.Context) ([]Message, error) {
	all, err := b.All(ctx)
	out := all[:0]
	for _, m := range all {
		if m.Phase == Raised {
			out = append(out, m)
		}
	}
	return out, err
}

// All lists every message in its present phase, the newest first.
func (b *Book) All(ctx context.Context) ([]Message, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	c, err := b.js.OrderedConsumer(ctx, stream.Messages, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{stream.MessageSubject(">")}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy})
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read messages")
	}
	info, err := c.Info(ctx)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read messages")
	}
	var out []Message
	if info.NumPending == 0 {
		return out, nil
	}
	it, err := c.Messages()
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read messages")
	}
	defer it.Stop()
	for {
		raw, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "read messages")
		}
		md, err := raw.Metadata()
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		m, err := decode(md.Sequence.Stream, raw.Data())
		if err != nil {
			return nil, err
		}
		out = append(out, m)
		if md.NumPending == 0 {
			sort.SliceStable(out, func(i, j int) bool { return out[i].At.After(out[j].At) })
			return out, nil
		}
	}
}
