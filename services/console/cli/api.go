package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

// callTimeout bounds one call but the following of a run.
const callTimeout = 60 * time.Second

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

func connect(at Access, h *http.Client) (client.ClientInterface, error) {
	if u, err := url.Parse(at.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, Usage(fault.Field("--url", "%q is not an address such as http://127.0.0.1:8780", at.URL))
	}
	return client.Open(at.URL, at.Token, h)
}

// take reads an answer: the body as T, or the refusal as an error of its kind.
func take[T any](r *http.Response, err error) (T, error) {
	var out T
	if err != nil {
		return out, unreachable(err)
	}
	defer func() { _ = r.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		return out, unreachable(err)
	}
	if r.StatusCode >= 300 {
		return out, refused(r.StatusCode, data)
	}
	if len(data) == 0 {
		return out, nil
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fault.Wrap(fault.Internal, err, "the answer is not what a console sends: is --url right?")
	}
	return out, nil
}

func unreachable(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &op):
		return fault.New(fault.Unavailable, "nobody answers (%v): is fertig up running?", op)
	}
	return fault.New(fault.Unavailable, "no answer: %v", err)
}

func refused(status int, body []byte) error {
	var e client.Error
	if err := json.Unmarshal(body, &e); err != nil || e.Message == "" {
		return fault.New(fault.Internal, "the console answers %d %s", status, http.StatusText(status))
	}
	text := e.Message
	if e.Remedy != nil && *e.Remedy != "" {
		text += ": " + *e.Remedy
	}
	return &fault.Error{Kind: fault.Kind(e.Code), Field: deref(e.Field), Text: text}
}

// within bounds a call.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callTimeout)
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// given returns a pointer to v, nil for its zero value: absent fields stay absent.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func list[T any](v []T) *[]T {
	if len(v) == 0 {
		return nil
	}
	return &v
}
