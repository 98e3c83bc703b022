package spapi

import (
	"strings"
	"testing"

	"github.com/fertig-project/fertig/shared/outcome"
)

func TestConfirmSendsOneRequestWithAmazonsHeaders(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	got := confirm(t, c)
	if got.Sent != Answered || got.Status != 204 || got.Rule.ID != "confirmed" || got.RequestID != "request-1" || got.Err != nil {
		t.Fatalf("answer: %+v", got)
	}
	if tokens, requests := a.counts(); tokens != 1 || requests != 1 {
		t.Fatalf("%d token requests and %d confirmations, want one of each", tokens, requests)
	}
	req := a.last()
	if req.method != "POST" || req.uri != "/orders/v0/orders/"+someOrder+"/shipmentConfirmation" || req.body != string(someBody(t)) {
		t.Errorf("request: %s %s %s", req.method, req.uri, req.body)
	}
	want := map[string]string{"X-Amz-Access-Token": "Atza|1", "Content-Type": "application/json"}
	for name, value := range want {
		if req.header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, req.header.Get(name), value)
		}
	}
	if date := req.header.Get("X-Amz-Date"); len(date) != len("20060102T150405Z") || !strings.HasSuffix(date, "Z") {
		t.Errorf("x-amz-date %q", date)
	}
	if agent := req.header.Get("User-Agent"); !strings.HasPrefix(agent, "Fertig/dev (Language=Go/") || len(agent) >= 500 {
		t.Errorf("user-agent %q", agent)
	}
	if req.header.Get("Authorization") != "" || req.header.Get("Idempotency-Key") != "" {
		t.Errorf("headers nobody asked for: %v", req.header)
	}
}

func TestPermitIsSpentOnce(t *testing.T) {
	a := newAmazon(t)
	c := newClient(t, a)
	p, err := c.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.Cancel()
	p.Cancel()
	if got := p.Confirm(t.Context(), someOrder, someBody(t)); got.Sent != NotSent || got.Err != ErrPermitSpent || got.Rule.Class != outcome.Retry {
		t.Errorf("a cancelled permit answered %+v", got)
	}
	if _, requests := a.counts(); requests != 0 {
		t.Errorf("%d requests from a cancelled permit", requests)
	}
}
