package console_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

var update = flag.Bool("update", false, "write the golden files anew")

func ptr[T any](v T) *T { return &v }

func key(k shipment.Key) client.Key {
	return client.Key{Connection: client.ConnectionId(k.Connection), Order: k.Order, Package: k.Package}
}

func keys(ks ...shipment.Key) *[]client.Key {
	out := make([]client.Key, len(ks))
	for i, k := range ks {
		out[i] = key(k)
	}
	return &out
}

func TestListPagesAndFilters(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rc redis.UniversalClient) {
		b := start(t, rc)
		for n := range 25 {
			b.accept([]shipment.AccountID{"DE", "FR"}[n%2], n)
		}
		c := b.api(viewer)
		seen, after := map[string]bool{}, (*string)(nil)
		for pages := 0; ; pages++ {
			r, err := c.ListShipmentsWithResponse(b.ctx, &client.ListShipmentsParams{Limit: ptr(10), After: after})
			b.must(err)
			if r.JSON200 == nil || r.JSON200.Total != 25 {
				t.Fatalf("page %d: %s", pages, r.Body)
			}
			for _, s := range r.JSON200.Items {
				if seen[s.Order] || !s.Flagged {
					t.Errorf("%s comes twice or without its flag", s.Order)
				}
				seen[s.Order] = true
			}
			if after = r.JSON200.Next; after == nil {
				break
			}
		}
		if len(seen) != 25 {
			t.Errorf("%d shipments on all pages, want 25", len(seen))
		}
		for name, want := range map[string]struct {
			n int
			p client.ListShipmentsParams
		}{
			"account":   {12, client.ListShipmentsParams{Account: &[]client.AccountId{"FR"}}},
			"state":     {0, client.ListShipmentsParams{State: &[]client.State{client.StateDeferred}}},
			"order":     {1, client.ListShipmentsParams{Search: ptr(order(7))}},
			"tracking":  {1, client.ListShipmentsParams{Search: ptr("T8")}},
			"reference": {1, client.ListShipmentsParams{Search: ptr("R-9")}},
			"flag":      {25, client.ListShipmentsParams{Flagged: ptr(true)}},
		} {
			r, err := c.ListShipmentsWithResponse(b.ctx, &want.p)
			b.must(err)
			if r.JSON200 == nil || r.JSON200.Total != want.n {
				t.Errorf("by %s: %s, want %d", name, r.Body, want.n)
			}
		}
		r, err := b.api(french).ListShipmentsWithResponse(b.ctx, &client.ListShipmentsParams{})
		b.must(err)
		if r.JSON200 == nil || r.JSON200.Total != 12 {
			t.Errorf("who sees FR only gets %s", r.Body)
		}
	})
}

func TestBulkAnswersEachShipment(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rc redis.UniversalClient) {
		b := start(t, rc)
		pending, deferred, sending, confirmed, foreign := b.accept("FR", 1), b.accept("FR", 2), b.accept("FR", 3), b.accept("FR", 4), b.accept("DE", 5)
		b.reject(deferred, "r1")
		b.attempt(sending, "r1")
		b.confirm(confirmed, "r1")
		r, err := b.api(french).ExcludeShipmentsWithResponse(b.ctx, client.BulkRequest{Comment: "reported by hand",
			Keys: keys(pending, deferred, sending, confirmed, foreign, keyOf("EU", 99), pending)})
		b.must(err)
		if r.JSON200 == nil {
			t.Fatalf("%d %s", r.StatusCode(), r.Body)
		}
		want := []string{"excluded", "excluded", "conflict", "conflict", "forbidden", "not_found"}
		for i, it := range r.JSON200.Items {
			got := ""
			if it.Error != nil {
				got = string(it.Error.Code)
				if it.Error.Remedy == nil {
					t.Errorf("%s is refused without a remedy: %s", it.Order, it.Error.Message)
				}
			} else if it.State != nil {
				got = string(*it.State)
			}
			if got != want[i] {
				t.Errorf("%s: %s, want %s", it.Order, got, want[i])
			}
		}
		if r.JSON200.Done != 2 || r.JSON200.Failed != 4 || len(r.JSON200.Items) != 6 {
			t.Errorf("done %d, failed %d of %d", r.JSON200.Done, r.JSON200.Failed, len(r.JSON200.Items))
		}
		last, err := b.led.Last(b.ctx, pending)
		b.must(err)
		if last.Type != shipment.Exclude || last.Actor != "fleur" || last.Comment != "reported by hand" {
			t.Errorf("the ledger has %s by %q: %q", last.Type, last.Actor, last.Comment)
		}
		// Undone by a filter: everything excluded comes back where it was.
		b.caughtUp()
		back, err := b.api(french).IncludeShipmentsWithResponse(b.ctx, client.BulkRequest{Comment: "no, send it", Filter: &client.Filter{States: &[]client.State{client.StateExcluded}}})
		b.must(err)
		if back.JSON200 == nil || back.JSON200.Done != 2 {
			t.Fatalf("include: %s", back.Body)
		}
		for k, want := range map[shipment.Key]shipment.State{pending: shipment.Pending, deferred: shipment.Deferred} {
			e, err := b.led.Last(b.ctx, k)
			b.must(err)
			if e.After.State != want {
				t.Errorf("%s is %s after inclusion, want %s", k, e.After.State, want)
			}
		}
		shut, err := b.api(operator).CloseShipmentsWithResponse(b.ctx, client.CloseRequest{Comment: "x", Kind: "by_hand", Keys: keys(pending)})
		b.must(err)
		if shut.JSON200 == nil || shut.JSON200.Done != 1 {
			t.Errorf("close: %s", shut.Body)
		}
	})
}

func TestReplayWaivesTheAgeAndAsksOnce(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k, uk := b.accept("DE", 1), b.accept("UK1", 2)
	b.step(k, shipment.Event{Type: shipment.Aged})
	c := b.api(operator)
	req := client.BulkRequest{Comment: "please", OperationId: ptr("op-1"), Keys: keys(k, uk)}
	var runs [][]string
	for range 2 {
		r, err := c.ReplayShipmentsWithResponse(b.ctx, req)
		b.must(err)
		if r.JSON200 == nil || r.JSON200.Done != 2 || len(r.JSON200.Runs) != 2 {
			t.Fatalf("%d %s", r.StatusCode(), r.Body)
		}
		runs = append(runs, r.JSON200.Runs)
	}
	if !slices.Equal(runs[0], runs[1]) {
		t.Errorf("repeated with its operation id it asked for other runs: %v", runs)
	}
	e, err := b.led.Last(b.ctx, k)
	b.must(err)
	if e.After.State != shipment.Pending || !e.After.AgeWaiver || !e.Waiver {
		t.Errorf("after replay: %s, waiver %v", e.After.State, e.After.AgeWaiver)
	}
	asked, err := b.board.Asked(b.ctx, "EU", runs[0][0])
	b.must(err)
	if asked.Kind != job.Replay || asked.Scope != job.Named || len(asked.Keys) != 1 || asked.Keys[0] != k || asked.Actor != "otto" || asked.Reason != "please" {
		t.Errorf("trigger %+v", asked)
	}
}

func TestCorrectionIsInTheHistory(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.reject(k, "r1")
	c := b.api(operator)
	before, err := c.GetShipmentWithResponse(b.ctx, "EU", k.Order, "1")
	b.must(err)
	if s := before.JSON200; s == nil || s.Shipment.Remedy == nil || s.Shipment.Answer == nil || val(s.Shipment.Answer.Message) != "InvalidCarrier" || s.Shipment.Corrected {
		t.Fatalf("before: %s", before.Body)
	}
	r, err := c.CorrectShipmentWithResponse(b.ctx, "EU", k.Order, "1", client.CorrectRequest{Carrier: ptr("DHL"), TrackingNumber: ptr("T1"), Comment: "wrong label"})
	b.must(err)
	if r.JSON200 == nil || !r.JSON200.Corrected || val(r.JSON200.Data.Carrier) != "DHL" {
		t.Fatalf("%d %s", r.StatusCode(), r.Body)
	}
	after, err := c.GetShipmentWithResponse(b.ctx, "EU", k.Order, "1")
	b.must(err)
	h := after.JSON200.History
	last := h[len(h)-1]
	if len(h) != 4 || last.Type != "amended" || val(last.Actor) != "otto" || val(last.Comment) != "wrong label" || last.Changes == nil ||
		!slices.Equal(*last.Changes, []client.Change{{Field: "carrier", Old: "Post", New: "DHL"}}) {
		t.Errorf("history: %s", after.Body)
	}
	b.caughtUp()
	page, err := c.ListShipmentsWithResponse(b.ctx, &client.ListShipmentsParams{Search: &k.Order})
	b.must(err)
	if page.JSON200 == nil || len(page.JSON200.Items) != 1 || !page.JSON200.Items[0].Corrected {
		t.Errorf("the list shows %s", page.Body)
	}
}

func val[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

func TestReportIsAnsweredOneByOne(t *testing.T) {
	b := start(t, redistest.Mini(t))
	known := b.accept("DE", 1)
	now := time.Now().UTC()
	r, err := b.api(operator).ReportShipmentsWithResponse(b.ctx, client.ReportRequest{Reports: []client.Report{
		{Account: "DE", AmazonOrderId: order(2), ShippedAt: ptr(now.Format(time.RFC3339)), Carrier: ptr("DHL"), TrackingNumber: ptr("1")},
		{Account: "DE", AmazonOrderId: order(3), ShippedAt: ptr("yesterday")},
		{Account: "XX", AmazonOrderId: order(4), ShippedAt: ptr(now.Format(time.RFC3339))},
		{Account: "DE", AmazonOrderId: known.Order, ShippedAt: ptr(now.Format(time.RFC3339)), Carrier: ptr("UPS")},
		{Account: "DE", AmazonOrderId: order(5), ShippedAt: ptr(now.AddDate(0, 0, -8).Format(time.RFC3339)), Carrier: ptr("DHL")},
	}})
	b.must(err)
	if r.JSON200 == nil {
		t.Fatalf("%d %s", r.StatusCode(), r.Body)
	}
	want := []struct{ result, field string }{{"accepted", ""}, {"refused", "shippedAt"}, {"refused", "account"}, {"differs", ""}, {"expired", ""}}
	for i, v := range r.JSON200.Results {
		field := ""
		if len(v.Problems) > 0 {
			field = val(v.Problems[0].Field)
		}
		if string(v.Result) != want[i].result || field != want[i].field {
			t.Errorf("report %d: %s %q, want %+v", i, v.Result, field, want[i])
		}
	}
	limited, err := b.api(french).ReportShipmentsWithResponse(b.ctx, client.ReportRequest{Reports: []client.Report{{Account: "DE", AmazonOrderId: order(6), ShippedAt: ptr(now.Format(time.RFC3339))}}})
	b.must(err)
	if limited.JSON200 == nil || limited.JSON200.Results[0].Result != "refused" {
		t.Errorf("a report for an account that is not the actor's: %s", limited.Body)
	}
}

// The body of every kind of refusal, word for word.
func TestErrorBodies(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.confirm(b.accept("DE", 2), "r1")
	path := "/api/v1/shipments/EU/" + k.Order + "/1"
	var got strings.Builder
	for _, c := range []struct{ name, method, path, token, body string }{
		{"no token", "GET", "/api/v1/shipments", "", ""},
		{"wrong token", "GET", "/api/v1/shipments", "nonsense", ""},
		{"role", "POST", "/api/v1/runs", viewer, "{}"},
		{"account of a shipment", "GET", path, french, ""},
		{"account of a list", "GET", "/api/v1/shipments?account=DE", french, ""},
		{"unknown path", "GET", "/api/v1/parcels", viewer, ""},
		{"wrong method", "DELETE", "/api/v1/runs", operator, ""},
		{"unknown parameter", "GET", "/api/v1/shipments?stat=deferred", viewer, ""},
		{"unreadable parameter", "GET", "/api/v1/shipments?limit=many", viewer, ""},
		{"page too large", "GET", "/api/v1/shipments?limit=501", viewer, ""},
		{"no page", "GET", "/api/v1/shipments?limit=0", viewer, ""},
		{"unknown state", "GET", "/api/v1/shipments?state=lost", viewer, ""},
		{"unknown account", "GET", "/api/v1/shipments?account=XX", viewer, ""},
		{"bad cursor", "GET", "/api/v1/shipments?after=zzz", viewer, ""},
		{"unknown shipment", "GET", "/api/v1/shipments/EU/" + order(9) + "/1", viewer, ""},
		{"no shipment at all", "GET", "/api/v1/shipments/EU/9/1", viewer, ""},
		{"empty body", "POST", path + "/correct", operator, ""},
		{"no JSON", "POST", path + "/correct", operator, "carrier=DHL"},
		{"unknown field", "POST", path + "/correct", operator, `{"carier":"DHL","comment":"c"}`},
		{"wrong type", "POST", path + "/correct", operator, `{"carrier":7,"comment":"c"}`},
		{"two values", "POST", path + "/correct", operator, `{"carrier":"DHL","comment":"c"}{}`},
		{"no comment", "POST", path + "/correct", operator, `{"carrier":"DHL","comment":" "}`},
		{"no correction", "POST", path + "/correct", operator, `{"comment":"c"}`},
		{"nothing new", "POST", path + "/correct", operator, `{"carrier":"Post","comment":"c"}`},
		{"blank in the number", "POST", path + "/correct", operator, `{"trackingNumber":"1 2","comment":"c"}`},
		{"bad ship date", "POST", path + "/correct", operator, `{"shippedAt":"soon","comment":"c"}`},
		{"ship date ahead", "POST", path + "/correct", operator, `{"shippedAt":"2199-01-01T00:00:00Z","comment":"c"}`},
		{"confirmed", "POST", "/api/v1/shipments/EU/" + order(2) + "/1/correct", operator, `{"carrier":"DHL","comment":"c"}`},
		{"keys and filter", "POST", "/api/v1/shipments:exclude", operator, `{"comment":"c"}`},
		{"reason to close", "POST", "/api/v1/shipments:close", operator, `{"comment":"c","kind":"lost","filter":{}}`},
		{"no reports", "POST", "/api/v1/shipments", operator, `{"reports":[]}`},
		{"too many reports", "POST", "/api/v1/shipments", operator, `{"reports":[` + strings.Repeat(`{"account":"DE","amazonOrderId":"x"},`, 1000) + `{"account":"DE","amazonOrderId":"x"}]}`},
		{"report too large", "POST", "/api/v1/shipments", operator, `{"reports":"` + strings.Repeat("x", 4<<20) + `"}`},
		{"body too large", "POST", "/api/v1/runs", operator, `{"comment":"` + strings.Repeat("x", 1<<20) + `"}`},
		{"run of an unknown account", "POST", "/api/v1/runs", operator, `{"accounts":["XX"]}`},
		{"run of another's account", "POST", "/api/v1/runs", french, `{"accounts":["DE"]}`},
		{"unknown run", "GET", "/api/v1/runs/none", viewer, ""},
		{"stream of an unknown run", "GET", "/api/v1/runs/none/progress", viewer, ""},
		{"unknown message", "POST", "/api/v1/messages/none/send", operator, ""},
		{"mapping of an unknown account", "POST", "/api/v1/accounts/XX/mapping", operator, `{"carrier":"a","carrierCode":"b","comment":"c"}`},
		{"code Other without a name", "POST", "/api/v1/accounts/DE/mapping", operator, `{"carrier":"a","carrierCode":"Other","comment":"c"}`},
		{"pause for years", "POST", "/api/v1/accounts/DE/pause", operator, `{"until":"2199-01-01T00:00:00Z","comment":"c"}`},
		{"unknown connection", "POST", "/api/v1/connections/XX/test", operator, ""},
		{"no dispatcher", "POST", "/api/v1/connections/EU/test", operator, ""},
	} {
		status, e := b.send(c.method, c.path, c.token, c.body)
		text, err := json.Marshal(e)
		b.must(err)
		fmt.Fprintf(&got, "%s\n  %d %s\n", c.name, status, text)
		if e.Remedy == nil && e.Field == nil {
			t.Errorf("%s: neither a field nor a remedy", c.name)
		}
	}
	golden(t, "testdata/errors.txt", got.String())
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (go test -update writes it anew); got:\n%s", file, got)
	}
}

func TestGuessingIsBraked(t *testing.T) {
	b := start(t, redistest.Mini(t))
	last := 0
	for range 40 {
		last, _ = b.send("GET", "/api/v1/version", "guess", "")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the fortieth wrong token: %d, want 429", last)
	}
}
