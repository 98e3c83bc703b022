package spapi

import (
	"errors"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
)

func readTestdata(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestOrderIsReadWithoutPeople(t *testing.T) {
	a := newAmazon(t)
	a.setOrders(answer(200, readTestdata(t, "order.json"), "x-amzn-RateLimit-Limit", "0.7"))
	c := newClient(t, a)
	got, ans := c.Order(t.Context(), someOrder)
	if ans.Rule.ID != "read" || ans.Err != nil || ans.Message != "" {
		t.Fatalf("answer %+v", ans)
	}
	at := func(s string) time.Time { v, _ := time.Parse(time.RFC3339, s); return v }
	want := Order{
		Found: true, ID: someOrder, OwnNumber: "SHOP-4711", Marketplace: someMarket, Status: StatusPartiallyShipped, FulfilledBy: ByMerchant, ServiceLevel: "STANDARD", Programs: []string{ProgramPrime},
		ShipBy: at("2026-11-21T22:59:59Z"), LastUpdated: at("2026-11-20T16:30:00Z"),
		Items: []OrderItem{
			{ID: "20212345678901", Ordered: 3, Fulfilled: 1, Unfulfilled: 2, Programs: []string{ProgramTransparency}, CancelRequested: true},
			{ID: "20212345678902", Ordered: 1, CancelledBy: "MERCHANT"},
		},
		Packages: []Package{{
			Reference: "DE-PKG-17", Carrier: "DHL", Service: "DHL Paket", Tracking: "00340434161094021501", Status: "IN_TRANSIT",
			ShipTime: at("2026-11-20T14:00:00Z"), CreatedTime: at("2026-11-20T14:05:00Z"), Items: []PackageItem{{"20212345678901", 1}},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("order\n%+v, want\n%+v", got, want)
	}
	req := a.last()
	if req.method != "GET" || req.uri != "/orders/2026-01-01/orders/"+someOrder+"?includedData=FULFILLMENT,PACKAGES,CANCELLATION" || req.body != "" {
		t.Errorf("request %+v", req)
	}
	if s := c.Status().Quota; s.Order.Rate != 0.7 || s.Confirm.Rate != 1000 {
		t.Errorf("rates %+v", s)
	}
}

func TestOrderNotFoundAndNotKnown(t *testing.T) {
	rows := []struct {
		name   string
		answer http.HandlerFunc
		rule   string
	}{
		{"404", refusal(404, "NotFound", "The resource specified does not exist.", ""), "order-unknown"},
		{"empty order", answer(200, `{"order":{}}`), "read"},
		{"empty payload", answer(200, `{"payload":{}}`), "read"},
		{"null", answer(200, `{"order":null}`), "read"},
		{"nothing", answer(200, ``), "unreadable-order"},
		{"null body", answer(200, `null`), "unreadable-order"},
		{"page", answer(200, `<html>`), "unreadable-order"},
		{"wrong type", answer(200, `{"order":{"orderId":"1","packages":{}}}`), "unreadable-order"},
		{"too long", answer(200, `{"order":{"x":"`+strings.Repeat("x", maxOrderBody)+`"}}`), "unreadable-order"},
		{"down", answer(503, ``), "unavailable"},
	}
	for _, row := range rows {
		a := newAmazon(t)
		a.setOrders(row.answer)
		c := newClient(t, a)
		if got, ans := c.Order(t.Context(), someOrder); got.Found || ans.Rule.ID != row.rule || ans.Sent != Answered {
			t.Errorf("%s: %+v %+v", row.name, got, ans)
		}
	}
}

func TestOrderWaitsForItsOwnQuotaAndTheSharedBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		c := newClient(t, a, pipes, func(cfg *Config) { cfg.Limits.Order = quota.Limits{Rate: 0.5, Burst: 1} })
		a.setOrders(answer(200, `{"order":{"orderId":"1"}}`))
		start := time.Now()
		for range 3 {
			if got, ans := c.Order(t.Context(), someOrder); !got.Found {
				t.Fatalf("answer %+v", ans)
			}
		}
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("three readings took %v", took)
		}
		a.setOrders(answer(500, ``))
		fail(t, c, 5)
		var open *OpenError
		_, ans := c.Order(t.Context(), someOrder)
		if ans.Rule.ID != "held" || ans.Sent != NotSent || !errors.As(ans.Err, &open) {
			t.Errorf("answer %+v", ans)
		}
	})
}

func FuzzOrderBody(f *testing.F) {
	f.Add([]byte(readTestdata(f, "order.json")))
	for _, seed := range []string{``, `{}`, `{"order":{}}`, `{"order":{"orderId":7,"packages":[{"shipTime":5}]}}`, `[`, `{"order":{"orderId":"1","orderItems":[{"quantityOrdered":1e99}]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := decodeOrder(body)
		if o.Found && (err != nil || o.ID == "") || !o.Found && !reflect.DeepEqual(o, Order{}) {
			t.Fatalf("%+v, %v", o, err)
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, seed := range []string{``, `{"errors":[]}`, `{"errors":[{"code":"InvalidInput","message":"m","details":""}]}`, `{"errors":[{"code":1,"message":null},{"details":{}}]}`, "<html>\xff</html>", noSuchGrant} {
		f.Add([]byte(seed), 400)
	}
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		code, message, _ := readErrors(body)
		if code == "" && len(message) > maxText+len(" …") && !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
			t.Fatalf("%d bytes kept of a body that is no error list", len(message))
		}
		r := reply{Answer: Answer{Sent: Answered, Status: status}, body: body}
		access, life := r.readToken()
		if access != "" && (status != 200 || !sendable(access) || life <= 0) {
			t.Fatalf("token %q for %v", access, life)
		}
	})
}
