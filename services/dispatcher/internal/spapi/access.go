package spapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// A halted connection is asked again at once, then after a minute and at twice the distance each time. Somebody who starts a
// run by hand may have repaired the access, so a run asks earlier, but not more often than every askAgain.
const (
	firstProbe   = time.Minute
	longestProbe = 15 * time.Minute
	askAgain     = 10 * time.Second
)

// access knows whether Amazon lets the connection in. One refused access token proves nothing, for it may have ended; when
// the token that replaced it is refused, too, and nothing was let in between, the connection as a whole is refused: no
// order is to blame, and more requests would be refused like these.
type access struct {
	mu      sync.Mutex
	in      bool          // the last answer that tells was one to somebody let in
	suspect string        // the access token that was refused first, while nothing else has been let in since
	refusal *AccountError // nil: not known to be refused
	asked   time.Time     // last probe
	next    time.Time     // when a probe is due; zero: at once
	pause   time.Duration
}

// note takes an answer into account. Amazon's own trouble and its throttling tell nothing of access. Whoever may read may not
// confirm yet, so only an answer to a confirmation lets the probes begin anew; otherwise a connection that is let in to
// read and refused to confirm would be halted and let in for ever.
func (a *access) note(token string, r reply, confirming bool) {
	if r.Sent != Answered || r.cut {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.Rule.Class == outcome.Account, r.Rule.Class == outcome.Auth && a.suspect != "" && a.suspect != token:
		a.in, a.refusal = false, &AccountError{Rule: r.Rule, Code: r.Code, Message: r.Text()}
	case r.Rule.Class == outcome.Auth:
		a.in, a.suspect = false, token
	case r.Status < http.StatusInternalServerError && r.Status != http.StatusTooManyRequests:
		a.in, a.suspect, a.refusal = true, "", nil
		if confirming {
			a.next, a.pause = time.Time{}, 0
		}
	}
}

// refused is why nothing may be sent, nil if Amazon is not known to refuse the connection.
func (a *access) refused() *AccountError {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refusal
}

// proven reports whether the connection was let in last.
func (a *access) proven() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.in
}

// due reports whether a probe is due and counts it.
func (a *access) due(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.next) {
		return false
	}
	a.pause = min(longestProbe, max(firstProbe, 2*a.pause))
	a.asked, a.next = now, now.Add(a.pause)
	return true
}

// early reports whether a probe may be made before it is due and counts it; the rhythm of the others stays.
func (a *access) early(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.asked) < askAgain {
		return false
	}
	a.asked = now
	return true
}

// Halted is why Amazon refuses the connection as a whole, nil if it is not known to.
func (c *Client) Halted() error {
	if refusal := c.access.refused(); refusal != nil {
		return refusal
	}
	if refusal := c.tokens.refusal(); refusal != nil {
		return refusal
	}
	return nil
}

// LetIn reports whether Amazon lets a connection in again that was halted, each time a probe is due; between them it says no.
// When the last answer does not tell, it asks: it renews the access token and reads an order that is nobody's.
func (c *Client) LetIn(ctx context.Context) bool {
	if !c.access.due(time.Now()) {
		return false
	}
	return c.Halted() == nil && c.access.proven() || c.probe(ctx)
}

func (c *Client) probe(ctx context.Context) bool {
	_, in := c.letIn(ctx)
	return in
}

// admit is the door for requests other than probes: nothing passes while the connection is refused. A run may ask early
// whether somebody has repaired the access.
func (c *Client) admit(ctx context.Context, early bool) error {
	refusal := c.access.refused()
	if refusal == nil || early && c.access.early(time.Now()) && c.probe(ctx) {
		return nil
	}
	return refusal
}

// refusal is why the token endpoint refuses the connection, nil if it does not or an earlier token still holds.
func (t *tokens) refusal() *AccountError {
	t.mu.Lock()
	defer t.mu.Unlock()
	var refusal *AccountError
	if time.Now().Before(t.until) || !errors.As(t.failure, &refusal) {
		return nil
	}
	return refusal
}
