package amazonsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

// admin sends an admin request as a process on this machine does.
func (b *bench) admin(method, path, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	local := func(r *http.Request) { r.RemoteAddr, r.Host = "127.0.0.1:5555", "127.0.0.1:8790" }
	return b.do(method, path, body, append([]func(*http.Request){local}, change...)...)
}

func TestAdminStory(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{})
	must := func(method, path, body string, want int) map[string]any {
		t.Helper()
		w := b.admin(method, path, body)
		if w.Code != want {
			t.Fatalf("%s %s: got %d %s", method, path, w.Code, w.Body)
		}
		var got map[string]any
		if w.Body.Len() > 0 {
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
		}
		return got
	}
	must("POST", "/admin/orders", `{"orders":[{"id":"`+orderA+`","items":[{"orderItemId":"`+itemA+`","quantity":1}]}],
		"generate":[{"count":3,"prefix":"905"}]}`, 204)
	must("POST", "/admin/accounts", `{"accounts":[{"seller":"A2NEW","clientId":"c","clientSecret":"s","refreshToken":"Atzr|n"}]}`, 204)
	must("PUT", "/admin/quota", `{"operation":"confirmShipment","rate":4,"burst":2}`, 204)
	must("POST", "/admin/faults", `{"faults":[{"kind":"error-before","times":1},{"kind":"slow","delay":"1ns","for":"1h"}]}`, 200)

	if w := b.confirm(orderA, body(pack{})); w.Code != 500 {
		t.Fatalf("got %d", w.Code)
	}
	must("DELETE", "/admin/faults?id=fault-2", "", 204)
	if w := b.confirm(orderA, body(pack{})); w.Code != 204 || w.Header().Get("x-amzn-RateLimit-Limit") != "4.0" {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	if w := b.confirm(orderA, body(pack{})); w.Code != 429 {
		t.Fatalf("got %d", w.Code)
	}

	page := must("GET", "/admin/record?limit=2", "", 200)
	if calls := page["calls"].([]any); len(calls) != 2 || page["next"] != 2.0 || calls[1].(map[string]any)["committed"] != true {
		t.Fatalf("first page: %v", page)
	}
	page = must("GET", "/admin/record?after=2", "", 200)
	if calls := page["calls"].([]any); len(calls) != 1 || calls[0].(map[string]any)["status"] != 429.0 {
		t.Fatalf("second page: %v", page)
	}
	orders := must("GET", "/admin/orders?offset=1&limit=2", "", 200)
	if list := orders["orders"].([]any); len(list) != 2 || orders["next"] != 3.0 || orders["total"] != 4.0 ||
		list[0].(map[string]any)["id"] != "905-0000000-0000001" {
		t.Fatalf("orders: %v", orders)
	}
	if o := must("GET", "/admin/orders/"+orderA, "", 200); o["status"] != "SHIPPED" {
		t.Fatalf("order: %v", o)
	}
	must("GET", "/admin/orders/302-0000000-0000000", "", 404)
	if got := must("POST", "/admin/clock", `{"advance":"24h"}`, 200); got["now"] != "2026-11-03T09:00:00Z" {
		t.Fatalf("clock: %v", got)
	}
	must("POST", "/admin/reset", "", 204)
	if got := must("GET", "/admin/counts", "", 200); got["orders"] != 0.0 || got["calls"] != 0.0 {
		t.Fatalf("after reset: %v", got)
	}
	if got := must("GET", "/admin/faults", "", 200); len(got["faults"].([]any)) != 0 {
		t.Fatalf("after reset: %v", got)
	}
}

func TestAdminRefuses(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{})
	if w := b.do("GET", "/admin/counts", ""); w.Code != 403 {
		t.Fatalf("from elsewhere: %d", w.Code)
	}
	foreign := func(r *http.Request) { r.Host = "rebound.example" }
	if w := b.admin("GET", "/admin/counts", "", foreign); w.Code != 403 {
		t.Fatalf("under another name: %d", w.Code)
	}
	page := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
	if w := b.admin("POST", "/admin/reset", "", page); w.Code != 403 {
		t.Fatalf("from a web page: %d", w.Code)
	}
	for _, c := range [][3]string{
		{"POST", "/admin/orders", `{"orders":[{"id":"1"}]}`}, {"POST", "/admin/orders", `{"order":[]}`},
		{"POST", "/admin/orders", `{"generate":[{"count":-1}]}`}, {"POST", "/admin/faults", `{"faults":[{"kind":"x"}]}`},
		{"PUT", "/admin/quota", `{"operation":"confirmShipment"}`}, {"POST", "/admin/clock", `{"advance":"-1h"}`},
		{"POST", "/admin/clock", `{"advance":5}`}, {"POST", "/admin/accounts", `{"accounts":[{}]}`},
		{"GET", "/admin/record?after=x", ""}, {"GET", "/admin/record?limit=x", ""}, {"GET", "/admin/orders?offset=-1", ""},
	} {
		w := b.admin(c[0], c[1], c[2])
		if w.Code != 400 || !strings.Contains(w.Body.String(), `"error"`) {
			t.Fatalf("%v: got %d %s", c, w.Code, w.Body)
		}
	}
	if w := b.admin("GET", "/healthz", ""); w.Code != 200 {
		t.Fatalf("health: %d", w.Code)
	}
}

func TestManyOrdersLoadInOneRequest(t *testing.T) {
	const n = 20_000
	b := newBench(t, amazonsim.Scenario{})
	orders := make([]amazonsim.Order, n)
	for i := range orders {
		orders[i] = amazonsim.Order{ID: fmt.Sprintf("303-0000000-%07d", i), Items: []amazonsim.Item{{ID: itemA, Quantity: 1}}}
	}
	text, err := json.Marshal(map[string]any{"orders": orders})
	if err != nil {
		t.Fatal(err)
	}
	if w := b.admin("POST", "/admin/orders", string(text)); w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got := b.sim.Orders(); len(got) != n || got[n-1].ID != orders[n-1].ID {
		t.Fatalf("%d orders", len(got))
	}
}

func TestRecordIsBounded(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{RecordLimit: 100, Orders: twoOrders(), Quotas: wide()})
	for range 500 {
		b.get(orderA)
	}
	calls := b.sim.Record()
	if len(calls) < 100 || len(calls) > 110 || calls[len(calls)-1].Seq != 500 {
		t.Fatalf("%d calls, last %+v", len(calls), calls[len(calls)-1])
	}
	for i, c := range calls[1:] {
		if c.Seq != calls[i].Seq+1 {
			t.Fatalf("a gap before %d", c.Seq)
		}
	}
	if got := b.sim.RecordAfter(497, 2); len(got) != 2 || got[0].Seq != 498 {
		t.Fatalf("page: %+v", got)
	}
}

func TestReplacedOrderStartsAnew(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
	b.confirm(orderA, body(pack{}))
	if err := b.sim.AddOrders(twoOrders()[0]); err != nil {
		t.Fatal(err)
	}
	if w := b.confirm(orderB, body(pack{items: units("33333333333333", 1)})); w.Code != 204 {
		t.Fatalf("the tracking number of a replaced order is still taken: %s", w.Body)
	}
	if got := b.sim.Orders(); len(got) != 2 || len(got[0].Packages) != 0 {
		t.Fatalf("got %+v", got)
	}
}

func TestReadScenario(t *testing.T) {
	f, err := os.Open("scenarios/rehearsal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s, err := amazonsim.ReadScenario(f)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := amazonsim.New(amazonsim.Options{Scenario: s})
	if err != nil {
		t.Fatal(err)
	}
	o, ok := sim.Order("302-1234567-0000001")
	if want := time.Date(2026, 11, 24, 22, 59, 59, 0, time.UTC); !ok || !o.ShipBy.Latest.Equal(want) {
		t.Fatalf("order: %+v", o)
	}
	if sim.Counts().Orders != 1006 || len(sim.Faults()) != 6 || s.ReadDelay != amazonsim.Duration(30*time.Second) {
		t.Fatalf("scenario: %+v", s)
	}
	if _, err := amazonsim.ReadScenario(strings.NewReader(`{"readDelay":"1s","orders":[]}`)); err != nil {
		t.Fatalf("json: %v", err)
	}
	if _, err := amazonsim.ReadScenario(strings.NewReader("")); err != nil {
		t.Fatalf("empty: %v", err)
	}
	for _, text := range []string{"readDelai: 1s", "readDelay: soon", "orders: [", "tokenLifetime: 5"} {
		if _, err := amazonsim.ReadScenario(strings.NewReader(text)); err == nil {
			t.Fatalf("accepted %q", text)
		}
	}
}

func TestScenarioIsChecked(t *testing.T) {
	item := []amazonsim.Item{{ID: "1", Quantity: 1}}
	for name, s := range map[string]amazonsim.Scenario{
		"region":        {Region: "mars"},
		"unknown order": {UnknownOrder: "x"},
		"marketplace":   {WrongMarketplace: "x"},
		"lifetime":      {TokenLifetime: 1},
		"negative":      {ReadDelay: -1},
		"account":       {Accounts: []amazonsim.Account{{Seller: "A"}}},
		"quota":         {Quotas: []amazonsim.Quota{{Operation: "x", Rate: 1, Burst: 1}}},
		"fault":         {Faults: []amazonsim.Fault{{Kind: "x"}}},
		"order id":      {Orders: []amazonsim.Order{{ID: "1", Items: item}}},
		"no items":      {Orders: []amazonsim.Order{{ID: orderA}}},
		"quantity":      {Orders: []amazonsim.Order{{ID: orderA, Items: []amazonsim.Item{{ID: "1"}}}}},
		"item twice":    {Orders: []amazonsim.Order{{ID: orderA, Items: slices.Concat(item, item)}}},
		"status":        {Orders: []amazonsim.Order{{ID: orderA, Items: item, Status: "Shipped"}}},
		"fulfilled by":  {Orders: []amazonsim.Order{{ID: orderA, Items: item, FulfilledBy: "ME"}}},
	} {
		if _, err := amazonsim.New(amazonsim.Options{Scenario: s}); err == nil {
			t.Fatalf("%s: accepted", name)
		}
	}
}

func BenchmarkConfirmShipment(b *testing.B) {
	sim, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{
		Generate: []amazonsim.Generate{{Count: 100_000}}, AnyTrackingForm: true,
		Quotas: []amazonsim.Quota{{Operation: amazonsim.OpConfirmShipment, Rate: 1e6, Burst: 1e6}}}})
	if err != nil {
		b.Fatal(err)
	}
	c := &bench{sim: sim}
	w := c.tokenRequest(defaultForm().Encode(), formType)
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		b.Fatal(err)
	}
	c.token = got.AccessToken
	for i := 0; b.Loop(); i++ {
		k := i%100_000 + 1
		c.confirm(fmt.Sprintf("900-0000000-%07d", k), body(pack{ref: fmt.Sprint(i/100_000 + 1),
			tracking: fmt.Sprintf("%020d", k), items: units(fmt.Sprintf("900%08d001", k), 1)}))
	}
	b.ReportMetric(float64(sim.Counts().Packages+sim.Counts().Edits)/float64(b.N), "commits/op")
}
