package door

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// storeTimeout bounds the storing of what one call submits.
const storeTimeout = 10 * time.Second

// joinFrom is how many events for a connection share messages. Joined events cost the broker, and intake, a hundredth
// of what they cost one by one; a few may as well be told apart, so that the inbox itself recognises what is repeated.
const joinFrom = 32

// sideBySide is how many atomic batches a door has under way at once.
const sideBySide = 4

// post is an event on its way to the inbox.
type post struct {
	event event.Event
	data  []byte
	to    shipment.ConnectionID
}

// store puts posts into the inbox, all of them or none: as one message, or as one atomic batch, with one sync.
func (d *Door) store(ctx context.Context, posts []post) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	msgs := messages(posts)
	var err error
	switch len(msgs) {
	case 0:
		return nil
	case 1:
		_, err = d.js.PublishMsg(ctx, msgs[0])
	default:
		if err = d.storeAll(ctx, msgs); repeated(err) {
			err = d.storeEach(ctx, msgs)
		}
	}
	return stored(err)
}

// storeAll waits for a place first: the server refuses more than fifty batches at once.
func (d *Door) storeAll(ctx context.Context, msgs []*nats.Msg) error {
	select {
	case d.batches <- struct{}{}:
		defer func() { <-d.batches }()
	case <-ctx.Done():
		return ctx.Err()
	}
	_, err := jetstreamext.PublishMsgBatch(ctx, d.js, msgs, jetstreamext.BatchFlowControl{AckTimeout: storeTimeout})
	return err
}

// messages are what the posts become, in their order within each connection.
func messages(posts []post) []*nats.Msg {
	var order []shipment.ConnectionID
	by := map[shipment.ConnectionID][]post{}
	for _, p := range posts {
		if by[p.to] == nil {
			order = append(order, p.to)
		}
		by[p.to] = append(by[p.to], p)
	}
	var msgs []*nats.Msg
	for _, c := range order {
		if len(by[c]) >= joinFrom {
			msgs = append(msgs, joined(c, by[c])...)
			continue
		}
		for _, p := range by[c] {
			m := nats.NewMsg(stream.ShippedSubject(c))
			m.Data = p.data
			m.Header.Set(jetstream.MsgIDHeader, EventID(p.event))
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// joined makes messages of about the same length, none longer than they may be.
func joined(c shipment.ConnectionID, posts []post) []*nats.Msg {
	total := 2
	for _, p := range posts {
		total += len(p.data) + 1
	}
	share := total / (total/(event.MaxTogether-event.MaxBytes) + 1)
	var msgs []*nats.Msg
	var part [][]byte
	size := 2
	flush := func() {
		m := nats.NewMsg(stream.ShippedSubject(c))
		m.Data = event.Join(part)
		msgs, part, size = append(msgs, m), part[:0], 2
	}
	for _, p := range posts {
		if n := len(p.data) + 1; len(part) > 0 && (size > share || size+n > event.MaxTogether) {
			flush()
		}
		part, size = append(part, p.data), size+len(p.data)+1
	}
	flush()
	return msgs
}

// repeated reports whether a batch was refused because the inbox has one of its messages already.
func repeated(err error) bool {
	const duplicateInBatch jetstream.ErrorCode = 10201
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == duplicateInBatch
}

// storeEach stores messages one by one, each of which the inbox may have already.
func (d *Door) storeEach(ctx context.Context, msgs []*nats.Msg) error {
	acks := make([]jetstream.PubAckFuture, 0, len(msgs))
	for _, m := range msgs {
		for _, h := range []string{jetstreamext.BatchIDHeader, jetstreamext.BatchSeqHeader, jetstreamext.BatchCommitHeader} {
			m.Header.Del(h)
		}
		m.Reply = ""
		ack, err := d.js.PublishMsgAsync(m, jetstream.WithStallWait(2*time.Second))
		if err != nil {
			return err
		}
		acks = append(acks, ack)
	}
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stored words what kept the inbox from storing.
func stored(err error) error {
	const storeFailed jetstream.ErrorCode = 10077
	var api *jetstream.APIError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &api) && api.ErrorCode == storeFailed && strings.Contains(api.Description, "maximum bytes"):
		return fault.Wrap(fault.Unavailable, err, "the inbox is full because intake is behind: nothing was taken in, send them again later")
	}
	return fault.Wrap(fault.Unavailable, err, "store events: send them again later")
}
