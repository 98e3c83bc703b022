// Package control asks the dispatcher over NATS request and reply, because the dispatcher alone holds a connection's
// credentials, quota and breaker and writes the view. It owns the subjects and the JSON of these three questions, and
// guarantees that nobody answering, no answer in time and an answer that says "no" come back as different errors. It
// keeps nothing and repeats nothing.
//
// The contract, all JSON:
//
//	fertig.ctl.<connection>.status  {}                 -> {"status": ops.Status}
//	fertig.ctl.<connection>.test    {"actor": "anna"}  -> {"test": ops.Test}
//	fertig.ctl.view.rebuild         {"actor": "anna"}  -> {}
//
// An answer {"error": {"kind": "unavailable", "text": "..."}} refuses; kind is one of package fault. Only the holder of
// the connection's lease (of the projector's, for rebuild) subscribes. "view" is no connection id: those are capitals.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// How long the dispatcher may take. A test renews a token and calls Amazon, which may be slow.
const (
	statusTimeout  = 2 * time.Second
	testTimeout    = 45 * time.Second
	rebuildTimeout = 10 * time.Second
)

// Client asks. It is safe for concurrent use.
type Client struct{ nc *nats.Conn }

// New makes a client.
func New(nc *nats.Conn) *Client { return &Client{nc: nc} }

type request struct {
	Actor string `json:"actor,omitempty"`
}

type reply struct {
	Status *ops.Status `json:"status,omitempty"`
	Test   *ops.Test   `json:"test,omitempty"`
	Error  *refusal    `json:"error,omitempty"`
}

type refusal struct {
	Kind fault.Kind `json:"kind"`
	Text string     `json:"text"`
}

// Status asks how a connection is doing.
func (c *Client) Status(ctx context.Context, id shipment.ConnectionID) (ops.Status, error) {
	r, err := c.ask(ctx, "fertig.ctl."+string(id)+".status", request{}, statusTimeout)
	if err != nil || r.Status == nil {
		return ops.Status{}, incomplete(err)
	}
	return *r.Status, nil
}

// Test has a connection tested.
func (c *Client) Test(ctx context.Context, id shipment.ConnectionID, actor string) (ops.Test, error) {
	r, err := c.ask(ctx, "fertig.ctl."+string(id)+".test", request{Actor: actor}, testTimeout)
	if err != nil || r.Test == nil {
		return ops.Test{}, incomplete(err)
	}
	return *r.Test, nil
}

// Rebuild has the view built anew; it returns when that has begun.
func (c *Client) Rebuild(ctx context.Context, actor string) error {
	_, err := c.ask(ctx, "fertig.ctl.view.rebuild", request{Actor: actor}, rebuildTimeout)
	return err
}

func incomplete(err error) error {
	if err == nil {
		err = fault.New(fault.Internal, "the dispatcher's answer is incomplete")
	}
	return err
}

func (c *Client) ask(ctx context.Context, subject string, q request, wait time.Duration) (reply, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return reply{}, fmt.Errorf("encode for %s: %w", subject, err)
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, subject, data)
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return reply{}, ops.Advise(fault.Wrap(fault.Unavailable, err, "no dispatcher answers"), "check that one is running; after a change it takes the connection over within half a minute")
	case err != nil:
		return reply{}, ops.Advise(fault.Wrap(fault.Unavailable, err, "the dispatcher does not answer in time"), "try again; if it stays, look at the dispatcher's log")
	}
	var r reply
	if err := json.Unmarshal(m.Data, &r); err != nil {
		return reply{}, fmt.Errorf("decode the answer on %s: %w", subject, err)
	}
	if r.Error != nil {
		return reply{}, fault.New(r.Error.Kind, "%s", r.Error.Text)
	}
	return r, nil
}
