package spapi

import (
	"context"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// Step is one step of a connection test, for people. Rule tells why it failed and what helps.
type Step struct {
	Name string // token, read
	OK   bool
	Took time.Duration
	Rule outcome.Rule
	Text string // Amazon's words or the error
}

// nobodysOrder is well-formed but nobody's, so reading it shows what may be read without reading anything.
const nobodysOrder = "000-0000000-0000000"

// Test renews the access token and reads an order that does not exist, which needs the very role confirming needs and
// changes nothing. It stops at the first step that fails.
func (c *Client) Test(ctx context.Context) []Step {
	began := time.Now()
	err := c.tokens.renew(ctx)
	step := Step{Name: "token", OK: err == nil, Took: time.Since(began)}
	if err != nil {
		a := heldBack(err)
		step.Rule, step.Text = a.Rule, err.Error()
		return []Step{step}
	}
	step.Rule, _ = outcome.Lookup("token-issued")

	began = time.Now()
	_, a := c.read(ctx, nobodysOrder)
	read := Step{Name: "read", Took: time.Since(began), Rule: a.Rule, Text: a.Text()}
	read.OK = a.Rule.Class == outcome.OK || a.Rule.ID == "order-unknown"
	if a.Err != nil {
		read.Text = a.Err.Error()
	}
	return []Step{step, read}
}
