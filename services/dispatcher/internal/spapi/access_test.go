package spapi

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fresh grants another access token each time, as Amazon does.
func fresh() http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) { grant(fmt.Sprint("Atza|", n.Add(1)), 3600)(w, r) }
}

var denied = refusal(403, "Unauthorized", "Access to requested resource is denied.", "")

func TestARefusedTokenAndItsSuccessorHaltTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(fresh())
		a.setOrders(denied)
		c := newClient(t, a, pipes)
		if confirm(t, c); c.Halted() != nil {
			t.Fatalf("halted by one refused token: %v", c.Halted())
		}
		confirm(t, c)
		var refusal *AccountError
		if !errors.As(c.Halted(), &refusal) || refusal.Rule.ID != "access-denied" || c.Status().Halted == "" {
			t.Fatalf("halted: %v", c.Halted())
		}
		// Nothing passes but probes: a run's own, not more often than every ten seconds.
		for range 10 {
			if _, err := c.Ready(t.Context()); !errors.As(err, &refusal) {
				t.Fatalf("Ready: %v", err)
			}
			if _, answer := c.Order(t.Context(), someOrder); !errors.As(answer.Err, &refusal) {
				t.Fatalf("Order: %v", answer.Err)
			}
		}
		if _, requests := a.counts(); requests != 3 || a.last().method != http.MethodGet {
			t.Errorf("%d requests, want two confirmations and one probe", requests)
		}
		a.setOrders(answer(404, `{"errors":[{"code":"NotFound","message":"no such order"}]}`))
		time.Sleep(askAgain)
		p, err := c.Ready(t.Context())
		if err != nil || c.Halted() != nil || c.Status().Halted != "" {
			t.Fatalf("once repaired: %v, %v", err, c.Halted())
		}
		p.Cancel()
	})
}

// A halted connection is probed at once, after 1, 2, 4, 8 and then every 15 minutes, and is let in at the first probe after
// the repair. Each probe is one token and one reading.
func TestProbesOfAHaltedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(fresh())
		a.setOrders(refusal(403, "Unauthorized", "Access to requested resource is denied.", "The requested marketplaces are not valid for region"))
		c := newClient(t, a, pipes)
		confirm(t, c)
		if c.Halted() == nil {
			t.Fatal("not halted")
		}
		tokens, requests := a.counts()
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(5 * time.Second) {
			if c.LetIn(t.Context()) {
				t.Fatal("let in")
			}
		}
		nowTokens, nowRequests := a.counts()
		if nowTokens-tokens != 7 || nowRequests-requests != 7 {
			t.Errorf("%d tokens and %d readings in an hour, want 7", nowTokens-tokens, nowRequests-requests)
		}
		a.setOrders(answer(404, `{"errors":[{"code":"NotFound","message":"no such order"}]}`))
		mended := time.Now()
		for !c.LetIn(t.Context()) {
			time.Sleep(5 * time.Second)
		}
		if took := time.Since(mended); took > longestProbe {
			t.Errorf("noticed after %s", took)
		}
		if got := confirm(t, c); got.Sent != Answered {
			t.Errorf("then: %+v", got)
		}
	})
}

func TestWhoeverIsLetInBetweenIsNotHalted(t *testing.T) {
	a := newAmazon(t)
	a.setToken(fresh())
	c := newClient(t, a)
	for range 5 { // an order that is refused again and again, among others that are not
		a.setOrders(denied)
		confirm(t, c)
		a.setOrders(refusal(400, "InvalidInput", "InvalidCarrier", ""))
		confirm(t, c)
	}
	if c.Halted() != nil || !c.LetIn(t.Context()) {
		t.Errorf("halted: %v", c.Halted())
	}
}

// Amazon lets the connection read and refuses every confirmation: the runs that follow are no more than probes would be.
func TestReadingIsNotConfirming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(fresh())
		a.setOrders(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				answer(404, `{"errors":[{"code":"NotFound","message":"no such order"}]}`)(w, r)
				return
			}
			denied(w, r)
		})
		c := newClient(t, a, pipes)
		runs := 0
		for end := time.Now().Add(time.Hour); time.Now().Before(end); time.Sleep(5 * time.Second) {
			if !c.LetIn(t.Context()) {
				continue
			}
			runs++
			for c.Halted() == nil { // a run, until it is halted
				if p, err := c.Ready(t.Context()); err == nil {
					p.Confirm(t.Context(), someOrder, someBody(t))
				}
			}
		}
		if _, requests := a.counts(); runs != 7 || requests > 3*runs {
			t.Errorf("%d runs in an hour, want 7, and %d requests", runs, requests)
		}
	})
}

func TestARevokedGrantIsNoticedAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, pipes := newBubbleAmazon(t)
		a.setToken(answer(400, noSuchGrant))
		a.setOrders(answer(404, ""))
		c := newClient(t, a, pipes)
		if _, err := c.Ready(t.Context()); err == nil || c.Halted() == nil || c.LetIn(t.Context()) {
			t.Fatalf("%v, %v", err, c.Halted())
		}
		a.setToken(fresh())
		time.Sleep(firstProbe)
		if !c.LetIn(t.Context()) || c.Halted() != nil {
			t.Errorf("still halted: %v", c.Halted())
		}
	})
}
