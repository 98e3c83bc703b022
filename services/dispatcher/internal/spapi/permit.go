package spapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
	"github.com/fertig-project/fertig/shared/outcome"
)

// Permit is the right to send one confirmation now. It holds a quota token and a place in the breaker, so it must be
// used or cancelled soon; deferring Cancel is always safe.
type Permit struct {
	client *Client
	ticket ticket
	ended  atomic.Bool
}

// ticket is what a request needs before it may be sent.
type ticket struct {
	access   string
	token    *quota.Token
	governor *quota.Governor
	report   func(outcome.Effect, string)
}

// Ready waits until a confirmation may be sent. Errors: *OpenError (wait until its time and ask again), *AccountError
// (the connection needs somebody), the context's error, ErrClosed.
func (c *Client) Ready(ctx context.Context) (*Permit, error) {
	if err := c.admit(ctx, true); err != nil {
		return nil, err
	}
	t, err := c.board(ctx, c.confirm)
	if err != nil {
		return nil, err
	}
	p := &Permit{client: c, ticket: t}
	if refusal := c.access.refused(); refusal != nil { // learned while we stood in line
		p.Cancel()
		return nil, refusal
	}
	return p, nil
}

// board collects access token, quota token and breaker place in this order, so that nothing is held while waiting. The
// breaker is looked at first: while it is open, waiting for the rest would only burn quota.
func (c *Client) board(ctx context.Context, g *quota.Governor) (ticket, error) {
	for {
		if err := c.breaker.look(); err != nil {
			return ticket{}, err
		}
		if _, err := c.tokens.get(ctx); err != nil {
			return ticket{}, waiting(ctx, err)
		}
		token, err := g.Wait(ctx)
		if err != nil {
			return ticket{}, waiting(ctx, err)
		}
		access, fresh := c.tokens.peek()
		if !fresh { // it ended, or was refused, while we stood in line
			token.Return()
			continue
		}
		report, err := c.breaker.allow()
		if err != nil {
			token.Return()
			return ticket{}, err
		}
		return ticket{access: access, token: token, governor: g, report: report}, nil
	}
}

// waiting lets an end of the context be recognised as such even if it has a cause of its own.
func waiting(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && errors.Is(err, context.Cause(ctx)) && !errors.Is(err, ended) {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return err
}

// Cancel gives everything back without a request. It does nothing on a permit that has been used or cancelled.
func (p *Permit) Cancel() {
	if p.ended.CompareAndSwap(false, true) {
		p.ticket.token.Return()
		p.ticket.report(outcome.Excluded, "")
	}
}

// ErrPermitSpent is the error of a second use of a permit. Nothing is sent then.
var ErrPermitSpent = errors.New("permit has been used or cancelled")

// Confirm sends body, as made by EncodeConfirmation, with exactly one POST and consumes the permit. The context bounds
// it beside the request timeout. It never returns without an answer whose Rule is set.
// Source: https://developer-docs.amazon.com/sp-api/docs/confirm-the-shipment-status
func (p *Permit) Confirm(ctx context.Context, orderID string, body []byte) Answer {
	if !p.ended.CompareAndSwap(false, true) {
		return unsent(outcome.Confirm, outcome.CodeWithdrawn, ErrPermitSpent)
	}
	c := p.client
	req, err := c.request(http.MethodPost, "/orders/v0/orders/"+url.PathEscape(orderID)+"/shipmentConfirmation", p.ticket.access, body)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		p.ticket.token.Return()
		p.ticket.report(outcome.Excluded, "")
		return unsent(outcome.Confirm, outcome.CodeWithdrawn, fmt.Errorf("confirm order %s: %w", orderID, err))
	}
	r := c.send(ctx, p.ticket, req, outcome.Confirm, maxErrorBody, nil)
	return r.Answer
}

// send uses the ticket up with one request. decode reads the body of a 200; when it fails, nothing is known.
func (c *Client) send(ctx context.Context, t ticket, req *http.Request, op outcome.Operation, limit int64, decode func(body []byte) error) (r reply) {
	settled := false
	defer func() {
		if !settled { // a panic of a foreign transport must keep neither a probe's place nor quota for ever
			t.token.Use()
			t.report(outcome.Excluded, "")
		}
	}()
	r = c.exchange(ctx, req, limit, t.token.Use)
	if r.Sent == NotSent {
		t.token.Return()
	}
	t.token.Use() // for transports that do not say when they write
	if r.Sent == Answered && r.Status/100 != 2 {
		r.Code, r.Message, r.Details = readErrors(r.body)
	}
	r.redact(t.access)
	if decode != nil && r.Status == http.StatusOK && !r.cut {
		r.Err = decode(r.body)
		r.cut = r.Err != nil
	}
	r.classify(op)
	settled = true
	c.settle(t.governor, t.report, t.access, r)
	c.note(ctx, req.Method+" "+req.URL.Path, r.Answer)
	return r
}

// request builds a call with the headers Amazon demands; signatures are not among them since October 2023.
func (c *Client) request(method, path, access string, body []byte) (*http.Request, error) {
	return c.requestTo(c.cfg.Endpoint, method, path, access, body)
}

func (c *Client) requestTo(endpoint, method, path, access string, body []byte) (*http.Request, error) {
	req, err := http.NewRequest(method, endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the order id makes no address")
	}
	req.GetBody = nil // without it the transport cannot send a body twice
	req.Header.Set("X-Amz-Access-Token", access)
	req.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// rate is the rate Amazon names, which it does reliably with these answers only.
// Source: https://developer-docs.amazon.com/sp-api/docs/usage-plans-and-rate-limits
func (r reply) rate() (float64, bool) {
	if r.Status/100 != 2 && r.Status != http.StatusBadRequest && r.Status != http.StatusNotFound {
		return 0, false
	}
	rate, err := strconv.ParseFloat(r.header.Get("x-amzn-RateLimit-Limit"), 64)
	return rate, err == nil
}

// unsent is the answer for a request that never left.
func unsent(op outcome.Operation, code string, err error) Answer {
	return Answer{Sent: NotSent, At: time.Now(), Err: err, Rule: outcome.Classify(outcome.Answer{Operation: op, Code: code})}
}
