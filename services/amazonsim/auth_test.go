package amazonsim_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

const formType = "application/x-www-form-urlencoded;charset=UTF-8"

func TestLoginWithAmazon(t *testing.T) {
	second := amazonsim.Account{Seller: "A2SECOND", ClientID: "client-2", ClientSecret: "secret-2", RefreshToken: "Atzr|2"}
	b := newBench(t, amazonsim.Scenario{Accounts: []amazonsim.Account{amazonsim.DefaultAccount(), second}})
	form := func(change func(url.Values)) string {
		f := maps.Clone(defaultForm())
		change(f)
		return f.Encode()
	}
	const missing = "The request is missing a required parameter : "
	for name, c := range map[string]struct {
		body, contentType string
		status            int
		code, description string
	}{
		"unknown refresh token": {form(func(f url.Values) { f.Set("refresh_token", "Atzr|no") }), formType, 400, "invalid_grant",
			"The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."},
		"another client's refresh token": {form(func(f url.Values) { f.Set("refresh_token", "Atzr|2") }), formType, 400, "invalid_grant",
			"The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."},
		"wrong secret":     {form(func(f url.Values) { f.Set("client_secret", "no") }), formType, 401, "invalid_client", "Client authentication failed"},
		"no client":        {form(func(f url.Values) { f.Del("client_id") }), formType, 401, "invalid_client", "Client authentication failed"},
		"json body":        {`{"grant_type":"refresh_token"}`, "application/json", 401, "invalid_client", "Client authentication failed"},
		"no content type":  {defaultForm().Encode(), "", 401, "invalid_client", "Client authentication failed"},
		"grant type":       {form(func(f url.Values) { f.Set("grant_type", "password") }), formType, 400, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server"},
		"no grant type":    {form(func(f url.Values) { f.Del("grant_type") }), formType, 400, "invalid_request", missing + "grant_type"},
		"no refresh token": {form(func(f url.Values) { f.Del("refresh_token") }), formType, 400, "invalid_request", missing + "refresh_token"},
	} {
		t.Run(name, func(t *testing.T) {
			w := b.tokenRequest(c.body, c.contentType)
			var got struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
				RequestID   string `json:"request_id"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if w.Code != c.status || got.Error != c.code || got.Description != c.description || got.RequestID == "" {
				t.Fatalf("got %d %+v\nwant %d %s %q", w.Code, got, c.status, c.code, c.description)
			}
		})
	}
}

func TestGrantedToken(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{TokenLifetime: amazonsim.Duration(90 * time.Second)})
	w := b.tokenRequest(defaultForm().Encode(), formType)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	access, _ := got["access_token"].(string)
	delete(got, "access_token")
	want := map[string]any{"refresh_token": "Atzr|amazonsim", "token_type": "bearer", "expires_in": 90.0}
	if !strings.HasPrefix(access, "Atza|") || access == b.token || !maps.Equal(got, want) {
		t.Fatalf("got %v and token %q", got, access)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("headers: %v", w.Header())
	}
	if w := b.tokenRequest("", formType); w.Code != 400 { // parameters of the query do not count
		t.Fatalf("empty form: %d", w.Code)
	}
}

func TestAccessTokens(t *testing.T) {
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		method, path string
		change       func(*http.Request)
		status       int
		details      string
	}{
		"missing":           {"", "", func(r *http.Request) { r.Header.Del("X-Amz-Access-Token") }, 403, "Access token is missing in the request header."},
		"malformed":         {"", "", with("X-Amz-Access-Token", "Atza|nonsense"), 403, "The access token you provided is revoked, malformed or invalid."},
		"not one at all":    {"", "", with("X-Amz-Access-Token", "Bearer x"), 403, "The access token you provided is revoked, malformed or invalid."},
		"unknown path":      {"GET", "/orders/v0/nothing", with("X", "y"), 403, ""},
		"wrong method":      {"GET", "/orders/v0/orders/" + orderA + "/shipmentConfirmation", with("X", "y"), 403, ""},
		"no user agent":     {"", "", with("User-Agent", ""), 400, ""},
		"user agent is 501": {"", "", with("User-Agent", strings.Repeat("a", 501)), 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
			if c.method == "" {
				c.method, c.path = "POST", "/orders/v0/orders/"+orderA+"/shipmentConfirmation"
			}
			w := b.do(c.method, c.path, body(pack{}), c.change)
			got := refused(t, w)
			if w.Code != c.status || got.Details != c.details {
				t.Fatalf("got %d %+v", w.Code, got)
			}
			if c.status == 403 && (got.Code != "Unauthorized" || got.Message != "Access to requested resource is denied." ||
				w.Header().Get("x-amzn-ErrorType") != "AccessDeniedException") {
				t.Fatalf("got %+v %v", got, w.Header())
			}
		})
	}
}

func TestTokenExpiresAndTokensOutliveAReset(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), TokenLifetime: amazonsim.Duration(time.Minute)})
	if err := b.sim.Reset(); err != nil {
		t.Fatal(err)
	}
	if w := b.get(orderA); w.Code != 200 {
		t.Fatalf("after a reset: %d %s", w.Code, w.Body)
	}
	if err := b.sim.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}
	w := b.get(orderA)
	if got := refused(t, w); w.Code != 403 || got.Details != "The access token you provided has expired." {
		t.Fatalf("got %d %+v", w.Code, got)
	}
	b.token = b.login()
	if w := b.get(orderA); w.Code != 200 {
		t.Fatalf("with a new token: %d", w.Code)
	}
}
