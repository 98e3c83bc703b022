// Package control asks the dispatcher over NATS request and reply, because the dispatcher alone holds a connection's
// credentials, quota and breaker and writes the view. The subjects and the wire form are those of shared/control. It
// guarantees that every wait has an end and that silence comes back as an error that says what helps; it keeps nothing
// and repeats nothing.
package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// How long the dispatcher may take. A test renews a token and calls Amazon, which may be slow.
const (
	statusTimeout  = 2 * time.Second
	testTimeout    = 25 * time.Second
	rebuildTimeout = 10 * time.Second
)

// Client asks. It is safe for concurrent use.
type Client struct{ nc *nats.Conn }

// New makes a client.
func New(nc *nats.Conn) *Client { return &Client{nc: nc} }

// Status asks how a connection stands.
func (c *Client) Status(ctx context.Context, id shipment.ConnectionID) (control.Status, error) {
	var s control.Status
	return s, c.ask(ctx, control.StatusOf(id), statusTimeout, &s)
}

// Test has a connection's access tested, step by step.
func (c *Client) Test(ctx context.Context, id shipment.ConnectionID) ([]control.Step, error) {
	var steps []control.Step
	return steps, c.ask(ctx, control.TestOf(id), testTimeout, &steps)
}

// Rebuild has the view built anew; it returns when that was taken note of.
func (c *Client) Rebuild(ctx context.Context) error {
	var nothing struct{}
	return c.ask(ctx, control.Rebuild, rebuildTimeout, &nothing)
}

func (c *Client) ask(ctx context.Context, subject string, wait time.Duration, into any) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	m, err := c.nc.RequestWithContext(ctx, subject, nil)
	if err != nil { // nobody there and nobody who holds the connection mean the same to people
		return ops.Advise(fault.Wrap(fault.Unavailable, err, "no dispatcher answers"), "check that one is running; after a stop another takes over within half a minute")
	}
	if err := json.Unmarshal(m.Data, into); err != nil {
		return fmt.Errorf("decode the answer on %s: %w", subject, err)
	}
	return nil
}
