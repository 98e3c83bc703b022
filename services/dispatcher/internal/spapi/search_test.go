package spapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// page is an answer of searchOrders with the test's order in it.
func page(t *testing.T, next string) string {
	order := strings.TrimSpace(readTestdata(t, "order.json"))
	order = strings.TrimSuffix(strings.TrimPrefix(order, "{\n  \"order\": "), "\n}")
	return `{"orders":[` + order + `],"pagination":{"nextToken":"` + next + `"},"lastUpdatedBefore":"2026-11-20T17:00:00Z"}`
}

func TestSearchReadsPageByPage(t *testing.T) {
	a := newAmazon(t)
	a.setOrders(answer(200, page(t, "a+b/c="), "x-amzn-RateLimit-Limit", "0.0056"))
	c := newClient(t, a)
	s := Search{UpdatedAfter: time.Date(2026, 11, 20, 13, 0, 0, 0, time.FixedZone("", 3600)), Statuses: []string{StatusUnshipped, StatusPartiallyShipped}}
	p, ans := c.Search(t.Context(), s)
	if ans.Rule.ID != "read" || ans.Err != nil || p.Next != "a+b/c=" || len(p.Orders) != 1 {
		t.Fatalf("%+v %+v", p, ans)
	}
	if o := p.Orders[0]; o.ID != someOrder || o.OwnNumber != "SHOP-4711" || len(o.Packages) != 1 || len(o.Items) != 2 {
		t.Errorf("%+v", o)
	}
	path, query, _ := strings.Cut(a.last().uri, "?")
	q, err := url.ParseQuery(query)
	want := map[string]string{"lastUpdatedAfter": "2026-11-20T12:00:00Z", "fulfilledBy": "MERCHANT", "maxResultsPerPage": "100",
		"includedData": "FULFILLMENT,PACKAGES", "fulfillmentStatuses": "UNSHIPPED,PARTIALLY_SHIPPED", "marketplaceIds": someMarket}
	if err != nil || path != "/orders/2026-01-01/orders" || len(q) != len(want) {
		t.Errorf("%s %v %v", path, q, err)
	}
	for k, v := range want {
		if q.Get(k) != v {
			t.Errorf("%s is %q, want %q", k, q.Get(k), v)
		}
	}
	s.Page = p.Next
	c.Search(t.Context(), s)
	if q, _ := url.ParseQuery(strings.SplitN(a.last().uri, "?", 2)[1]); q.Get("paginationToken") != "a+b/c=" {
		t.Errorf("the next page is asked for with %q", q.Get("paginationToken"))
	}
	if q := c.Status().Quota; q.Search.Rate != 0.0056 || q.Order.Rate == 0.0056 || q.Confirm.Rate == 0.0056 {
		t.Errorf("rates %+v", q)
	}
}

// A page that is not one must not look like an empty one: what is not listed is taken to be shipped.
func TestSearchKnowsNothing(t *testing.T) {
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		rule   string
	}{
		{"no list", answer(200, `{}`), "unreadable-order"},
		{"null", answer(200, `{"orders":null}`), "unreadable-order"},
		{"nothing", answer(200, ``), "unreadable-order"},
		{"page", answer(200, `<html>`), "unreadable-order"},
		{"wrong type", answer(200, `{"orders":[{"orderId":"1","packages":{}}]}`), "unreadable-order"},
		{"down", answer(503, ``), "unavailable"},
	} {
		a := newAmazon(t)
		a.setOrders(row.answer)
		if p, ans := newClient(t, a).Search(t.Context(), Search{UpdatedAfter: time.Now()}); len(p.Orders) != 0 || ans.Rule.ID != row.rule {
			t.Errorf("%s: %+v %+v", row.name, p, ans)
		}
	}
	a := newAmazon(t)
	a.setOrders(answer(200, `{"orders":[]}`))
	if p, ans := newClient(t, a).Search(t.Context(), Search{UpdatedAfter: time.Now()}); ans.Rule.ID != "read" || p.Orders != nil || p.Next != "" {
		t.Errorf("an empty page: %+v %+v", p, ans)
	}
}
