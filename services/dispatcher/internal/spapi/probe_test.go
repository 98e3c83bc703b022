package spapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
)

// told words a test's steps.
func told(steps []Step) string {
	var out []string
	for _, s := range steps {
		how := "failed"
		if s.OK {
			how = "ok"
		} else if s.Skipped {
			how = "skipped"
		}
		out = append(out, s.Name+" "+how+" "+s.Rule.ID)
	}
	return strings.Join(out, ", ")
}

// by answers a search for one marketplace differently.
func by(marketplace string, special, rest http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch q := r.URL.Query(); {
		case marketplace != "" && q.Get("marketplaceIds") == marketplace:
			special(w, r)
		case q.Has("marketplaceIds"):
			answer(200, `{"orders":[]}`)(w, r)
		default:
			rest(w, r)
		}
	}
}

func TestConnectionTest(t *testing.T) {
	const fr = "A13V1IB3VIYZZH"
	unknown := refusal(404, "NotFound", "", "")
	denied := refusal(403, "Unauthorized", "Access to requested resource is denied.", "")
	wrong := refusal(403, "Unauthorized", "Access to requested resource is denied.", "The marketplaces you provided are not valid for region.")
	america := httptest.NewServer(unknown)
	t.Cleanup(america.Close)
	nowhere := httptest.NewServer(denied)
	t.Cleanup(nowhere.Close)
	for _, row := range []struct {
		name   string
		token  http.HandlerFunc
		orders http.HandlerFunc
		other  string // how the other regions answer
		want   string
		text   string // of the last step
	}{
		{"good", nil, by("", nil, unknown), "", "token ok token-issued, region ok order-unknown, role ok order-unknown, marketplace " + someMarket + " ok read, marketplace " + fr + " ok read", ""},
		{"one marketplace is not the seller's", nil, by(fr, denied, unknown), "", "token ok token-issued, region ok order-unknown, role ok order-unknown, marketplace " + someMarket + " ok read, marketplace " + fr + " failed access-denied", "Access to requested resource is denied."},
		{"role missing", nil, denied, nowhere.URL, "token ok token-issued, region ok access-denied, role failed access-denied", "Access to requested resource is denied."},
		{"role missing, other regions unknown", nil, denied, "", "token ok token-issued, region ok access-denied, role failed access-denied", "denied"},
		{"another region lets it in", nil, denied, america.URL, "token ok token-issued, region failed wrong-region", "Amazon lets these credentials in at region na, not eu"},
		{"Amazon says wrong region", nil, wrong, "", "token ok token-issued, region failed wrong-region", "not valid for region"},
		{"Amazon does not answer for itself", nil, answer(503, ""), "", "token ok token-issued, region failed unavailable", ""},
		{"revoked", answer(400, noSuchGrant), unknown, "", "token failed authorisation-revoked", "revoked"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := newAmazon(t)
			c := newClient(t, a, func(c *Config) {
				c.Marketplaces = []string{someMarket, fr}
				c.OtherRegion = func(r Region) string {
					if r == NorthAmerica {
						return row.other
					}
					return ""
				}
			})
			a.setOrders(row.orders)
			if row.token != nil {
				a.setToken(row.token)
			}
			steps := c.Test(t.Context())
			if got := told(steps); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if last := steps[len(steps)-1]; !strings.Contains(last.Text, row.text) {
				t.Errorf("last step says %q, want %q", last.Text, row.text)
			}
		})
	}
}

// Searches are scarce: what a test cannot ask within a second it skips, says when it may be asked, and takes nothing from the
// comparison's quota for it. One marketplace that is refused, however often it is tested, does not halt the connection.
func TestConnectionTestKeepsToTheQuotaOfSearches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, piped := newBubbleAmazon(t)
		c := newClient(t, a, piped, func(c *Config) { c.Limits.Search = quota.Limits{Rate: 0.005, Burst: 2} })
		denied := refusal(403, "Unauthorized", "Access to requested resource is denied.", "")
		a.setOrders(by(someMarket, denied, refusal(404, "NotFound", "", "")))
		var last Step
		for n := range 4 {
			a.setToken(grant("Atza|"+strings.Repeat("x", n+1), 3600))
			steps := c.Test(t.Context())
			last = steps[len(steps)-1]
		}
		if !last.Skipped || last.OK || !strings.Contains(last.Text, "try again in 3m") {
			t.Errorf("third and fourth test: %+v", last)
		}
		if _, requests := a.counts(); requests != 4+2 {
			t.Errorf("%d requests, want 4 readings and 2 searches", requests)
		}
		if err := c.Halted(); err != nil {
			t.Errorf("halted: %v", err)
		}
		time.Sleep(4 * time.Minute)
		if steps := c.Test(t.Context()); steps[len(steps)-1].Skipped {
			t.Errorf("minutes later: %+v", steps)
		}
	})
}
