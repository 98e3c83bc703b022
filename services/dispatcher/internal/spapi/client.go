package spapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
	"github.com/fertig-project/fertig/shared/outcome"
)

// ErrClosed is returned by everything that is asked of a client after Close.
var ErrClosed = errors.New("amazon client is closed")

// Client talks to Amazon for one connection. It is safe for concurrent use; share one per connection, for it is the
// only one that knows the quota used.
type Client struct {
	cfg     Config
	agent   string // the user-agent Amazon demands
	http    *http.Client
	tokens  *tokens
	access  access
	breaker *breaker
	confirm *quota.Governor
	order   *quota.Governor
	search  *quota.Governor

	changes chan BreakerStatus // nil without Config.OnBreaker

	mu     sync.Mutex
	closed bool
	life   context.Context // of the client's goroutines
	end    context.CancelFunc
	work   sync.WaitGroup
}

// Status is a snapshot for people.
type Status struct {
	Breaker      BreakerStatus
	TokenBreaker BreakerStatus
	Quota        QuotaStatus
	Token        TokenStatus
	Halted       string // why Amazon refuses the connection; empty while it is not known to
}

// QuotaStatus is the quota of each operation.
type QuotaStatus struct {
	Confirm quota.Status
	Order   quota.Status
	Search  quota.Status
}

// New checks the configuration, naming every wrong field, and returns a client. It sends nothing. The client must be
// closed.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("amazon client of connection %q: %w", cfg.Connection, err)
	}
	confirm, err := quota.New(quota.Config{Limits: cfg.Limits.Confirm, StartEmpty: cfg.StartEmpty})
	if err != nil {
		return nil, fmt.Errorf("amazon client of connection %q: limits.confirm: %w", cfg.Connection, err)
	}
	order, err := quota.New(quota.Config{Limits: cfg.Limits.Order, StartEmpty: cfg.StartEmpty})
	if err != nil {
		return nil, fmt.Errorf("amazon client of connection %q: limits.order: %w", cfg.Connection, err)
	}
	search, err := quota.New(quota.Config{Limits: cfg.Limits.Search, StartEmpty: cfg.StartEmpty})
	if err != nil {
		return nil, fmt.Errorf("amazon client of connection %q: limits.search: %w", cfg.Connection, err)
	}
	c := &Client{cfg: cfg, agent: cfg.userAgent(), http: newHTTP(cfg.Transport, cfg.InFlight), confirm: confirm, order: order, search: search}
	c.life, c.end = context.WithCancel(context.Background())
	c.breaker = newBreaker("amazon", cfg.Breaker, c.breakerChanged)
	c.tokens = &tokens{client: c, breaker: newBreaker("token", cfg.Breaker, c.breakerChanged)}
	if cfg.OnBreaker != nil {
		c.changes = make(chan BreakerStatus, 16)
		c.start(c.tellChanges)
	}
	return c, nil
}

// Close ends the client's own goroutines and idle connections. Requests under way end with their callers' contexts.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.work.Wait()
	if c.cfg.Transport == nil {
		c.http.CloseIdleConnections()
	}
}

// start runs a function that ends with its context as a goroutine of the client, unless the client is closed.
func (c *Client) start(run func(context.Context)) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Go(func() { run(c.life) })
	return true
}

// breakerChanged is called under gobreaker's lock and must not block.
func (c *Client) breakerChanged(s BreakerStatus) {
	select {
	case c.changes <- s:
	default: // nobody listens, or not fast enough
	}
}

func (c *Client) tellChanges(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-c.changes:
			c.cfg.OnBreaker(s)
		}
	}
}

// Status returns a snapshot.
func (c *Client) Status() Status {
	s := Status{
		Breaker:      c.breaker.read(),
		TokenBreaker: c.tokens.breaker.read(),
		Quota:        QuotaStatus{Confirm: c.confirm.Status(), Order: c.order.Status(), Search: c.search.Status()},
		Token:        c.tokens.status(),
	}
	if err := c.Halted(); err != nil {
		s.Halted = err.Error()
	}
	return s
}

// ETA is the time until n more confirmations could have been sent, given the pace and everybody who waits now.
func (c *Client) ETA(n int) time.Duration { return c.confirm.ETA(n) }

// Serves reports why a marketplace cannot be reached over this connection, nil if it can.
func (c *Client) Serves(marketplaceID string) error { return c.cfg.Region.Serves(marketplaceID) }

// note logs what came of a request: one line, no body, no secret.
func (c *Client) note(ctx context.Context, what string, a Answer) {
	c.cfg.Logger.DebugContext(ctx, "amazon answered", "request", what, "rule", a.Rule.ID, "status", a.Status,
		"sent", string(a.Sent), "requestId", a.RequestID, "took", a.Took)
}

// settle tells governor, breaker and token cache what an answer means for them.
func (c *Client) settle(g *quota.Governor, report func(outcome.Effect, string), access string, r reply) {
	switch {
	case r.Rule.Class == outcome.Throttled:
		g.Refused()
	case r.Sent == Answered:
		g.Granted()
	}
	if rate, ok := r.rate(); ok {
		g.Follow(rate)
	}
	if r.Rule.Class == outcome.Auth {
		c.tokens.drop(access)
	}
	c.access.note(access, r, g == c.confirm)
	report(r.Rule.Breaker, why(r.Answer))
}
