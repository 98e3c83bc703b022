package spapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// TokenStatus is the state of the access token, for people. LastError is empty after a success.
type TokenStatus struct {
	ValidUntil time.Time
	RenewAt    time.Time
	LastError  string
}

// How long a refused or failed token request holds back the next one. New credentials lift a refusal at once.
const (
	firstHold   = time.Second
	longestHold = 30 * time.Second
	refusalHold = 10 * time.Second
)

// tokens keeps the access token of the connection. One request for a token is under way at most; it belongs to the
// client, not to a caller, so a caller who gives up does not spoil it for the others. While an old token is still valid
// nobody waits for the new one. Source: https://developer-docs.amazon.com/sp-api/docs/connect-to-the-selling-partner-api
type tokens struct {
	client  *Client
	breaker *breaker

	mu      sync.Mutex
	access  string
	until   time.Time // end of validity
	renewAt time.Time
	flight  chan struct{} // closed when the flight has landed; nil without one
	failure error         // of the last flight
	hold    time.Time     // no new flight before
	backoff time.Duration
	refused Credentials // the credentials of an account failure
	next    bool        // the next secret is the one that was taken last
}

// get returns a valid access token. Its errors are *OpenError, *AccountError or the context's.
func (t *tokens) get(ctx context.Context) (string, error) {
	for {
		t.mu.Lock()
		now := time.Now()
		if t.access != "" && now.Before(t.renewAt) {
			defer t.mu.Unlock()
			return t.access, nil
		}
		landed, held := t.launch(now)
		if t.access != "" && now.Before(t.until) {
			defer t.mu.Unlock()
			return t.access, nil
		}
		t.mu.Unlock()
		if held != nil {
			return "", held
		}
		select {
		case <-landed:
		case <-ctx.Done():
			return "", fmt.Errorf("wait for access token: %w", context.Cause(ctx))
		}
	}
}

// launch starts a flight unless one is under way or one has just failed. mu is held.
func (t *tokens) launch(now time.Time) (landed <-chan struct{}, held error) {
	if t.flight != nil {
		return t.flight, nil
	}
	creds, err := t.client.cfg.Credentials()
	var refusal *AccountError
	if now.Before(t.hold) && !(errors.As(t.failure, &refusal) && err == nil && creds != t.refused) {
		return nil, t.failure
	}
	flight := make(chan struct{})
	if !t.client.start(func(ctx context.Context) { t.fly(ctx, creds, err, flight) }) {
		return nil, ErrClosed
	}
	t.flight = flight
	return flight, nil
}

// fly fetches a token and notes what came of it.
func (t *tokens) fly(ctx context.Context, creds Credentials, credsErr error, flight chan struct{}) {
	access, life, err := t.fetch(ctx, creds, credsErr)
	t.mu.Lock()
	defer t.mu.Unlock()
	defer close(flight)
	now := time.Now()
	t.flight, t.failure = nil, err
	if err == nil {
		t.access, t.until = access, now.Add(life)
		t.renewAt = now.Add(renewAfter(life))
		t.backoff, t.hold = 0, time.Time{}
		return
	}
	var open *OpenError
	var refusal *AccountError
	switch {
	case errors.As(err, &refusal):
		t.refused, t.hold = creds, now.Add(refusalHold)
	case errors.As(err, &open):
		t.hold = open.Until
	}
}

// renewAfter leaves five minutes of an ordinary life of one hour, a fifth of a short one.
func renewAfter(life time.Duration) time.Duration { return life - min(5*time.Minute, life/5) }

// fetch asks Login with Amazon once. The breaker sees how its service is, not whether it accepts the credentials.
func (t *tokens) fetch(ctx context.Context, creds Credentials, credsErr error) (access string, life time.Duration, err error) {
	if missing := creds.missing(); credsErr != nil || missing != "" {
		refusal := &AccountError{Rule: outcome.Classify(outcome.Answer{Operation: outcome.Token, Code: outcome.CodeCredentials}), Message: missing + " is missing"}
		if credsErr != nil {
			refusal.Message = credsErr.Error()
		}
		return "", 0, refusal
	}
	report, err := t.breaker.allow()
	if err != nil {
		return "", 0, err
	}
	r, access, life := t.askWithEither(ctx, creds)
	report(r.Rule.Breaker, why(r.Answer))
	t.client.note(ctx, "access token", r.Answer)
	switch r.Rule.Class {
	case outcome.OK:
		return access, life, nil
	case outcome.Account:
		return "", 0, &AccountError{Rule: r.Rule, Code: r.Code, Message: r.Text()}
	default:
		return "", 0, &OpenError{Until: time.Now().Add(t.nextHold()), Reason: "no access token: " + why(r.Answer)}
	}
}

// askWithEither asks with the secret that was taken last, and with the other one, if there is one, when that is refused: while
// a secret is being replaced both may be good, or only one.
func (t *tokens) askWithEither(ctx context.Context, creds Credentials) (r reply, access string, life time.Duration) {
	t.mu.Lock()
	next := t.next && creds.NextSecret != ""
	t.mu.Unlock()
	for range 2 {
		c := creds
		if next {
			c.ClientSecret = creds.NextSecret
		}
		if r, access, life = t.ask(ctx, c); r.Rule.ID != secretRefused || creds.NextSecret == "" {
			break
		}
		next = !next
	}
	if r.Rule.Class == outcome.OK {
		t.mu.Lock()
		t.next = next
		t.mu.Unlock()
	}
	return r, access, life
}

// secretRefused is the catalogue's rule for a client secret that is wrong or has expired.
const secretRefused = "secret-refused"

func (t *tokens) ask(ctx context.Context, creds Credentials) (r reply, access string, life time.Duration) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {creds.RefreshToken},
		"client_id": {creds.ClientID}, "client_secret": {creds.ClientSecret}}.Encode()
	req, err := http.NewRequest(http.MethodPost, t.client.cfg.TokenEndpoint, strings.NewReader(form))
	if err != nil { // the address was checked by New
		r.Sent, r.Code, r.Err = NotSent, outcome.CodeNotSent, errors.New("token endpoint is not an address")
		r.classify(outcome.Token)
		return r, "", 0
	}
	req.GetBody = nil
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
	req.Header.Set("User-Agent", t.client.agent)
	r = t.client.exchange(ctx, req, maxErrorBody, func() {})
	access, life = r.readToken()
	r.redact(creds.ClientSecret, creds.RefreshToken)
	r.classify(outcome.Token)
	return r, access, life
}

// readToken takes the token endpoint's body apart. Bodies of errors become code and message; those of successes never
// do, for they hold the token. The token is bounded because it travels in a header.
func (r *reply) readToken() (access string, life time.Duration) {
	if r.Sent != Answered {
		return "", 0
	}
	var body struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
		Error       text   `json:"error"`
		Description text   `json:"error_description"`
	}
	err := json.Unmarshal(r.body, &body)
	if r.Status != http.StatusOK {
		if r.Code, r.Message = string(body.Error), string(body.Description); err != nil {
			r.Message = clip(string(r.body))
		}
		return "", 0
	}
	if err != nil || !sendable(body.AccessToken) || body.ExpiresIn < 1 || body.ExpiresIn > 24*3600 {
		r.cut, r.Err = true, errors.New("the token endpoint's answer holds no usable token")
		return "", 0
	}
	return body.AccessToken, time.Duration(body.ExpiresIn) * time.Second
}

func sendable(token string) bool {
	return token != "" && len(token) <= 4096 && !strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

// nextHold doubles with every failure in a row.
func (t *tokens) nextHold() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.backoff = min(longestHold, max(firstHold, 2*t.backoff))
	return t.backoff
}

// drop forgets an access token Amazon has refused, unless it has been renewed meanwhile.
func (t *tokens) drop(access string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access == access {
		t.access, t.until, t.renewAt = "", time.Time{}, time.Time{}
	}
}

func (t *tokens) status() TokenStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := TokenStatus{ValidUntil: t.until, RenewAt: t.renewAt}
	if t.failure != nil {
		s.LastError = t.failure.Error()
	}
	return s
}

// peek returns the access token if it is still valid, without waiting.
func (t *tokens) peek() (access string, valid bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.access, t.access != "" && time.Now().Before(t.until)
}

// renew forgets the token and every hold, and fetches a new token with the credentials of now.
func (t *tokens) renew(ctx context.Context) error {
	t.mu.Lock()
	t.access, t.until, t.renewAt, t.hold = "", time.Time{}, time.Time{}, time.Time{}
	t.mu.Unlock()
	_, err := t.get(ctx)
	return err
}
