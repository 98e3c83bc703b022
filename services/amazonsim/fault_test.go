package amazonsim_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

// Faults that answer: what the client sees and what was really done.
func TestFaultAnswers(t *testing.T) {
	for kind, want := range map[amazonsim.FaultKind]struct {
		status    int
		code      string
		details   string
		committed bool
	}{
		amazonsim.FaultThrottle:     {429, "QuotaExceeded", "", false},
		amazonsim.FaultErrorBefore:  {500, "InternalFailure", "", false},
		amazonsim.FaultErrorAfter:   {500, "InternalFailure", "", true},
		amazonsim.FaultUnavailable:  {503, "ServiceUnavailable", "", false},
		amazonsim.FaultExpiredToken: {403, "Unauthorized", "The access token you provided has expired.", false},
		amazonsim.FaultAccessDenied: {403, "Unauthorized", "", false},
		amazonsim.FaultRevokedGrant: {403, "Unauthorized", "The access token you provided is revoked, malformed or invalid.", false},
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
			if err := b.sim.Inject(amazonsim.Fault{Kind: kind, Times: 1}); err != nil {
				t.Fatal(err)
			}
			w := b.confirm(orderA, body(pack{}))
			if got := refused(t, w); w.Code != want.status || got.Code != want.code || got.Details != want.details {
				t.Fatalf("got %d %+v", w.Code, got)
			}
			if w.Header().Get("x-amzn-RateLimit-Limit") != "" {
				t.Fatalf("headers: %v", w.Header())
			}
			o, _ := b.sim.Order(orderA)
			if (len(o.Packages) == 1) != want.committed {
				t.Fatalf("packages: %+v", o.Packages)
			}
			if w := b.confirm(orderA, body(pack{})); w.Code != 204 {
				t.Fatalf("second try: %d %s", w.Code, w.Body)
			}
			calls := b.sim.Record()
			first, second := calls[0], calls[1]
			if first.Fault != kind || first.Committed != want.committed || first.Status != want.status || first.Edit ||
				!second.Committed || second.Edit != want.committed || second.Fault != "" {
				t.Fatalf("record: %+v", calls)
			}
			if first.BodySHA256 != second.BodySHA256 || first.RequestID == second.RequestID {
				t.Fatalf("record: %+v", calls)
			}
		})
	}
}

func TestSilentDrop(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(),
		Faults: []amazonsim.Fault{{Kind: amazonsim.FaultSilentDrop, OrderID: orderA}}})
	if w := b.confirm(orderA, body(pack{})); w.Code != 204 || w.Body.Len() != 0 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got := b.shown(orderA); len(got.Order.Packages) != 0 || got.Order.Fulfillment.FulfillmentStatus != "UNSHIPPED" {
		t.Fatalf("got %+v", got)
	}
	if c := b.sim.Record()[0]; c.Committed || c.Fault != amazonsim.FaultSilentDrop {
		t.Fatalf("record: %+v", c)
	}
	if w := b.confirm(orderB, body(pack{items: units("33333333333333", 1)})); w.Code != 204 {
		t.Fatalf("another order: %d", w.Code)
	}
}

// A fault after the commit waits for a call that has something to lose.
func TestAfterFaultSparesRefusals(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(),
		Faults: []amazonsim.Fault{{Kind: amazonsim.FaultErrorAfter, Times: 1}}})
	if w := b.confirm(orderA, body(pack{carrier: "nobody"})); w.Code != 400 {
		t.Fatalf("got %d", w.Code)
	}
	if w := b.confirm(orderA, body(pack{})); w.Code != 500 {
		t.Fatalf("got %d", w.Code)
	}
}

func TestTokenFaults(t *testing.T) {
	for kind, want := range map[amazonsim.FaultKind]struct {
		status int
		code   string
	}{
		amazonsim.FaultRevokedGrant:  {400, "invalid_grant"},
		amazonsim.FaultSecretExpired: {401, "invalid_client"},
		amazonsim.FaultUnavailable:   {503, "temporarily_unavailable"},
		amazonsim.FaultErrorBefore:   {500, "server_error"},
		amazonsim.FaultThrottle:      {429, "too_many_requests"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t, amazonsim.Scenario{})
			if err := b.sim.Inject(amazonsim.Fault{Kind: kind, Operation: amazonsim.OpToken, Times: 1}); err != nil {
				t.Fatal(err)
			}
			w := b.tokenRequest(defaultForm().Encode(), formType)
			if w.Code != want.status || !strings.Contains(w.Body.String(), `"`+want.code+`"`) {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
			b.login()
		})
	}
}

func TestFaultsAimAndEnd(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), Quotas: wide()})
	item := body(pack{tracking: "00340434161094021588", items: units("33333333333333", 1)})
	inject := func(f amazonsim.Fault) {
		t.Helper()
		b.sim.ClearFaults()
		f.Kind = amazonsim.FaultUnavailable
		if err := b.sim.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	codes := func() [3]int {
		return [3]int{b.confirm(orderA, body(pack{})).Code, b.confirm(orderB, item).Code, b.get(orderA).Code}
	}
	for _, c := range []struct {
		name  string
		fault amazonsim.Fault
		want  [3]int
	}{
		{"order", amazonsim.Fault{OrderID: orderA}, [3]int{503, 204, 503}},
		{"operation", amazonsim.Fault{Operation: amazonsim.OpGetOrder}, [3]int{204, 204, 503}},
		{"seller", amazonsim.Fault{Seller: amazonsim.DefaultAccount().Seller}, [3]int{503, 503, 503}},
		{"other seller", amazonsim.Fault{Seller: "A2OTHER"}, [3]int{204, 204, 200}},
		{"times", amazonsim.Fault{Times: 2}, [3]int{503, 503, 200}},
		{"not yet", amazonsim.Fault{From: b.clock.at.Add(time.Second)}, [3]int{204, 204, 200}},
		{"no more", amazonsim.Fault{Until: b.clock.at}, [3]int{204, 204, 200}},
		{"for a minute", amazonsim.Fault{For: amazonsim.Duration(time.Minute)}, [3]int{503, 503, 503}},
	} {
		inject(c.fault)
		if got := codes(); got != c.want {
			t.Fatalf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
	b.clock.at = b.clock.at.Add(time.Minute) // the last one is over
	if got := codes(); got != [3]int{204, 204, 200} {
		t.Fatalf("after a minute: %v", got)
	}
}

// Lost answers on a real connection: the client sees a reset or nothing, and the record tells what was done.
func TestLostAnswers(t *testing.T) {
	for kind, committed := range map[amazonsim.FaultKind]bool{
		amazonsim.FaultResetBefore: false, amazonsim.FaultResetAfter: true,
		amazonsim.FaultTimeoutBefore: false, amazonsim.FaultTimeoutAfter: true,
	} {
		t.Run(string(kind), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			sim, err := amazonsim.New(amazonsim.Options{
				Scenario: amazonsim.Scenario{Orders: twoOrders(), Faults: []amazonsim.Fault{{Kind: kind, Times: 1}}},
				OnCall: func(c amazonsim.Call) {
					if c.Fault == amazonsim.FaultTimeoutBefore || c.Fault == amazonsim.FaultTimeoutAfter {
						cancel() // the client's patience ends when the simulator has done its part
					}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{t: t, sim: sim}
			b.token = b.login()
			server := httptest.NewServer(sim)
			defer server.Close()
			r, err := http.NewRequestWithContext(ctx, "POST",
				server.URL+"/orders/v0/orders/"+orderA+"/shipmentConfirmation", bytes.NewReader([]byte(body(pack{}))))
			if err != nil {
				t.Fatal(err)
			}
			r.GetBody = nil // net/http must not send it again by itself
			r.Header.Set("X-Amz-Access-Token", b.token)
			answer, err := server.Client().Do(r)
			if err == nil {
				_ = answer.Body.Close()
				t.Fatalf("got an answer: %s", answer.Status)
			}
			if strings.HasPrefix(string(kind), "reset") && !errors.Is(err, syscall.ECONNRESET) {
				t.Fatalf("want a reset, got %v", err)
			}
			calls := b.sim.Record()
			if len(calls) != 1 || calls[0].Status != 0 || calls[0].Fault != kind || calls[0].Committed != committed {
				t.Fatalf("record: %+v", calls)
			}
		})
	}
}

func TestSlowAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{Orders: twoOrders(),
			Faults: []amazonsim.Fault{{Kind: amazonsim.FaultSlow, Delay: amazonsim.Duration(3 * time.Second), Times: 1}}}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, sim: sim}
		b.token = b.login()
		start := time.Now()
		if w := b.confirm(orderA, body(pack{})); w.Code != 204 || time.Since(start) != 3*time.Second {
			t.Fatalf("got %d after %v", w.Code, time.Since(start))
		}
		c := sim.Record()[0]
		if !c.Committed || !c.Time.Equal(start) || c.Slowed != amazonsim.Duration(3*time.Second) {
			t.Fatalf("record: %+v", c)
		}
	})
}

func TestFaultsAreChecked(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{})
	for _, f := range []amazonsim.Fault{
		{}, {Kind: "earthquake"}, {Kind: amazonsim.FaultSlow}, {Kind: amazonsim.FaultThrottle, Share: 1.5},
		{Kind: amazonsim.FaultThrottle, Times: -1}, {Kind: amazonsim.FaultThrottle, Operation: "getOrders"},
	} {
		if err := b.sim.Inject(f); err == nil {
			t.Fatalf("accepted %+v", f)
		}
	}
	for range 1000 {
		if err := b.sim.Inject(amazonsim.Fault{Kind: amazonsim.FaultThrottle}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.sim.Inject(amazonsim.Fault{Kind: amazonsim.FaultThrottle}); err == nil {
		t.Fatal("faults have no limit")
	}
	b.sim.ClearFaults("fault-1")
	if got := b.sim.Faults(); len(got) != 999 || got[0].ID != "fault-2" {
		t.Fatalf("%d faults", len(got))
	}
}
