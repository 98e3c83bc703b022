package spapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// Step is one step of a connection test, for people. Rule tells why it failed and what helps.
type Step struct {
	Name    string // token, region, role, or marketplace with its id
	OK      bool
	Skipped bool // nothing is known: Text says why
	Took    time.Duration
	Rule    outcome.Rule
	Text    string // Amazon's words, the error, or what is worth knowing
}

// nobodysOrder is well-formed but nobody's, so reading it shows what may be read without reading anything.
const nobodysOrder = "000-0000000-0000000"

// Test finds out what keeps Amazon from letting the connection in, one thing after the other, with reads that change nothing:
// whether an access token is issued, whether the region is the one the credentials belong to, whether the application has
// the role that confirming needs, and whether the seller may be asked about each marketplace. It stops where the rest can
// only fail, too. It keeps to the quota; what that leaves no room for is skipped.
func (c *Client) Test(ctx context.Context) []Step {
	steps, in := c.letIn(ctx)
	if !in {
		return steps
	}
	for _, id := range c.cfg.Marketplaces {
		steps = append(steps, c.marketplace(ctx, id))
	}
	return steps
}

// letIn is the part of a test that is quick and cheap, and tells whether Amazon lets the connection in.
func (c *Client) letIn(ctx context.Context) (steps []Step, in bool) {
	began := time.Now()
	if err := c.tokens.renew(ctx); err != nil {
		return []Step{{Name: "token", Took: time.Since(began), Rule: heldBack(err).Rule, Text: err.Error()}}, false
	}
	token := Step{Name: "token", OK: true, Took: time.Since(began)}
	token.Rule, _ = outcome.Lookup("token-issued")

	began = time.Now()
	_, a := c.read(ctx, nobodysOrder)
	region, role := c.stepOf("region", began, a), c.stepOf("role", began, a)
	switch {
	case role.OK:
		region.Text, role.Text = c.cfg.Endpoint, "orders may be read"
		return []Step{token, region, role}, true
	case a.Rule.ID == "wrong-region" || a.Rule.Class != outcome.Auth && a.Rule.Class != outcome.Account:
		return []Step{token, region}, false // not let in here at all, or not answered
	}
	if other := c.elsewhere(ctx); other != "" {
		region.Rule, _ = outcome.Lookup("wrong-region")
		region.Text = fmt.Sprintf("Amazon lets these credentials in at region %s, not %s", other, c.cfg.Region)
		return []Step{token, region}, false
	}
	region.OK, region.Text = true, "no other region lets these credentials in"
	return []Step{token, region, role}, false
}

// stepOf words the answer to a read.
func (c *Client) stepOf(name string, began time.Time, a Answer) Step {
	s := Step{Name: name, Took: time.Since(began), Rule: a.Rule, Text: a.Text()}
	s.OK = a.Rule.Class == outcome.OK || a.Rule.ID == "order-unknown"
	if a.Err != nil {
		s.Text = a.Err.Error()
	}
	return s
}

// searchPatience is how long a test waits for the scarce quota of searches.
const searchPatience = time.Second

// marketplace asks for the orders of one marketplace that changed within the last minute, and looks at none.
func (c *Client) marketplace(ctx context.Context, id string) Step {
	began := time.Now()
	name := "marketplace " + id
	patient, cancel := context.WithTimeoutCause(ctx, searchPatience, errNoQuota)
	defer cancel()
	t, err := c.board(patient, c.search)
	if errors.Is(context.Cause(patient), errNoQuota) {
		eta := c.search.ETA(1).Round(time.Second)
		return Step{Name: name, Skipped: true, Took: time.Since(began), Text: fmt.Sprintf("not asked: the quota of searches is used up, try again in %s", max(eta, time.Second))}
	}
	if err != nil {
		return c.stepOf(name, began, heldBack(err))
	}
	q := url.Values{"lastUpdatedAfter": {time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)}, "marketplaceIds": {id}, "maxResultsPerPage": {"1"}, "fulfilledBy": {ByMerchant}}
	req, err := c.request(http.MethodGet, "/orders/2026-01-01/orders?"+q.Encode(), t.access, nil)
	if err != nil {
		t.token.Return()
		t.report(outcome.Excluded, "")
		return c.stepOf(name, began, unsent(outcome.Read, outcome.CodeWithdrawn, err))
	}
	r := c.send(ctx, t, req, outcome.Read, maxPageBody, nil)
	s := c.stepOf(name, began, r.Answer)
	s.OK = r.Rule.Class == outcome.OK // a search that is not found is none
	return s
}

var errNoQuota = errors.New("no quota of searches is left")

// elsewhere is the region other than the connection's whose endpoint lets its credentials in, "" if none does. It says
// nothing of the own region's access, breaker and quota, and so touches none of them.
func (c *Client) elsewhere(ctx context.Context) string {
	access, err := c.tokens.get(ctx) // the refused one has been thrown away
	if err != nil {
		return ""
	}
	for _, r := range [...]Region{NorthAmerica, Europe, FarEast} {
		endpoint := c.cfg.OtherRegion(r)
		if r == c.cfg.Region || endpoint == "" {
			continue
		}
		req, err := c.requestTo(endpoint, http.MethodGet, "/orders/2026-01-01/orders/"+nobodysOrder, access, nil)
		if err != nil {
			return ""
		}
		got := c.exchange(ctx, req, maxErrorBody, func() {})
		if got.Sent == Answered && (got.Status == http.StatusOK || got.Status == http.StatusNotFound) {
			return string(r)
		}
	}
	return ""
}
