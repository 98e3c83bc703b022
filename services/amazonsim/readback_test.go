package amazonsim_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

func TestReadsLagBehind(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), ReadDelay: amazonsim.Duration(time.Minute), Quotas: wide()})
	packages := func() int { return len(b.shown(orderA).Order.Packages) }
	confirm := func(p pack) {
		t.Helper()
		if w := b.confirm(orderA, body(p)); w.Code != 204 {
			t.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
	confirm(pack{ref: "1"})
	b.clock.at = b.clock.at.Add(30 * time.Second)
	confirm(pack{ref: "2", items: units(itemB, 1)})
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 0}, {30*time.Second - 1, 0}, {1, 1}, {30*time.Second - 1, 1}, {1, 2}} {
		b.clock.at = b.clock.at.Add(step.wait)
		if got := packages(); got != step.want {
			t.Fatalf("%v: %d packages are shown, want %d", b.clock.at, got, step.want)
		}
	}
	calls := b.sim.Record()
	last := calls[len(calls)-1]
	if last.ShownStatus != amazonsim.PartiallyShipped || strings.Join(last.ShownPackages, " ") != "1 2" {
		t.Fatalf("record: %+v", last)
	}
}

func TestUnknownOrders(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{})
	w := b.get("302-9999999-9999999")
	if got := refused(t, w); w.Code != 404 || got.Code != "NotFound" || w.Header().Get("x-amzn-RateLimit-Limit") != "0.5" {
		t.Fatalf("getOrder: %d %+v %v", w.Code, got, w.Header())
	}
	if w = b.confirm("302-9999999-9999999", body(pack{})); w.Code != 404 {
		t.Fatalf("confirmShipment: %d", w.Code)
	}
	if w = b.get("nonsense"); w.Code != 400 {
		t.Fatalf("malformed id: %d", w.Code)
	}
	b = newBench(t, amazonsim.Scenario{UnknownOrder: "emptyOrder"})
	if w = b.get("302-9999999-9999999"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"order":{}}` {
		t.Fatalf("empty order: %d %s", w.Code, w.Body)
	}
}

func TestIncludedDataDecidesWhatIsShown(t *testing.T) {
	o := twoOrders()[0]
	o.Status, o.CancelledBy = amazonsim.Cancelled, "BUYER"
	b := newBench(t, amazonsim.Scenario{Orders: []amazonsim.Order{o}, Quotas: wide()})
	for query, want := range map[string]struct {
		status int
		with   string
		not    string
	}{
		"":                                     {200, `"quantityOrdered"`, `"fulfillment"`},
		"?includedData=FULFILLMENT":            {200, `"fulfillmentStatus":"CANCELLED"`, `"cancellation"`},
		"?includedData=CANCELLATION":           {200, `"cancelledBy":"BUYER"`, `"fulfillment"`},
		"?includedData=BUYER,RECIPIENT":        {200, `"orderId"`, `"buyer"`},
		"?includedData=TAX&includedData=BUYER": {200, `"orderId"`, `"tax"`},
		"?includedData=EVERYTHING":             {400, `"InvalidInput"`, `"order"`},
	} {
		w := b.do("GET", "/orders/2026-01-01/orders/"+orderA+query, "")
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.with) || strings.Contains(w.Body.String(), want.not) {
			t.Fatalf("%q: got %d %s", query, w.Code, w.Body)
		}
	}
}

func TestLabelFromAmazonAppearsByItself(t *testing.T) {
	o := twoOrders()[0]
	c := newClock()
	o.Packages = []amazonsim.Package{{Reference: "PKG-1", Carrier: "DPD", TrackingNumber: "x", CreatedAt: c.at.Add(time.Hour)}}
	b := newBench(t, amazonsim.Scenario{Orders: []amazonsim.Order{o}})
	if got := b.shown(orderA).Order; got.Fulfillment.FulfillmentStatus != "UNSHIPPED" {
		t.Fatalf("got %+v", got)
	}
	b.clock.at = b.clock.at.Add(time.Hour)
	b.token = b.login()
	got := b.shown(orderA).Order
	if got.Fulfillment.FulfillmentStatus != "SHIPPED" || len(got.Packages) != 1 || got.Packages[0].PackageReferenceID != "PKG-1" {
		t.Fatalf("got %+v", got)
	}
	if kept, _ := b.sim.Order(orderA); kept.Packages[0].Origin != amazonsim.OriginAmazon {
		t.Fatalf("got %+v", kept)
	}
}

// model is the part of Amazon's models that testdata/model.json transcribes.
type model struct {
	Source      []string
	Definitions map[string]map[string]string
	Required    map[string][]string
	Enums       map[string][]string
	Headers     map[string]map[string][]string
	Observed    []string
}

// Every answer has only the fields, values and headers of Amazon's published models.
func TestAnswersKeepToTheModel(t *testing.T) {
	text, err := os.ReadFile("testdata/model.json")
	if err != nil {
		t.Fatal(err)
	}
	var m model
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	full := twoOrders()[0]
	full.Programs, full.OwnNumber, full.ServiceLevel = []string{"PRIME"}, "S-1", "NEXT_DAY"
	full.Items[0].SKU, full.Items[0].ASIN, full.Items[0].Programs = "SKU-1", "B000000001", []string{"TRANSPARENCY"}
	full.ShipBy = amazonsim.Window{Earliest: newClock().at, Latest: newClock().at.Add(time.Hour)}
	full.Packages = []amazonsim.Package{{Reference: "PKG-1", Carrier: "DPD", ShippingMethod: "Classic", TrackingNumber: "x",
		ShipDate: newClock().at, Items: []amazonsim.PackageItem{{ItemID: itemA, Quantity: 1, TransparencyCodes: []string{"c"}}}}}
	gone := twoOrders()[1]
	gone.Status = amazonsim.Cancelled
	b := newBench(t, amazonsim.Scenario{Orders: []amazonsim.Order{full, gone}, Quotas: wide()})
	check := func(operation, method, path, sent, definition string, want int) {
		t.Helper()
		w := b.do(method, path, sent)
		if w.Code != want {
			t.Fatalf("%s: got %d %s, want %d", operation, w.Code, w.Body, want)
		}
		m.headers(t, operation, w.Code, w.Header())
		if definition == "" {
			if w.Body.Len() != 0 {
				t.Fatalf("%s %d has a body: %s", operation, w.Code, w.Body)
			}
			return
		}
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		m.check(t, definition, definition, v)
	}
	confirmPath := func(order string) string { return "/orders/v0/orders/" + order + "/shipmentConfirmation" }
	const everything = "?includedData=FULFILLMENT,PACKAGES,CANCELLATION,BUYER,RECIPIENT"
	readPath := "/orders/2026-01-01/orders/"
	check("getOrder", "GET", readPath+orderA+everything, "", "GetOrderResponse", 200)
	check("getOrder", "GET", readPath+orderB+everything, "", "GetOrderResponse", 200)
	check("getOrder", "GET", readPath+"302-9999999-9999999", "", "ErrorList", 404)
	check("getOrder", "GET", readPath+"x", "", "ErrorList", 400)
	searchPath := "/orders/2026-01-01/orders" + everything + "&maxResultsPerPage=1&lastUpdatedAfter=2026-01-01T00:00:00Z"
	check("searchOrders", "GET", searchPath, "", "SearchOrdersResponse", 200)
	check("searchOrders", "GET", readPath[:len(readPath)-1]+"?createdAfter=2026-01-01T00:00:00Z", "", "SearchOrdersResponse", 200)
	check("searchOrders", "GET", readPath[:len(readPath)-1], "", "ErrorList", 400)
	check("confirmShipment", "POST", confirmPath(orderA), body(pack{}), "", 204)
	check("confirmShipment", "POST", confirmPath(orderA), "{}", "ErrorList", 400)
	check("confirmShipment", "POST", confirmPath("302-9999999-9999999"), body(pack{}), "ErrorList", 404)
	for kind, status := range map[amazonsim.FaultKind]int{
		amazonsim.FaultThrottle: 429, amazonsim.FaultErrorBefore: 500, amazonsim.FaultUnavailable: 503,
		amazonsim.FaultAccessDenied: 403} {
		if err := b.sim.Inject(amazonsim.Fault{Kind: kind, Times: 3}); err != nil {
			t.Fatal(err)
		}
		check("searchOrders", "GET", searchPath, "", "ErrorList", status)
		check("getOrder", "GET", readPath+orderA, "", "ErrorList", status)
		check("confirmShipment", "POST", confirmPath(orderA), body(pack{}), "ErrorList", status)
	}
}

func (m model) headers(t *testing.T, operation string, status int, h map[string][]string) {
	t.Helper()
	declared, ok := m.Headers[operation][statusText(status)]
	if !ok {
		t.Fatalf("%s: the model has no status %d", operation, status)
	}
	allowed := map[string]bool{}
	for _, name := range append(append([]string{}, declared...), m.Observed...) {
		allowed[strings.ToLower(name)] = true
	}
	for name := range h {
		if !allowed[strings.ToLower(name)] {
			t.Fatalf("%s %d: header %s is not in the model", operation, status, name)
		}
	}
	for _, name := range declared {
		found := false
		for have := range h {
			found = found || strings.EqualFold(have, name)
		}
		if !found {
			t.Fatalf("%s %d: header %s is missing", operation, status, name)
		}
	}
}

func statusText(status int) string {
	text, _ := json.Marshal(status)
	return string(text)
}

// check follows a definition; the type of a property is a JSON type, "date-time", "enum:Name", another
// definition, or any of these in "[]".
func (m model) check(t *testing.T, at, kind string, v any) {
	t.Helper()
	if inner, ok := strings.CutPrefix(kind, "[]"); ok {
		list, ok := v.([]any)
		if !ok {
			t.Fatalf("%s is no array: %v", at, v)
		}
		for _, each := range list {
			m.check(t, at+"[]", inner, each)
		}
		return
	}
	if name, ok := strings.CutPrefix(kind, "enum:"); ok {
		text, _ := v.(string)
		for _, value := range m.Enums[name] {
			if value == text {
				return
			}
		}
		t.Fatalf("%s: %v is no %s", at, v, name)
	}
	properties, ok := m.Definitions[kind]
	if !ok {
		m.checkPlain(t, at, kind, v)
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		t.Fatalf("%s is no object: %v", at, v)
	}
	for _, name := range m.Required[kind] {
		if _, ok := object[name]; !ok {
			t.Fatalf("%s.%s is required and missing", at, name)
		}
	}
	for name, value := range object {
		inner, ok := properties[name]
		if !ok {
			t.Fatalf("%s.%s is not in the model", at, name)
		}
		m.check(t, at+"."+name, inner, value)
	}
}

func (m model) checkPlain(t *testing.T, at, kind string, v any) {
	t.Helper()
	ok := false
	switch kind {
	case "string":
		_, ok = v.(string)
	case "integer":
		n, is := v.(float64)
		ok = is && n == float64(int(n))
	case "date-time":
		text, _ := v.(string)
		_, err := time.Parse(time.RFC3339, text)
		ok = err == nil
	default:
		t.Fatalf("%s: the fixture has no definition of %q", at, kind)
	}
	if !ok {
		t.Fatalf("%s: %v is no %s", at, v, kind)
	}
}
