package message

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	newest := map[string]Message{} // by id: after a reconnect a message may be seen again
	var broken error
	err := stream.Scan(ctx, b.js, stream.Messages, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{stream.MessageSubject(">")}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy},
		func(raw jetstream.Msg, seq uint64) error {
			m, err := decode(seq, raw.Data())
			if err != nil {
				broken = err
				return err
			}
			newest[m.ID] = m
			return nil
		})
	if broken != nil {
		return nil, broken
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read messages")
	}
	return slices.SortedFunc(maps.Values(newest), func(x, y Message) int {
		return cmp.Or(y.At.Compare(x.At), cmp.Compare(x.Revision, y.Revision))
	}), nil
}
