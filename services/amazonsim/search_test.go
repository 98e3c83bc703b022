package amazonsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

type foundPage struct {
	Orders []struct {
		OrderID         string    `json:"orderId"`
		LastUpdatedTime time.Time `json:"lastUpdatedTime"`
		OrderAliases    []struct {
			AliasID string `json:"aliasId"`
		} `json:"orderAliases"`
		Fulfillment struct {
			Status string `json:"fulfillmentStatus"`
		} `json:"fulfillment"`
		Packages []struct {
			Reference string `json:"packageReferenceId"`
		} `json:"packages"`
	} `json:"orders"`
	Pagination struct {
		NextToken string `json:"nextToken"`
	} `json:"pagination"`
	LastUpdatedBefore time.Time `json:"lastUpdatedBefore"`
	CreatedBefore     time.Time `json:"createdBefore"`
}

func (p foundPage) ids() (out []string) {
	for _, o := range p.Orders {
		out = append(out, o.OrderID)
	}
	return out
}

const long = "2026-01-01T00:00:00Z"

// find searches with name, value, name, value …
func (b *bench) find(want int, params ...string) foundPage {
	b.t.Helper()
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Add(params[i], params[i+1])
	}
	w := b.do("GET", "/orders/2026-01-01/orders?"+q.Encode(), "")
	var p foundPage
	if w.Code != want {
		b.t.Fatalf("%s: %d %s, want %d", q.Encode(), w.Code, w.Body, want)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		b.t.Fatal(err)
	}
	return p
}

func id(n int) string { return fmt.Sprintf("900-0000000-%07d", n) }

func TestSearchPagesThroughEverythingOnce(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Generate: []amazonsim.Generate{{Count: 250}}, Quotas: wide()})
	ask := []string{"lastUpdatedAfter", long, "fulfillmentStatuses", "UNSHIPPED,PARTIALLY_SHIPPED", "includedData", "FULFILLMENT,PACKAGES"}
	var got []string
	sizes := []int{}
	for p := b.find(200, ask...); ; p = b.find(200, append(slices.Clone(ask), "paginationToken", p.Pagination.NextToken)...) {
		got, sizes = append(got, p.ids()...), append(sizes, len(p.Orders))
		if len(got) == 100 { // what changes while somebody pages is left out when it no longer matches, and nothing else is
			if err := b.sim.ShipByHand(id(150), "", ""); err != nil {
				t.Fatal(err)
			}
		}
		if p.Pagination.NextToken == "" {
			break
		}
	}
	var want []string
	for n := range 250 {
		if n+1 != 150 {
			want = append(want, id(n+1))
		}
	}
	if !slices.Equal(got, want) || !slices.Equal(sizes, []int{100, 100, 49}) {
		t.Errorf("%d orders on pages of %v", len(got), sizes)
	}
	if p := b.find(200, "lastUpdatedAfter", long, "fulfillmentStatuses", "SHIPPED", "includedData", "FULFILLMENT", "includedData", "PACKAGES"); len(p.Orders) != 1 ||
		p.Orders[0].Packages[0].Reference != "AMZN-"+id(150)+"-1" || p.Orders[0].Fulfillment.Status != "SHIPPED" {
		t.Errorf("%+v", p)
	}
}

func TestSearchFilters(t *testing.T) {
	at := newClock().at
	orders := twoOrders()
	orders[0].OwnNumber, orders[0].CreatedAt, orders[0].UpdatedAt = "S-1", at.Add(-48*time.Hour), at.Add(-24*time.Hour)
	orders[1].MarketplaceID, orders[1].CreatedAt, orders[1].FulfilledBy = "A13V1IB3VIYZZH", at.Add(-time.Hour), "AMAZON"
	b := newBench(t, amazonsim.Scenario{Orders: orders, Quotas: wide(), Accounts: []amazonsim.Account{amazonsim.DefaultAccount(), {Seller: "OTHER", ClientID: "c", ClientSecret: "s", RefreshToken: "r"}}})
	if err := b.sim.GenerateOrders(amazonsim.Generate{Count: 5, Seller: "OTHER"}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		params []string
		want   []string
	}{
		{"all of the seller", []string{"lastUpdatedAfter", long}, []string{orderA, orderB}},
		{"a marketplace", []string{"lastUpdatedAfter", long, "marketplaceIds", "A13V1IB3VIYZZH"}, []string{orderB}},
		{"whose", []string{"lastUpdatedAfter", long, "fulfilledBy", "MERCHANT"}, []string{orderA}},
		{"changed since", []string{"lastUpdatedAfter", at.Add(-2 * time.Hour).Format(time.RFC3339)}, []string{orderB}},
		{"changed until", []string{"lastUpdatedAfter", long, "lastUpdatedBefore", at.Add(-2 * time.Hour).Format(time.RFC3339)}, []string{orderA}},
		{"created since", []string{"createdAfter", at.Add(-36 * time.Hour).Format(time.RFC3339)}, []string{orderB}},
		{"created until", []string{"createdAfter", long, "createdBefore", at.Add(-36 * time.Hour).Format(time.RFC3339)}, []string{orderA}},
		{"no such state", []string{"lastUpdatedAfter", long, "fulfillmentStatuses", "CANCELLED", "fulfillmentStatuses", "PENDING"}, nil},
	} {
		p := b.find(200, row.params...)
		if !slices.Equal(p.ids(), row.want) || p.LastUpdatedBefore.IsZero() == p.CreatedBefore.IsZero() || p.Pagination.NextToken != "" {
			t.Errorf("%s: %+v, want %v", row.name, p, row.want)
		}
	}
	if p := b.find(200, "lastUpdatedAfter", long); p.Orders[0].OrderAliases[0].AliasID != "S-1" {
		t.Errorf("%+v", p.Orders[0])
	}
}

func TestSearchRefusals(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Generate: []amazonsim.Generate{{Count: 3}}, Quotas: wide()})
	soon := newClock().at.Add(-time.Minute).Format(time.RFC3339)
	next := b.find(200, "lastUpdatedAfter", long, "maxResultsPerPage", "2").Pagination.NextToken
	for _, params := range [][]string{
		{}, {"lastUpdatedAfter", "yesterday"}, {"lastUpdatedAfter", long, "createdAfter", long}, {"lastUpdatedAfter", long, "createdBefore", long},
		{"createdAfter", long, "lastUpdatedBefore", long}, {"lastUpdatedAfter", long, "lastUpdatedBefore", soon},
		{"lastUpdatedAfter", long, "lastUpdatedBefore", "2025-01-01T00:00:00Z"}, {"lastUpdatedAfter", long, "fulfillmentStatuses", "OPEN"},
		{"lastUpdatedAfter", long, "fulfilledBy", "NOBODY"}, {"lastUpdatedAfter", long, "maxResultsPerPage", "101"}, {"lastUpdatedAfter", long, "maxResultsPerPage", "0"},
		{"lastUpdatedAfter", long, "includedData", "EVERYTHING"}, {"lastUpdatedAfter", long, "paginationToken", "x"}, {"lastUpdatedAfter", long, "paginationToken", next},
	} {
		b.find(400, params...)
	}
	b.find(200, "lastUpdatedAfter", long, "maxResultsPerPage", "2", "paginationToken", next)
	b.clock.at = b.clock.at.Add(25 * time.Hour)
	b.token = b.login()
	b.find(400, "lastUpdatedAfter", long, "maxResultsPerPage", "2", "paginationToken", next)
}

func TestSearchOfAnotherRegion(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), Quotas: wide()})
	for marketplaces, want := range map[string]int{germany: 200, germany + ",A13V1IB3VIYZZH": 200, "ATVPDKIKX0DER": 403, germany + ",A1VC38T7YXB528": 403} {
		w := b.do("GET", "/orders/2026-01-01/orders?lastUpdatedAfter="+long+"&marketplaceIds="+marketplaces, "")
		if w.Code != want {
			t.Errorf("%s: %d %s", marketplaces, w.Code, w.Body)
		} else if want == 403 && refused(t, w).Details != "The marketplaces you provided are not valid for region." {
			t.Errorf("%s: %s", marketplaces, w.Body)
		}
	}
}

// A search lags behind like any reading, and keeps a quota of its own.
func TestSearchLagsAndIsScarce(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), ReadDelay: amazonsim.Duration(10 * time.Minute)})
	if w := b.confirm(orderA, body(pack{})); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	if err := b.sim.Cancel(orderB, "AMAZON"); err != nil {
		t.Fatal(err)
	}
	state := func() string {
		p := b.find(200, "lastUpdatedAfter", long, "includedData", "FULFILLMENT")
		states := map[string]string{}
		for _, o := range p.Orders {
			states[o.OrderID] = o.Fulfillment.Status
		}
		return states[orderA] + " " + states[orderB]
	}
	if got := state(); got != "UNSHIPPED UNSHIPPED" {
		t.Errorf("at once: %s", got)
	}
	b.clock.at = b.clock.at.Add(10 * time.Minute)
	if got := state(); got == "UNSHIPPED UNSHIPPED" {
		t.Errorf("later: %s", got)
	}
	n := 0
	for ; b.do("GET", "/orders/2026-01-01/orders?lastUpdatedAfter="+long, "").Code == http.StatusOK; n++ {
		if n > 100 {
			t.Fatal("there is no quota")
		}
	}
	if n < 19 || n > 20 {
		t.Errorf("%d more searches at once", n)
	}
	calls := b.sim.Record()
	if c := calls[1]; c.Operation != amazonsim.OpSearchOrders || c.ShownOrders != 2 || c.Search != "includedData=FULFILLMENT&lastUpdatedAfter="+long {
		t.Errorf("%+v", c)
	}
}

func TestWhatIsSilentlyDroppedStaysOpen(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), Faults: []amazonsim.Fault{{Kind: amazonsim.FaultSilentDrop, Times: 1}}})
	if w := b.confirm(orderA, body(pack{})); w.Code != 204 {
		t.Fatal(w.Code)
	}
	if p := b.find(200, "lastUpdatedAfter", long, "fulfillmentStatuses", "UNSHIPPED"); len(p.Orders) != 2 {
		t.Errorf("%v", p.ids())
	}
}

func TestByHand(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), Quotas: wide()})
	if w := b.admin("POST", "/admin/orders/"+orderA+"/ship", `{"carrier":"DPD","trackingNumber":"T"}`); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	if w := b.admin("POST", "/admin/orders/"+orderB+"/cancel", `{"by":"MERCHANT"}`); w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	if o, _ := b.sim.Order(orderA); o.Status != amazonsim.Shipped || o.Packages[0].Origin != amazonsim.OriginAmazon || o.Packages[0].TrackingNumber != "T" {
		t.Errorf("%+v", o)
	}
	if o, _ := b.sim.Order(orderB); o.Status != amazonsim.Cancelled || o.CancelledBy != "MERCHANT" {
		t.Errorf("%+v", o)
	}
	for _, path := range []string{orderA + "/ship", orderA + "/cancel", orderB + "/cancel", "302-9999999-9999999/ship"} {
		if w := b.admin("POST", "/admin/orders/"+path, `{}`); w.Code != 400 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

func BenchmarkSearchFirstPage(b *testing.B) {
	sim, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{Generate: []amazonsim.Generate{{Count: 100_000}},
		Quotas: []amazonsim.Quota{{Operation: amazonsim.OpSearchOrders, Rate: 1e6, Burst: 1e6}}}})
	if err != nil {
		b.Fatal(err)
	}
	bench := &bench{t: &testing.T{}, sim: sim, clock: newClock()}
	bench.token = bench.login()
	for b.Loop() {
		if w := bench.do("GET", "/orders/2026-01-01/orders?lastUpdatedAfter="+long, ""); w.Code != 200 {
			b.Fatal(w.Code)
		}
	}
}
