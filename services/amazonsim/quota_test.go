package amazonsim_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

// The usage plan of confirmShipment: ten at once, then one every half second and not a moment earlier.
func TestConfirmShipmentQuotaIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{Orders: twoOrders()}})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, sim: sim}
		b.token = b.login()
		start := time.Now()
		var granted []time.Duration
		for time.Since(start) <= 5*time.Second {
			for { // take all there is, then wait a little
				w := b.confirm(orderB, body(pack{}))
				if w.Code == 429 {
					break
				}
				granted = append(granted, time.Since(start))
			}
			<-time.After(10 * time.Millisecond)
		}
		for i, at := range granted {
			want := time.Duration(0)
			if i >= 10 {
				want = time.Duration(i-9) * 500 * time.Millisecond
			}
			if at != want {
				t.Fatalf("token %d was given after %v, want %v", i+1, at, want)
			}
		}
		if len(granted) != 20 {
			t.Fatalf("%d tokens in 5 s, want 20", len(granted))
		}
	})
}

func TestThrottledAnswer(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
	for range 30 {
		if w := b.get(orderA); w.Code != 200 || w.Header().Get("x-amzn-RateLimit-Limit") != "0.5" {
			t.Fatalf("got %d %v", w.Code, w.Header())
		}
	}
	w := b.get(orderA)
	got := refused(t, w)
	if w.Code != 429 || got != (refusal{"QuotaExceeded", "You exceeded your quota for the requested resource.", ""}) {
		t.Fatalf("got %d %+v", w.Code, got)
	}
	h := w.Header()
	if h.Get("x-amzn-ErrorType") != "TooManyRequestsException" || h.Get("x-amzn-RequestId") == "" ||
		h.Get("Retry-After") != "" || h.Get("x-amzn-RateLimit-Limit") != "" {
		t.Fatalf("headers: %v", h)
	}
	if w := b.confirm(orderA, body(pack{})); w.Code != 204 { // another operation, another bucket
		t.Fatalf("confirmShipment: %d", w.Code)
	}
	b.clock.at = b.clock.at.Add(2*time.Second - time.Nanosecond)
	if w := b.get(orderA); w.Code != 429 {
		t.Fatalf("a nanosecond early: %d", w.Code)
	}
	b.clock.at = b.clock.at.Add(time.Nanosecond)
	if w := b.get(orderA); w.Code != 200 {
		t.Fatalf("on time: %d", w.Code)
	}
}

func TestBucketsAreOneForEachSellerAndApplication(t *testing.T) {
	first := amazonsim.DefaultAccount()
	other := first
	other.ClientID, other.RefreshToken = "client-2", "Atzr|2"
	b := newBench(t, amazonsim.Scenario{Accounts: []amazonsim.Account{first, other}, Orders: twoOrders(),
		Quotas: []amazonsim.Quota{{Operation: amazonsim.OpGetOrder, Rate: 0.0056, Burst: 1}}})
	if w := b.get(orderA); w.Code != 200 || w.Header().Get("x-amzn-RateLimit-Limit") != "0.0056" {
		t.Fatalf("first: %d %v", w.Code, w.Header())
	}
	if w := b.get(orderA); w.Code != 429 {
		t.Fatalf("first again: %d", w.Code)
	}
	form := defaultForm()
	form.Set("client_id", "client-2")
	form.Set("refresh_token", "Atzr|2")
	b.token = accessToken(t, b.tokenRequest(form.Encode(), formType))
	if w := b.get(orderA); w.Code != 200 {
		t.Fatalf("same seller, other application: %d", w.Code)
	}
}

func TestQuotaChangesAtOnce(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
	for range 10 {
		b.confirm(orderA, "")
	}
	if w := b.confirm(orderA, ""); w.Code != 429 {
		t.Fatalf("got %d", w.Code)
	}
	seller := amazonsim.DefaultAccount().Seller
	if err := b.sim.SetQuota(amazonsim.Quota{Seller: seller, Operation: amazonsim.OpConfirmShipment, Rate: 20, Burst: 50}); err != nil {
		t.Fatal(err)
	}
	b.clock.at = b.clock.at.Add(50 * time.Millisecond)
	if w := b.confirm(orderA, ""); w.Code != 400 || w.Header().Get("x-amzn-RateLimit-Limit") != "20.0" {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	if err := b.sim.SetQuota(amazonsim.Quota{Operation: "getOrders", Rate: 1, Burst: 1}); err == nil {
		t.Fatal("a quota for an unknown operation was accepted")
	}
	if err := b.sim.SetQuota(amazonsim.Quota{Operation: amazonsim.OpGetOrder, Rate: 1}); err == nil {
		t.Fatal("a quota without a burst was accepted")
	}
}
