package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Open makes a client for a console's address with a token. hc nil means http.DefaultClient; deadlines are the caller's,
// by context.
func Open(address, token string, hc *http.Client) (*ClientWithResponses, error) {
	if hc == nil {
		hc = http.DefaultClient
	}
	c, err := NewClientWithResponses(strings.TrimRight(address, "/"), WithHTTPClient(hc), WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("open client for %s: %w", address, err)
	}
	return c, nil
}

// Error makes a refusal an error: code, field, what is wrong and what helps.
func (e Error) Error() string {
	s := e.Message
	if e.Field != nil {
		s = *e.Field + " " + s
	}
	if e.Remedy != nil {
		s += ": " + *e.Remedy
	}
	return s
}

// Check returns the refusal in a response, nil when it is a success. JSONDefault is that of any response.
func Check(status int, body []byte, jsonDefault *Error) error {
	switch {
	case status >= 200 && status < 300:
		return nil
	case jsonDefault != nil && jsonDefault.Message != "":
		return *jsonDefault
	}
	text := strings.TrimSpace(string(body))
	if len(text) > 200 {
		text = text[:200]
	}
	return fmt.Errorf("the server answered %d: %s", status, text)
}

// Watch calls hear with the progress of a run until the run has ended, ctx ends or the stream breaks; an end before the
// run's own is an error.
func Watch(ctx context.Context, c ClientInterface, run string, hear func(Progress)) error {
	resp, err := c.WatchRun(ctx, run)
	if err != nil {
		return fmt.Errorf("watch run %s: %w", run, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what could be read is shown
		var e Error
		_ = json.Unmarshal(body, &e) // an empty Error means that it was none of ours
		return Check(resp.StatusCode, body, &e)
	}
	event := ""
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "progress":
			var p Progress
			if err := json.Unmarshal([]byte(value), &p); err != nil {
				return fmt.Errorf("watch run %s: %w", run, err)
			}
			hear(p)
			if p.Ended != nil && *p.Ended {
				return nil
			}
		case name == "data" && event == "error":
			var e Error
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				return fmt.Errorf("watch run %s: %w", run, err)
			}
			return e
		}
	}
	return fmt.Errorf("watch run %s: the stream ended before the run: ask again", run)
}
