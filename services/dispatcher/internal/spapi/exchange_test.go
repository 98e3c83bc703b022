package spapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// confirmUntil sends one confirmation and withdraws after a while.
func confirmUntil(t *testing.T, c *Client, after time.Duration, cause error) Answer {
	t.Helper()
	p, err := c.Ready(t.Context())
	if err != nil {
		t.Fatalf("Ready: %v", err)
	}
	defer p.Cancel()
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := time.AfterFunc(after, func() { cancel(cause) })
	defer stop.Stop()
	return p.Confirm(ctx, someOrder, someBody(t))
}

func TestEveryAnswerIsClassifiedAndKeptVerbatim(t *testing.T) {
	for _, rule := range outcome.All() {
		if rule.Operation != outcome.Confirm && rule.Operation != "" || rule.Status < 2 || rule.Code == outcome.CodeUnreadable {
			continue
		}
		status := rule.Status
		switch status {
		case 2:
			status = 202
		case 3:
			status = 307
		case 4:
			status = 418
		case 5:
			status = 502
		}
		t.Run(rule.ID, func(t *testing.T) {
			a := newAmazon(t)
			c := newClient(t, a)
			code, message := "InvalidInput", "So it is: "+strings.Join(rule.Fragments, " … ")+" <302-1234567-1234567>"
			if rule.Code != "" {
				code = rule.Code
			}
			a.setOrders(refusal(status, code, message, "details"))
			if status == http.StatusNoContent {
				a.setOrders(answer(status, ""))
				code, message = "", ""
			} else if status/100 == 2 {
				code, message = "", ""
			}
			got := confirm(t, c)
			if got.Rule.ID != rule.ID || got.Status != status || got.Sent != Answered || got.RequestID != "request-1" || got.Err != nil {
				t.Errorf("answer %+v", got)
			}
			if got.Code != code || got.Message != message {
				t.Errorf("text %q %q, want %q %q", got.Code, got.Message, code, message)
			}
			if _, requests := a.counts(); requests != 1 {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

func TestNothingListens(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	confirm(t, c)
	a.CloseClientConnections()
	a.Close()
	got := confirm(t, c)
	for got.Rule.ID != "not-sent" { // a connection dying under our hands is a doubt, the next ones are refused
		if got.Rule.ID != "no-answer" {
			t.Fatalf("answer %+v", got)
		}
		got = confirm(t, c)
	}
	if got.Sent != NotSent || got.Status != 0 || got.Err == nil || containsSecret(got.Err.Error()) {
		t.Errorf("answer %+v", got)
	}
	if s := c.Status().Quota.Confirm; s.Available < s.Burst-3 {
		t.Errorf("requests that were not sent cost quota: %+v", s)
	}
}

func TestTLSFailureIsProvablyNotSent(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a, func(cfg *Config) { cfg.Endpoint = strings.Replace(cfg.Endpoint, "http:", "https:", 1) })
	if got := confirm(t, c); got.Sent != NotSent || got.Rule.ID != "not-sent" {
		t.Errorf("answer %+v", got)
	}
	if _, requests := a.counts(); requests != 0 {
		t.Errorf("%d requests arrived", requests)
	}
}

func TestConnectionLostAfterwardsIsADoubtAndSentOnce(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	confirm(t, c) // the second request goes over a kept connection, where transports like to try again
	a.setOrders(hangUp)
	got := confirm(t, c)
	if got.Sent != MaybeSent || got.Rule.ID != "no-answer" || got.Code != "" || got.Err == nil {
		t.Errorf("answer %+v", got)
	}
	if _, requests := a.counts(); requests != 2 {
		t.Errorf("%d requests arrived, want 2", requests)
	}
}

func TestSlowAmazon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		release := make(chan struct{})
		defer close(release)
		c := newClient(t, a, pipes)
		a.setOrders(func(http.ResponseWriter, *http.Request) { <-release })
		got := confirm(t, c)
		if got.Sent != MaybeSent || got.Rule.ID != "no-answer" || got.Took != 10*time.Second || !errors.Is(got.Err, errRequestTimeout) {
			t.Errorf("silent: %+v", got)
		}
		drip := func(status int) http.HandlerFunc {
			return func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, `{"errors":[`)
				_ = http.NewResponseController(w).Flush()
				<-release
			}
		}
		a.setOrders(drip(400))
		if got = confirm(t, c); got.Sent != Answered || got.Status != 400 || got.Rule.ID != "unreadable-answer" || got.Took != 10*time.Second {
			t.Errorf("slow refusal: %+v", got)
		}
		a.setOrders(drip(503))
		if got = confirm(t, c); got.Rule.ID != "unavailable" {
			t.Errorf("slow 503: %+v", got)
		}
		a.setOrders(drip(200))
		if _, got = c.Order(t.Context(), someOrder); got.Rule.ID != "unreadable-order" {
			t.Errorf("slow order: %+v", got)
		}
	})
}

func TestHugeAndStrangeBodies(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	a.setOrders(answer(400, strings.Repeat("x", 10<<20)))
	if got := confirm(t, c); got.Rule.ID != "unreadable-answer" || len(got.Message) > maxText+10 || got.Err == nil {
		t.Errorf("huge: %s, %d bytes kept, %v", got.Rule.ID, len(got.Message), got.Err)
	}
	a.setOrders(answer(400, "<html>blocked by ACME proxy</html>"))
	if got := confirm(t, c); got.Rule.ID != "unknown-rejection" || got.Message != "<html>blocked by ACME proxy</html>" {
		t.Errorf("proxy: %+v", got)
	}
	a.setOrders(answer(400, `{"errors":[{"code":7,"message":{"a":1},"details":null},{"code":"B","message":"PackageToUpdateNotFound"}]}`))
	if got := confirm(t, c); got.Rule.ID != "package-not-found" || got.Code != "7" || got.Message != "{\"a\":1}\nB PackageToUpdateNotFound" {
		t.Errorf("strange: %+v", got)
	}
	a.setOrders(answer(500, `the token was Atza|1, dear`))
	if got := confirm(t, c); got.Message != "the token was ***, dear" {
		t.Errorf("echo: %q", got.Message)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	a := newAmazon(t)
	for _, status := range []int{301, 302, 307, 308} {
		c := newClient(t, a) // one that was redirected is halted
		a.setOrders(answer(status, "", "Location", "/orders/v0/orders/elsewhere/shipmentConfirmation"))
		if got := confirm(t, c); got.Rule.ID != "redirected" || got.Status != status {
			t.Errorf("%d: %+v", status, got)
		}
	}
	if _, requests := a.counts(); requests != 4 {
		t.Errorf("%d requests, want 4", requests)
	}
}

func TestGovernorFollowsAmazon(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	for _, row := range []struct {
		answer http.HandlerFunc
		rate   float64
	}{
		{answer(204, "", "x-amzn-RateLimit-Limit", "20.5"), 20.5},
		{answer(400, "", "x-amzn-RateLimit-Limit", "1.5"), 1.5},
		{answer(204, "", "x-amzn-RateLimit-Limit", "nonsense"), 1.5},
		{answer(500, "", "x-amzn-RateLimit-Limit", "100"), 1.5},
		{answer(404, "", "x-amzn-RateLimit-Limit", "30"), 30},
	} {
		a.setOrders(row.answer)
		confirm(t, c)
		if s := c.Status().Quota; s.Confirm.Rate != row.rate || s.Order.Rate != 1000 {
			t.Errorf("rates %+v, want %v", s, row.rate)
		}
	}
	a.setOrders(refusal(429, "QuotaExceeded", "", ""))
	if got := confirm(t, c); got.Rule.ID != "throttled" || got.Rule.BurnsAttempt {
		t.Errorf("answer %+v", got)
	}
	if s := c.Status().Quota.Confirm; s.PausedUntil.IsZero() || s.Available != 0 || c.ETA(1) <= 0 {
		t.Errorf("after a 429: %+v", s)
	}
}

func TestUnsentRequestsCostNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		c := newClient(t, a, pipes)
		ctx, cancel := context.WithCancel(t.Context())
		p, err := c.Ready(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if got := p.Confirm(ctx, someOrder, someBody(t)); got.Sent != NotSent || got.Rule.ID != "withdrawn" || !errors.Is(got.Err, context.Canceled) {
			t.Errorf("answer %+v", got)
		}
		if _, err := c.Ready(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Ready with an ended context: %v", err)
		}
		gone := errors.New("lease is gone")
		ctx, stop := context.WithCancelCause(t.Context())
		stop(gone)
		if _, err := c.Ready(ctx); !errors.Is(err, context.Canceled) || !errors.Is(err, gone) {
			t.Errorf("Ready with an ended context: %v", err)
		}
		if _, got := c.Order(ctx, someOrder); got.Sent != NotSent || got.Rule.ID != "withdrawn" {
			t.Errorf("answer %+v", got)
		}
		if s := c.Status().Quota; s.Confirm.Available != s.Confirm.Burst || s.Order.Available != s.Order.Burst {
			t.Errorf("quota %+v", s)
		}
	})
}

func TestNothingSecretIsLogged(t *testing.T) {
	var log bytes.Buffer
	a := newAmazon(t)
	c := newClient(t, a, func(cfg *Config) {
		cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	confirm(t, c)
	a.setOrders(answer(403, "Atza|1"))
	got := confirm(t, c)
	c.Close()
	everything := log.String() + fmt.Sprintf("%+v %+v", got, c.Status())
	if containsSecret(everything) || !strings.Contains(log.String(), `"rule":"confirmed"`) || !strings.Contains(log.String(), `"connection":"IT1"`) {
		t.Errorf("log: %s", everything)
	}
}

func TestClosedClient(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	c.Close()
	c.Close()
	if _, err := c.Ready(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Ready: %v", err)
	}
}
