package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A question to a leader that has just gone is never answered, so it is asked anew after askAgain, and given up after
// askWithin.
const (
	askAgain  = time.Second
	askWithin = 5 * time.Second
	askPause  = 100 * time.Millisecond
)

// Last returns the newest message on a subject, which may have wildcards, as the stream's leader knows it; nil when there
// is none. Everything acknowledged before the call is seen. The client's own reads are answered by any replica, which may
// be behind: who compares and sets, or has to know its own last write, reads here. While a leader is being elected it
// waits, five seconds at most.
func Last(ctx context.Context, nc *nats.Conn, name, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	for {
		m, err := ask(ctx, nc, name, subject)
		if err == nil {
			return m, nil
		}
		if passing(err) {
			select {
			case <-time.After(askPause):
				continue
			case <-ctx.Done():
			}
		}
		return nil, fmt.Errorf("read %s from the leader of %s: %w", subject, name, err)
	}
}

func ask(ctx context.Context, nc *nats.Conn, name, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, askAgain)
	defer cancel()
	req, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return nil, err
	}
	m, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+name, req)
	if err != nil {
		return nil, err
	}
	var resp struct {
		Error   *jetstream.APIError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(m.Data, &resp); err != nil {
		return nil, err
	}
	if resp.Error != nil {
		if resp.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, nil
		}
		return nil, resp.Error
	}
	out := &jetstream.RawStreamMsg{Subject: resp.Message.Subject, Sequence: resp.Message.Seq, Data: resp.Message.Data, Time: resp.Message.Time}
	if len(resp.Message.Header) > 0 {
		if out.Header, err = nats.DecodeHeadersMsg(resp.Message.Header); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// newest is the sequence of the newest message that one of the filters finds, stored no earlier than since unless that is
// nil, from the leader; 0 when there is none.
func newest(ctx context.Context, nc *nats.Conn, name string, filters []string, since *time.Time) (uint64, error) {
	if len(filters) == 0 {
		filters = []string{">"}
	}
	seqs := []uint64{0}
	for _, f := range filters {
		m, err := Last(ctx, nc, name, f)
		if err != nil {
			return 0, err
		}
		if m != nil && (since == nil || !m.Time.Before(*since)) {
			seqs = append(seqs, m.Sequence)
		}
	}
	return slices.Max(seqs), nil
}
