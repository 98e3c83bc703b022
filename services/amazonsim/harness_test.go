package amazonsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	germany = "A1PA6795UKMFR9"
	orderA  = "302-1111111-0000001"
	orderB  = "302-1111111-0000002"
	itemA   = "11111111111111"
	itemB   = "22222222222222"
	dhl     = "003404341610940215"
)

// clock is a clock that tests move by hand.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{at: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

// bench is a simulator and a client that holds a token for it.
type bench struct {
	t     *testing.T
	sim   *amazonsim.Simulator
	clock *clock
	token string
}

func newBench(t *testing.T, s amazonsim.Scenario) *bench {
	t.Helper()
	c := newClock()
	sim, err := amazonsim.New(amazonsim.Options{Scenario: s, Seed: 7, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, sim: sim, clock: c}
	b.token = b.login()
	return b
}

func twoOrders() []amazonsim.Order {
	return []amazonsim.Order{
		{ID: orderA, Items: []amazonsim.Item{{ID: itemA, Quantity: 2}, {ID: itemB, Quantity: 1}}},
		{ID: orderB, Items: []amazonsim.Item{{ID: "33333333333333", Quantity: 1}}},
	}
}

func wide() []amazonsim.Quota {
	return []amazonsim.Quota{
		{Operation: amazonsim.OpConfirmShipment, Rate: 1000, Burst: 1_000_000},
		{Operation: amazonsim.OpGetOrder, Rate: 1000, Burst: 1_000_000},
		{Operation: amazonsim.OpSearchOrders, Rate: 1000, Burst: 1_000_000},
	}
}

func defaultForm() url.Values {
	a := amazonsim.DefaultAccount()
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken},
		"client_id": {a.ClientID}, "client_secret": {a.ClientSecret}}
}

func (b *bench) tokenRequest(body, contentType string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/auth/o2/token", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	b.sim.ServeHTTP(w, r)
	return w
}

func (b *bench) login() string {
	b.t.Helper()
	w := b.tokenRequest(defaultForm().Encode(), "application/x-www-form-urlencoded;charset=UTF-8")
	return accessToken(b.t, w)
}

// do sends a request with the bench's token; change may alter it.
func (b *bench) do(method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("X-Amz-Access-Token", b.token)
	r.Header.Set("User-Agent", "Test/1.0 (Language=Go)")
	r.Header.Set("Content-Type", "application/json")
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	b.sim.ServeHTTP(w, r)
	return w
}

func (b *bench) confirm(order, body string) *httptest.ResponseRecorder {
	return b.do("POST", "/orders/v0/orders/"+order+"/shipmentConfirmation", body)
}

func (b *bench) get(order string) *httptest.ResponseRecorder {
	return b.do("GET", "/orders/2026-01-01/orders/"+order+"?includedData=FULFILLMENT,PACKAGES", "")
}

// pack is a body that is right until it is changed.
type pack struct {
	ref, carrier, name, tracking, marketplace, items string
}

func body(p pack) string {
	or := func(v, fallback string) string {
		if v == "" {
			return fallback
		}
		return v
	}
	return fmt.Sprintf(`{"marketplaceId":%q,"packageDetail":{"packageReferenceId":%q,"carrierCode":%q,"carrierName":%q,`+
		`"trackingNumber":%q,"shipDate":"2026-11-02T08:00:00.000Z","orderItems":[%s]}}`,
		or(p.marketplace, germany), or(p.ref, "1"), or(p.carrier, "DHL Express"), p.name, or(p.tracking, dhl),
		or(p.items, units(itemA, 1)))
}

func units(item string, n int) string {
	return fmt.Sprintf(`{"orderItemId":%q,"quantity":%d}`, item, n)
}

type refusal struct{ Code, Message, Details string }

func refused(t *testing.T, w *httptest.ResponseRecorder) refusal {
	t.Helper()
	var got struct{ Errors []refusal }
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Errors) != 1 {
		t.Fatalf("want one error, got %d %q (%v)", w.Code, w.Body, err)
	}
	return got.Errors[0]
}

type shownOrder struct {
	Order struct {
		OrderID     string
		Fulfillment struct{ FulfillmentStatus string }
		Packages    []struct{ PackageReferenceID, Carrier, TrackingNumber string }
	}
}

func (b *bench) shown(order string) shownOrder {
	b.t.Helper()
	w := b.get(order)
	var got shownOrder
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		b.t.Fatalf("getOrder %s: %d %s %v", order, w.Code, w.Body, err)
	}
	return got
}

func accessToken(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.AccessToken == "" {
		t.Fatalf("token: %d %s %v", w.Code, w.Body, err)
	}
	return got.AccessToken
}
