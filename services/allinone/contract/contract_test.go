package contract

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFertigKeepsToTheContract is what make contract does.
func TestFertigKeepsToTheContract(t *testing.T) {
	var out bytes.Buffer
	r, err := Run(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Violations) > 0 || r.Rows < 50 || r.Operations != 4 {
		t.Errorf("%s", out.String())
	}
	last := out.String()[strings.LastIndex(strings.TrimSpace(out.String()), "\n")+1:]
	if want := fmt.Sprintf("rows %d, operations 4, violations 0\n", r.Rows); last != want {
		t.Errorf("the last line is %q, want %q", last, want)
	}
}

const good = `{"marketplaceId":"A1PA6795UKMFR9","packageDetail":{"packageReferenceId":"1","carrierCode":"DHL","trackingNumber":"T","shipDate":"2026-11-20T12:00:00Z","orderItems":[{"orderItemId":"i","quantity":1}]}}`

func exchange(method, path, body string, edit ...func(*Exchange)) Exchange {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Amz-Access-Token", "Atza|1")
	r.Header.Set("User-Agent", "Fertig/1 (Language=Go/1; Platform=linux)")
	e := Exchange{Request: r, Body: []byte(body), Header: http.Header{"X-Amzn-Requestid": {"1"}, "X-Amzn-Ratelimit-Limit": {"2.0"}}}
	for _, f := range edit {
		f(&e)
	}
	return e
}

const (
	confirmPath = "/orders/v0/orders/302-1234567-1234567/shipmentConfirmation"
	ordersPath  = "/orders/2026-01-01/orders"
)

func TestTheCheckerSeesWrongRequests(t *testing.T) {
	m, err := LoadModel()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		e    Exchange
		want string // "" for nothing
	}{
		{"right", exchange("POST", confirmPath, good), ""},
		{"another path", exchange("POST", "/orders/v1/orders", good), "no operation"},
		{"a number as reference", exchange("POST", confirmPath, strings.Replace(good, `"packageReferenceId":"1"`, `"packageReferenceId":1`, 1)), "packageReferenceId"},
		{"no marketplace", exchange("POST", confirmPath, strings.Replace(good, `"marketplaceId":"A1PA6795UKMFR9",`, "", 1)), "marketplaceId"},
		{"an unknown field", exchange("POST", confirmPath, strings.Replace(good, `"carrierCode"`, `"buyer":"x","carrierCode"`, 1)), "buyer"},
		{"items that are no list", exchange("POST", confirmPath, strings.NewReplacer("[{", "{", "}]", "}").Replace(good)), "orderItems"},
		{"a date as people write it", exchange("POST", confirmPath, strings.Replace(good, "2026-11-20T12:00:00Z", "20.11.2026", 1)), "shipDate"},
		{"no token", exchange("POST", confirmPath, good, func(e *Exchange) { e.Request.Header.Del("X-Amz-Access-Token") }), "access-token"},
		{"no user agent", exchange("POST", confirmPath, good, func(e *Exchange) { e.Request.Header.Set("User-Agent", "curl") }), "user-agent"},
		{"a search", exchange("GET", ordersPath+"?lastUpdatedAfter=2026-11-20T12:00:00Z&fulfillmentStatuses=UNSHIPPED,SHIPPED&maxResultsPerPage=100", ""), ""},
		{"a search for an unknown state", exchange("GET", ordersPath+"?fulfillmentStatuses=OPEN", ""), "fulfillmentStatuses"},
		{"a search with an unknown parameter", exchange("GET", ordersPath+"?page=2", ""), "page"},
	} {
		_, problems := m.Request(row.e)
		if got := strings.Join(problems, "; "); (row.want == "") != (got == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

func TestTheCheckerSeesWrongAnswers(t *testing.T) {
	m, err := LoadModel()
	if err != nil {
		t.Fatal(err)
	}
	says := func(status int, body string, edit ...func(http.Header)) func(*Exchange) {
		return func(e *Exchange) {
			e.Status, e.Answer = status, []byte(body)
			if body != "" {
				e.Header.Set("Content-Type", "application/json")
			}
			for _, f := range edit {
				f(e.Header)
			}
		}
	}
	const order = `{"order":{"orderId":"302-1234567-1234567","createdTime":"2026-11-20T12:00:00Z","lastUpdatedTime":"2026-11-20T12:00:00Z","salesChannel":{"channelName":"AMAZON"},"orderItems":[]}}`
	get := func(f func(*Exchange)) Exchange { return exchange("GET", ordersPath+"/302-1234567-1234567", "", f) }
	for _, row := range []struct {
		name string
		e    Exchange
		want string
	}{
		{"accepted", exchange("POST", confirmPath, good, says(204, "")), ""},
		{"accepted with a body", exchange("POST", confirmPath, good, says(204, "{}")), "body"},
		{"no request id", exchange("POST", confirmPath, good, says(204, "", func(h http.Header) { h.Del("X-Amzn-Requestid") })), "RequestId"},
		{"an undeclared header", exchange("POST", confirmPath, good, says(204, "", func(h http.Header) { h.Set("X-Amzn-Surprise", "1") })), "Surprise"},
		{"an undeclared status", exchange("POST", confirmPath, good, says(418, `{"errors":[]}`)), "not supported"},
		{"refused", exchange("POST", confirmPath, good, says(400, `{"errors":[{"code":"InvalidInput","message":"m","details":""}]}`)), ""},
		{"refused without a code", exchange("POST", confirmPath, good, says(400, `{"errors":[{"message":"m"}]}`)), "code"},
		{"an order", get(says(200, order)), ""},
		{"an order with an unknown field", get(says(200, strings.Replace(order, `"orderItems"`, `"surprise":1,"orderItems"`, 1))), "surprise"},
		{"an order without its id", get(says(200, strings.Replace(order, `"orderId":"302-1234567-1234567",`, "", 1))), "orderId"},
		{"an order with a wrong time", get(says(200, strings.Replace(order, "2026-11-20T12:00:00Z", "yesterday", 1))), "createdTime"},
	} {
		if got := strings.Join(m.Response(row.e), "; "); (row.want == "") != (got == "") || !strings.Contains(got, row.want) {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// A rule that nobody provokes is a violation.
func TestEveryRuleIsProvoked(t *testing.T) {
	if left := uncovered(); len(left) > 0 {
		t.Error(left)
	}
	kept := rows
	defer func() { rows = kept }()
	rows = rows[1:]
	if left := uncovered(); len(left) != 1 || !strings.HasPrefix(left[0], "confirmed") {
		t.Errorf("without the first row: %v", left)
	}
}
