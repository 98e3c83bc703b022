package amazonsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

const sandboxOrder = "902-1106328-1059050"

// sandboxBody is the body of the pairs in Amazon's model.
func sandboxBody(shipDate string) string {
	return `{"marketplaceId":"ATVPDKIKX0DER","packageDetail":{"packageReferenceId":"1","carrierCode":"FedEx","carrierName":"FedEx","shippingMethod":"FedEx Ground",
		"trackingNumber":"112345678","shipDate":"` + shipDate + `","shipFromSupplySourceId":"057d3fcc-b750-419f-bbcd-4d340c60c430",
		"orderItems":[{"orderItemId":"79039765272157","quantity":1,"transparencyCodes":["09876543211234567890"]}]}}`
}

func TestStaticSandbox(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Sandbox: true, Orders: twoOrders()})
	const all = "BUYER,RECIPIENT,PROCEEDS,EXPENSE,PROMOTION,CANCELLATION,FULFILLMENT,PACKAGES"
	for _, row := range []struct {
		name, method, path, body string
		status                   int
		text                     string
	}{
		{"confirmed", "POST", "/orders/v0/orders/" + sandboxOrder + "/shipmentConfirmation", sandboxBody("2022-02-11T01:00:00.000Z"), 204, ""},
		{"a date Amazon refuses", "POST", "/orders/v0/orders/" + sandboxOrder + "/shipmentConfirmation", sandboxBody("02/21/2022"), 400, `{"code":"Invalid Input","message":"Invalid Input"}`},
		{"another date", "POST", "/orders/v0/orders/" + sandboxOrder + "/shipmentConfirmation", sandboxBody("2022-02-12T01:00:00.000Z"), 400, "Could not match input arguments"},
		{"no JSON", "POST", "/orders/v0/orders/" + sandboxOrder + "/shipmentConfirmation", "{", 400, "Could not match input arguments"},
		{"an order of the scenario", "POST", "/orders/v0/orders/" + orderA + "/shipmentConfirmation", body(pack{}), 400, "Could not match input arguments"},
		{"an order", "GET", "/orders/2026-01-01/orders/171-9876543-2109876?includedData=" + all, "", 200, `"orderId":"171-9876543-2109876"`},
		{"the same, less asked for", "GET", "/orders/2026-01-01/orders/171-9876543-2109876?includedData=PACKAGES", "", 400, "Could not match input arguments"},
		{"an order that is none", "GET", "/orders/2026-01-01/orders/TEST_CASE_400", "", 400, "Invalid Input"},
		{"a search", "GET", "/orders/2026-01-01/orders?createdAfter=2024-12-25T00:00:00Z&marketplaceIds=A1VC38T7YXB528&includedData=" + all, "", 200, `"orderId":"250-1234567-8901234"`},
		{"a search that says how far it went", "GET", "/orders/2026-01-01/orders?createdAfter=2024-12-25T00:00:00Z&marketplaceIds=A1VC38T7YXB528&includedData=" + all, "", 200, `"createdBefore":"2024-12-25T03:00:00Z"`},
		{"another search", "GET", "/orders/2026-01-01/orders?createdAfter=2024-12-26T00:00:00Z&marketplaceIds=A1VC38T7YXB528&includedData=" + all, "", 400, "Could not match input arguments"},
	} {
		w := b.do(row.method, row.path, row.body)
		if w.Code != row.status || !strings.Contains(w.Body.String(), row.text) || (row.text == "") != (w.Body.Len() == 0) {
			t.Errorf("%s: %d %s", row.name, w.Code, w.Body)
		}
		for _, about := range []string{"buyerName", "buyerEmail", "deliveryAddress"} {
			if strings.Contains(w.Body.String(), about) {
				t.Errorf("%s: a buyer is in it: %s", row.name, w.Body)
			}
		}
	}
	if o, _ := b.sim.Order(orderA); len(o.Packages) != 0 {
		t.Errorf("the sandbox had an effect: %+v", o)
	}
	if w := b.do("GET", "/orders/2026-01-01/orders/TEST_CASE_400", "", func(r *http.Request) { r.Header.Del("X-Amz-Access-Token") }); w.Code != http.StatusForbidden {
		t.Errorf("without a token: %d", w.Code)
	}
	n := 0
	for b.do("GET", "/orders/2026-01-01/orders/171-0000000-0000000", "").Code == http.StatusBadRequest && n < 100 {
		n++
	}
	if n != 12 { // a burst of 15, of which 3 were spent above
		t.Errorf("%d more readings were answered, want 12", n)
	}
	b.clock.at = b.clock.at.Add(time.Second / 5)
	w := b.do("GET", "/orders/2026-01-01/orders/TEST_CASE_400", "")
	if w.Code != http.StatusBadRequest || w.Header().Get("x-amzn-RateLimit-Limit") != "5.0" {
		t.Errorf("a fifth of a second later: %d %v", w.Code, w.Header())
	}
	if w := b.do("GET", "/orders/2026-01-01/orders/TEST_CASE_400", ""); w.Code != http.StatusTooManyRequests {
		t.Errorf("more than five a second: %d", w.Code)
	}
}

// Faults and a reset are the simulator's, in the sandbox, too.
func TestSandboxHasFaultsAndOutlivesAReset(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Sandbox: true})
	if err := b.sim.Inject(amazonsim.Fault{Kind: amazonsim.FaultErrorAfter, Operation: amazonsim.OpConfirmShipment}); err != nil {
		t.Fatal(err)
	}
	send := func() int { return b.confirm(sandboxOrder, sandboxBody("2022-02-11T01:00:00.000Z")).Code }
	if got := send(); got != http.StatusInternalServerError {
		t.Errorf("with a fault: %d", got)
	}
	if err := b.sim.Reset(); err != nil {
		t.Fatal(err)
	}
	if got := send(); got != http.StatusNoContent {
		t.Errorf("after a reset: %d", got)
	}
}
