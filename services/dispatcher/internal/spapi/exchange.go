package spapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// The most of a body that is read. Orders with many items are long; errors never are.
const (
	maxErrorBody = 64 << 10
	maxOrderBody = 1 << 20
	maxPageBody  = 16 << 20 // a hundred orders
)

var errRequestTimeout = errors.New("no answer within the request timeout")

// newHTTP returns a client that sends each request once and follows no redirect, for a redirected POST could confirm
// somewhere else. HTTP/1.1 only: there, a request whose headers were never completely written cannot have been processed.
func newHTTP(transport http.RoundTripper, idle int) *http.Client {
	if transport == nil {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		transport = &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    5 * time.Second,
			MaxIdleConnsPerHost:    idle,
			IdleConnTimeout:        45 * time.Second, // shorter than the far side's, so that it rarely closes first
			MaxResponseHeaderBytes: 64 << 10,
			Protocols:              protocols,
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// reply is an answer with what only this package needs of it.
type reply struct {
	Answer
	header http.Header
	body   []byte
	cut    bool // the body is not whole, or not what it must be
}

// exchange sends the request once and reads its answer within the timeout; leaving is called when the request leaves,
// from another goroutine perhaps, and not at all if it provably does not. It leaves the classification to the caller,
// except that Code says what happened when there is no status.
func (c *Client) exchange(ctx context.Context, req *http.Request, limit int64, leaving func()) reply {
	var r reply
	var connected, written atomic.Bool
	trace := &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
		WroteHeaders: func() {
			written.Store(true)
			leaving()
		},
	}
	limited, cancel := context.WithTimeoutCause(ctx, c.cfg.RequestTimeout, errRequestTimeout)
	defer cancel()
	req = req.WithContext(httptrace.WithClientTrace(limited, trace))

	r.At = time.Now()
	res, err := c.http.Do(req)
	if err != nil {
		r.Took = time.Since(r.At)
		// Once a connection is in hand and the context ends, the transport may still be writing; then nothing is proved.
		unsent := !connected.Load() || limited.Err() == nil && !written.Load()
		r.Sent, r.Code = certainty(unsent, ctx)
		r.Err = describe(req, limited, err)
		return r
	}
	defer res.Body.Close()
	r.Sent, r.Status, r.header = Answered, res.StatusCode, res.Header
	r.RequestID = res.Header.Get("x-amzn-RequestId")
	r.body, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
	r.Took = time.Since(r.At)
	switch {
	case err != nil:
		r.cut, r.Err = true, describe(req, limited, err)
	case int64(len(r.body)) > limit:
		r.cut, r.Err = true, fmt.Errorf("%s %s: answer is longer than %d bytes", req.Method, req.URL.Path, limit)
		r.body = r.body[:limit]
	}
	return r
}

// certainty tells the end of the caller's patience from a fault of the network or of Amazon.
func certainty(unsent bool, ctx context.Context) (Certainty, string) {
	gaveUp := errors.Is(ctx.Err(), context.Canceled)
	switch {
	case unsent && gaveUp:
		return NotSent, outcome.CodeWithdrawn
	case unsent:
		return NotSent, outcome.CodeNotSent
	case gaveUp:
		return MaybeSent, outcome.CodeStopped
	default:
		return MaybeSent, outcome.CodeNoAnswer
	}
}

// describe names the operation and why it ended. Neither address nor error hold secrets: those travel in headers and
// in the token request's body only.
func describe(req *http.Request, ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("%s %s: %w", req.Method, req.URL.Path, err)
}

// classify sets the rule. A cut body makes the code unreadable, unless what was read holds one.
func (r *reply) classify(op outcome.Operation) {
	a := outcome.Answer{Operation: op, Status: r.Status, Code: r.Code, Message: r.Message, Details: r.Details}
	if r.cut && a.Code == "" {
		a.Code = outcome.CodeUnreadable
	}
	r.Rule = outcome.Classify(a)
	if r.Sent != Answered {
		r.Code = "" // ours, not Amazon's
	}
}

// redact removes secrets from whatever the far side may have echoed.
func (r *reply) redact(secrets ...string) {
	for _, s := range secrets {
		if len(s) < 4 {
			continue
		}
		for _, field := range []*string{&r.Code, &r.Message, &r.Details, &r.RequestID} {
			*field = strings.ReplaceAll(*field, s, "***")
		}
	}
}
