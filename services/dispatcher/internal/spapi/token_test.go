package spapi

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

func TestFiftyCallersShareOneTokenRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			grant("Atza|1", 3600)(w, r)
		})
		c := newClient(t, a, pipes)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if token, err := c.tokens.get(t.Context()); token != "Atza|1" || err != nil {
					t.Errorf("token %q, %v", token, err)
				}
			})
		}
		all.Wait()
		if tokens, _ := a.counts(); tokens != 1 {
			t.Errorf("%d token requests, want 1", tokens)
		}
	})
}

func TestTokenIsRenewedEarlyWithoutWaiting(t *testing.T) {
	for _, row := range []struct {
		seconds int
		renew   time.Duration
	}{{3600, 55 * time.Minute}, {1500, 20 * time.Minute}, {100, 80 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			a, pipes := newBubbleAmazon(t)
			a.setToken(grant("Atza|old", row.seconds))
			c := newClient(t, a, pipes)
			confirm(t, c)
			time.Sleep(row.renew - time.Millisecond)
			confirm(t, c)
			if tokens, _ := a.counts(); tokens != 1 {
				t.Fatalf("life %d s: %d token requests before %v", row.seconds, tokens, row.renew)
			}
			a.setToken(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second) // an answer at once might come before the request is put together
				grant("Atza|new", row.seconds)(w, r)
			})
			time.Sleep(time.Millisecond)
			confirm(t, c)
			if used := a.last().header.Get("X-Amz-Access-Token"); used != "Atza|old" {
				t.Errorf("life %d s: the caller waited for %s", row.seconds, used)
			}
			time.Sleep(2 * time.Second)
			confirm(t, c)
			if used := a.last().header.Get("X-Amz-Access-Token"); used != "Atza|new" {
				t.Errorf("life %d s: still %s after the renewal", row.seconds, used)
			}
		})
	}
}

func TestOldTokenServesWhileTheTokenServiceIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		c := newClient(t, a, pipes)
		confirm(t, c)
		a.setToken(answer(http.StatusServiceUnavailable, ""))
		for range 58 {
			time.Sleep(time.Minute)
			if got := confirm(t, c); got.Rule.ID != "confirmed" {
				t.Fatalf("answer %+v", got)
			}
			synctest.Wait()
		}
		if s := c.Status().Token; !strings.Contains(s.LastError, "token-unavailable") || !s.ValidUntil.After(time.Now()) {
			t.Errorf("status %+v", s)
		}
		time.Sleep(5 * time.Minute)
		var open *OpenError
		if _, err := c.Ready(t.Context()); !errors.As(err, &open) || !open.Until.After(time.Now()) {
			t.Fatalf("Ready without a token: %v", err)
		}
		a.setToken(grant("Atza|2", 3600))
		time.Sleep(time.Until(open.Until))
		confirm(t, c)
	})
}

func TestTokenServiceIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(answer(http.StatusInternalServerError, "oh"))
		c := newClient(t, a, pipes)
		var open *OpenError
		for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
			if _, err := c.Ready(t.Context()); !errors.As(err, &open) {
				t.Fatalf("Ready: %v", err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if tokens, _ := a.counts(); tokens < 10 || tokens > 16 { // five in a row, then one probe a minute
			t.Errorf("%d token requests in ten minutes", tokens)
		}
		if s := c.Status(); s.TokenBreaker.State != "open" || !strings.Contains(s.TokenBreaker.Reason, "token-unavailable") || s.Breaker.State != "closed" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestTokenRefusals(t *testing.T) {
	rows := []struct {
		status  int
		body    string
		rule    string
		account bool
	}{
		{400, noSuchGrant, "authorisation-revoked", true},
		{401, `{"error":"invalid_client","error_description":"Client authentication failed","request_id":"1"}`, "secret-refused", true},
		{400, `{"error":"unauthorized_client"}`, "application-refused", true},
		{400, `{"error":"unsupported_grant_type","error_description":"The authorization grant type is not supported by the authorization server"}`, "token-refused", true},
		{403, `<html>forbidden ` + secret + `</html>`, "token-refused", true},
		{302, ``, "token-redirected", true},
		{429, ``, "token-throttled", false},
		{503, ``, "token-unavailable", false},
		{200, `{"access_token":"","expires_in":3600}`, "token-unreadable", false},
		{200, `{"access_token":"Atza|\r\nX-Evil: 1","expires_in":3600}`, "token-unreadable", false},
		{200, `{"access_token":"Atza|1","expires_in":0}`, "token-unreadable", false},
		{200, `<html>welcome</html>`, "token-unreadable", false},
		{200, `{"access_token":"Atza|` + strings.Repeat("x", maxErrorBody) + `"}`, "token-unreadable", false},
	}
	for _, row := range rows {
		a := newAmazon(t)
		a.setToken(answer(row.status, row.body, "Location", "/elsewhere"))
		c := newClient(t, a)
		_, err := c.Ready(t.Context())
		var refusal *AccountError
		var open *OpenError
		switch {
		case row.account && (!errors.As(err, &refusal) || refusal.Rule.ID != row.rule || refusal.Rule.Class != outcome.Account):
			t.Errorf("%d %.40s: %v", row.status, row.body, err)
		case !row.account && (!errors.As(err, &open) || !strings.Contains(open.Reason, row.rule)):
			t.Errorf("%d %.40s: %v", row.status, row.body, err)
		case containsSecret(err.Error()) || containsSecret(c.Status().Token.LastError):
			t.Errorf("%d %.40s: secret in %v", row.status, row.body, err)
		}
		if tokens, requests := a.counts(); tokens != 1 || requests != 0 {
			t.Errorf("%d %.40s: %d token requests, %d others", row.status, row.body, tokens, requests)
		}
	}
}

func TestNewCredentialsLiftARefusalAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(func(w http.ResponseWriter, r *http.Request) { answer(400, noSuchGrant)(w, r) })
		creds := Credentials{ClientID: "app", ClientSecret: secret, RefreshToken: "Atzr|old"}
		var mu sync.Mutex
		var problem error
		c := newClient(t, a, pipes, func(cfg *Config) {
			cfg.Credentials = func() (Credentials, error) { mu.Lock(); defer mu.Unlock(); return creds, problem }
		})
		set := func(c Credentials, err error) { mu.Lock(); creds, problem = c, err; mu.Unlock() }
		var refusal *AccountError
		for range 100 {
			if _, err := c.Ready(t.Context()); !errors.As(err, &refusal) || refusal.Rule.ID != "authorisation-revoked" {
				t.Fatalf("Ready: %v", err)
			}
		}
		if tokens, _ := a.counts(); tokens != 1 {
			t.Errorf("%d token requests for the same refused credentials", tokens)
		}
		a.setToken(grant("Atza|2", 3600))
		set(Credentials{ClientID: "app", ClientSecret: secret, RefreshToken: "Atzr|new"}, nil)
		confirm(t, c)

		set(Credentials{ClientID: "app"}, nil)
		c.tokens.drop("Atza|2")
		if _, err := c.Ready(t.Context()); !errors.As(err, &refusal) || refusal.Rule.ID != "credentials-missing" || refusal.Message != "client secret is missing" {
			t.Errorf("Ready without secret: %v", err)
		}
		set(Credentials{}, errors.New("secret store is sealed"))
		time.Sleep(refusalHold)
		if _, err := c.Ready(t.Context()); !errors.As(err, &refusal) || refusal.Message != "secret store is sealed" {
			t.Errorf("Ready with a sealed store: %v", err)
		}
	})
}

func TestRefusedTokenIsRenewed(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	for _, details := range []string{"The access token you provided has expired.", "The access token you provided is revoked, malformed or invalid.", ""} {
		a.setOrders(refusal(403, "Unauthorized", "Access to requested resource is denied.", details))
		before, _ := a.counts()
		if got := confirm(t, c); got.Rule.Class != outcome.Auth || got.Sent != Answered || got.Details != details || got.Rule.BurnsAttempt {
			t.Errorf("%q: %+v", details, got)
		}
		a.setOrders(answer(http.StatusNoContent, ""))
		if got := confirm(t, c); got.Rule.ID != "confirmed" {
			t.Errorf("%q: then %+v", details, got)
		}
		if after, _ := a.counts(); after != before+1 && before != 0 {
			t.Errorf("%q: %d token requests", details, after-before)
		}
	}
}

func TestCredentialsHideThemselves(t *testing.T) {
	c := Credentials{ClientID: "app", ClientSecret: secret, RefreshToken: refreshToken}
	for _, s := range []string{c.String(), c.GoString(), c.LogValue().String()} {
		if s != "credentials(app)" {
			t.Errorf("credentials print as %q", s)
		}
	}
}

// While a secret is being replaced two may be there: the one that is refused is not tried first again.
func TestTwoSecretsOverlap(t *testing.T) {
	const fresh = "the-next-client-secret"
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		good, tried := secret, []string{}
		a.setToken(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			tried = append(tried, r.Form.Get("client_secret"))
			if r.Form.Get("client_secret") != good {
				answer(http.StatusUnauthorized, `{"error":"invalid_client","error_description":"Client authentication failed"}`)(w, r)
				return
			}
			grant("Atza|1", 3600)(w, r)
		})
		c := newClient(t, a, pipes, func(cfg *Config) {
			cfg.Credentials = func() (Credentials, error) {
				return Credentials{ClientID: "id", ClientSecret: secret, NextSecret: fresh, RefreshToken: refreshToken}, nil
			}
		})
		renew := func(want ...string) {
			t.Helper()
			tried = nil
			if err := c.tokens.renew(t.Context()); (err == nil) != (good != "") {
				t.Errorf("renewed: %v", err)
			}
			if !slices.Equal(tried, want) {
				t.Errorf("tried %q, want %q", tried, want)
			}
		}
		renew(secret)
		good = fresh
		renew(secret, fresh)
		renew(fresh)
		good = secret // and back
		renew(fresh, secret)
		good = ""
		renew(secret, fresh)
		if err := c.Halted(); err == nil {
			t.Error("both are refused, and the connection is not halted")
		}
	})
}
