package spapi

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
)

func fail(t *testing.T, c *Client, times int) {
	t.Helper()
	for range times {
		confirm(t, c)
	}
}

func wantOpen(t *testing.T, c *Client) *OpenError {
	t.Helper()
	var open *OpenError
	if _, err := c.Ready(t.Context()); !errors.As(err, &open) {
		t.Fatalf("Ready: %v, want an open breaker", err)
	}
	return open
}

func TestBreakerOpensAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		heard := make(chan BreakerStatus, 10)
		c := newClient(t, a, pipes, func(cfg *Config) {
			cfg.OnBreaker = func(s BreakerStatus) { heard <- s }
			cfg.Limits.Confirm = quota.Limits{Rate: 2, Burst: 9}
		})
		confirm(t, c)
		a.setOrders(refusal(500, "InternalFailure", "We encountered an internal error. Please try again.", ""))
		fail(t, c, 5)
		opened := time.Now()

		open := wantOpen(t, c)
		if until := open.Until.Sub(opened); until < time.Minute || until > time.Minute+time.Second {
			t.Errorf("next probe after %v", until)
		}
		s := c.Status()
		if s.Breaker.State != "open" || !s.Breaker.Since.Equal(opened) || !s.Breaker.NextProbe.Equal(open.Until) || !strings.Contains(s.Breaker.Reason, "We encountered an internal error") {
			t.Errorf("status %+v", s.Breaker)
		}
		for range 100 {
			wantOpen(t, c)
		}
		if left := c.Status().Quota.Confirm.Available; left != 3 {
			t.Errorf("%d of 3 quota tokens left: an open breaker cost quota", left)
		}

		time.Sleep(time.Until(open.Until))
		if got := confirm(t, c); got.Rule.ID != "internal-failure" {
			t.Fatalf("probe: %+v", got)
		}
		open = wantOpen(t, c)
		a.setOrders(answer(http.StatusNoContent, ""))
		time.Sleep(time.Until(open.Until))
		confirm(t, c)
		if s := c.Status().Breaker; s.State != "closed" || s.Reason != "" || !s.NextProbe.IsZero() {
			t.Errorf("after a good probe: %+v", s)
		}
		synctest.Wait()
		close(heard)
		var states []string
		for s := range heard {
			states = append(states, s.State)
		}
		if got := strings.Join(states, " "); got != "open half-open open half-open closed" {
			t.Errorf("heard %s", got)
		}
	})
}

func TestHalfOpenAdmitsOneAndCancelFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		c := newClient(t, a, pipes)
		a.setOrders(refusal(503, "ServiceUnavailable", "", ""))
		fail(t, c, 5)
		time.Sleep(time.Until(wantOpen(t, c).Until))

		probe, err := c.Ready(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if open := wantOpen(t, c); !strings.Contains(open.Reason, "a probe is under way") || !open.Until.After(time.Now()) {
			t.Errorf("second caller: %v", open)
		}
		probe.Cancel()

		a.setOrders(refusal(429, "QuotaExceeded", "You exceeded your quota for the requested resource.", ""))
		confirm(t, c) // says nothing about health and frees the place, too
		if s := c.Status().Breaker.State; s != "half-open" {
			t.Errorf("after a throttled probe: %s", s)
		}
		a.setOrders(answer(http.StatusNoContent, ""))
		confirm(t, c)
		if s := c.Status().Breaker.State; s != "closed" {
			t.Errorf("after a good probe: %s", s)
		}
	})
}

func TestWhatOpensTheBreaker(t *testing.T) {
	good := answer(http.StatusNoContent, "")
	rejected := refusal(400, "InvalidInput", "ErrorCode: InvalidCarrier", "")
	throttled := refusal(429, "QuotaExceeded", "", "")
	expired := refusal(403, "Unauthorized", "", "The access token you provided has expired.")
	denied := refusal(403, "Unauthorized", "Access to requested resource is denied.", "")
	broken := refusal(500, "InternalFailure", "", "")
	repeat := func(n int, hs ...http.HandlerFunc) (all []http.HandlerFunc) {
		for range n {
			all = append(all, hs...)
		}
		return all
	}
	rows := []struct {
		name    string
		answers []http.HandlerFunc
		state   string
	}{
		{"refused orders never", repeat(30, rejected), "closed"},
		{"throttling never", repeat(8, throttled), "closed"},
		{"expired tokens never", repeat(20, expired), "closed"},
		{"four failures in a row do not", repeat(4, broken), "closed"},
		{"five failures in a row do", repeat(5, broken), "open"},
		{"throttling between them does not help", append(repeat(4, broken, throttled), broken), "open"},
		{"denied access does", repeat(5, denied), "open"},
		{"lost connections do", repeat(5, hangUp), "open"},
		{"half of ten do", repeat(5, good, broken), "open"},
		{"a third does not", repeat(10, good, good, broken), "closed"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, pipes := newBubbleAmazon(t)
				c := newClient(t, a, pipes)
				for _, h := range row.answers {
					a.setOrders(h)
					confirm(t, c)
				}
				if s := c.Status().Breaker; s.State != row.state {
					t.Errorf("breaker is %+v, want %s", s, row.state)
				}
			})
		})
	}
}

func TestOldFailuresAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		c := newClient(t, a, pipes)
		for range 4 {
			a.setOrders(refusal(500, "InternalFailure", "", ""))
			confirm(t, c)
			a.setOrders(answer(http.StatusNoContent, ""))
			confirm(t, c)
		}
		time.Sleep(2 * time.Minute)
		for range 5 {
			confirm(t, c)
		}
		a.setOrders(refusal(500, "InternalFailure", "", ""))
		fail(t, c, 4)
		if s := c.Status().Breaker.State; s != "closed" {
			t.Errorf("breaker is %s although the failures of two minutes ago do not count", s)
		}
	})
}

func TestAStoppedRequestIsNoSignOfIllHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		release := make(chan struct{})
		a.setOrders(func(http.ResponseWriter, *http.Request) { <-release })
		c := newClient(t, a, pipes)
		for range 6 {
			if got := confirmUntil(t, c, time.Second, errors.New("lease is gone")); got.Rule.ID != "stopped" || got.Sent != MaybeSent {
				t.Fatalf("answer %+v", got)
			}
		}
		if s := c.Status().Breaker.State; s != "closed" {
			t.Errorf("breaker is %s", s)
		}
		close(release)
	})
}
