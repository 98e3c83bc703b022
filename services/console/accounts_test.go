package console_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMapCarrierRepairsWhatItCovers(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rc redis.UniversalClient) {
		b := start(t, rc)
		refused, other, waiting := b.accept("DE", 1), b.accept("FR", 2), b.accept("DE", 3)
		b.reject(refused, "r1")
		b.reject(other, "r1")
		tracking := b.accept("DE", 4) // the same carrier, but refused for its number
		b.attempt(tracking, "r1")
		b.answer(tracking, "r1", shipment.Deferred, shipment.Rejected, &shipment.Answer{At: time.Now().UTC(), Status: 400, Rule: "tracking-blocked", Field: "tracking"})
		c := b.api(operator)
		for _, code := range []string{"Deutsche Post", "DHL"} { // the second replaces the first
			r, err := c.MapCarrierWithResponse(b.ctx, "DE", client.MapCarrierRequest{Carrier: "post", CarrierCode: code, Comment: "new contract"})
			b.must(err)
			if r.JSON200 == nil || len(r.JSON200.Rules) != 1 || r.JSON200.Rules[0].CarrierCode != code {
				t.Fatalf("%d %s", r.StatusCode(), r.Body)
			}
			if rep := r.JSON200.Repaired; rep.Done != 1 || rep.Failed != 0 || rep.Items[0].Order != refused.Order {
				t.Errorf("repaired: %+v", rep)
			}
		}
		for k, want := range map[shipment.Key]shipment.Type{refused: shipment.Requeued, other: shipment.Outcome, waiting: shipment.Accepted, tracking: shipment.Outcome} {
			e, err := b.led.Last(b.ctx, k)
			b.must(err)
			if e.Type != want {
				t.Errorf("%s: last event %s, want %s", k, e.Type, want)
			}
			if want == shipment.Requeued && (e.Actor != "otto" || !strings.Contains(e.Comment, "new contract") || e.Waiver) {
				t.Errorf("requeued by %q: %q", e.Actor, e.Comment)
			}
		}
	})
}

func TestPauseIsShownAndEnds(t *testing.T) {
	b := start(t, redistest.Mini(t))
	b.accept("DE", 1)
	c := b.api(operator)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	paused := func() *time.Time {
		r, err := c.ListSchedulesWithResponse(b.ctx)
		b.must(err)
		if r.JSON200 == nil || len(r.JSON200.Schedules) != 3 || len(r.JSON200.Schedules[0].Next) != 5 {
			t.Fatalf("schedules: %s", r.Body)
		}
		return r.JSON200.Schedules[0].PausedUntil
	}
	for _, want := range []*time.Time{&until, nil} {
		r, err := c.PauseAccountWithResponse(b.ctx, "DE", client.PauseRequest{Until: want, Comment: "stocktaking"})
		b.must(err)
		if r.StatusCode() != http.StatusNoContent {
			t.Fatalf("pause: %d %s", r.StatusCode(), r.Body)
		}
		b.until("the pause to be shown", func() bool {
			p := paused()
			return (p == nil) == (want == nil) && (p == nil || p.Equal(*want))
		})
		p, err := c.PreviewRunWithResponse(b.ctx, &client.PreviewRunParams{})
		b.must(err)
		if n := p.JSON200.Count; (n == 0) != (want != nil) {
			t.Errorf("a run would send %d with the pause %v", n, want)
		}
	}
}

func TestQuestionsToTheDispatcher(t *testing.T) {
	b := start(t, redistest.Mini(t))
	answers := map[string]any{
		control.StatusOf("EU"): control.Status{Breaker: control.Breaker{State: "open", Reason: "503", Since: time.Now().UTC()}, TokenBreaker: control.Breaker{State: "closed"}, Rate: 2, Burst: 10, Available: 4},
		control.TestOf("EU"):   []control.Step{{Name: "token", OK: true, Took: 120 * time.Millisecond, Rule: "token-issued"}, {Name: "read", Rule: "access-denied", Text: "denied"}},
		control.Rebuild:        struct{}{},
	}
	sub, err := b.nc.Subscribe(control.All, func(m *nats.Msg) {
		if a, ok := answers[m.Subject]; ok {
			data, err := json.Marshal(a)
			if err := errors.Join(err, m.Respond(data)); err != nil {
				t.Error(err)
			}
		}
	})
	b.must(err)
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	b.must(b.nc.Flush())
	r, err := b.api(viewer).ListAccountsWithResponse(b.ctx)
	b.must(err)
	if r.JSON200 == nil || len(r.JSON200.Accounts) != 3 {
		t.Fatalf("accounts: %s", r.Body)
	}
	for _, a := range r.JSON200.Accounts {
		if known := a.Connection == "EU"; a.Health.Known != known || known && (val(a.Health.Breaker) != "open" || val(a.Health.Left) != 4) {
			t.Errorf("%s: %+v", a.Id, a.Health)
		}
	}
	tested, err := b.api(operator).TestConnectionWithResponse(b.ctx, "EU")
	b.must(err)
	if s := tested.JSON200; s == nil || s.Ok || len(s.Steps) != 2 || s.Steps[0].Milliseconds != 120 || s.Steps[0].Remedy != nil || s.Steps[1].Remedy == nil {
		t.Errorf("test: %s", tested.Body)
	}
	rebuilt, err := b.api(support).RebuildViewWithResponse(b.ctx)
	b.must(err)
	if rebuilt.StatusCode() != http.StatusAccepted {
		t.Errorf("rebuild: %d %s", rebuilt.StatusCode(), rebuilt.Body)
	}
}

func TestOverviewCountsWhatTheActorSees(t *testing.T) {
	b := start(t, redistest.Mini(t))
	b.accept("DE", 1)
	b.reject(b.accept("FR", 2), "r1")
	b.confirm(b.accept("FR", 3), "r1")
	b.finish("EU", "r1", nil)
	for token, want := range map[string]struct{ accounts, flagged int }{viewer: {3, 2}, french: {1, 1}} {
		r, err := b.api(token).GetOverviewWithResponse(b.ctx)
		b.must(err)
		if o := r.JSON200; o == nil || len(o.Accounts) != want.accounts || o.Total.FlaggedOrders != want.flagged || o.Total.Kinds["rejected"] != 1 || o.LastRun == nil || o.NextRun == nil {
			t.Errorf("overview: %s", r.Body)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	b := start(t, redistest.Mini(t))
	for field, c := range map[string]console.Config{
		"NATS":            {Redis: b.redis},
		"Redis":           {NATS: b.nc},
		"tokens":          {NATS: b.nc, Redis: b.redis},
		"tokens[0].role":  {NATS: b.nc, Redis: b.redis, Tokens: []console.Token{{Name: "a", Role: "boss", Token: "t"}}},
		"tokens[0].token": {NATS: b.nc, Redis: b.redis, Tokens: []console.Token{{Name: "a", Role: "viewer"}}},
		"hash":            {NATS: b.nc, Redis: b.redis, Tokens: []console.Token{{Name: "a", Role: "viewer", Hash: "00"}}},
		"sessionKey":      {NATS: b.nc, Redis: b.redis, SessionKey: []byte("short"), Tokens: []console.Token{{Name: "a", Role: "viewer", Token: "t"}}},
	} {
		_, err := console.New(b.ctx, c)
		var f *fault.Error
		if !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	taken := b.svc.Addr().String()
	if _, err := console.New(b.ctx, console.Config{NATS: b.nc, Redis: b.redis, Listen: taken, Tokens: []console.Token{{Name: "a", Role: "viewer", Token: "t"}}}); err == nil || !strings.Contains(err.Error(), taken) {
		t.Errorf("an address in use: %v", err)
	}
}

func TestVersionSaysWhoAsks(t *testing.T) {
	b := start(t, redistest.Mini(t))
	r, err := b.api(french).GetVersionWithResponse(b.ctx)
	b.must(err)
	if v := r.JSON200; v == nil || v.Actor != "fleur" || v.Role != client.VersionRoleOperator || !slices.Equal(v.Accounts, []string{"FR"}) {
		t.Errorf("%s", r.Body)
	}
}

func TestLabelRulesAreVersioned(t *testing.T) {
	b := start(t, redistest.Mini(t))
	rules := []client.LabelRule{{ServiceLevel: ptr("NEXT_DAY"), From: ptr("2026-01-01"), Label: client.LabelRuleLabelAmazon}, {Label: client.LabelRuleLabelAsk}}
	set := func(token string, version *int, rules []client.LabelRule) (int, string) {
		r, err := b.api(token).SetLabelRulesWithResponse(b.ctx, "DE", client.SetLabelRulesRequest{Version: version, Rules: rules, Comment: "new contract"})
		b.must(err)
		return r.StatusCode(), string(r.Body)
	}
	for _, row := range []struct {
		name, token string
		version     *int
		rules       []client.LabelRule
		status      int
		text        string
	}{
		{"an operator may not", operator, nil, rules, http.StatusForbidden, "support"},
		{"a first version", support, nil, rules, http.StatusOK, `"version":1`},
		{"on top of what was read", support, ptr(1), rules[:1], http.StatusOK, `"version":2`},
		{"somebody was faster", support, ptr(1), nil, http.StatusConflict, "version 2 by now"},
		{"a day that is none", support, nil, []client.LabelRule{{From: ptr("1.1.2026"), Label: client.LabelRuleLabelOwn}}, http.StatusBadRequest, "rules[0].from"},
		{"none any more", support, ptr(2), []client.LabelRule{}, http.StatusOK, `"version":3`},
	} {
		if status, body := set(row.token, row.version, row.rules); status != row.status || !strings.Contains(body, row.text) {
			t.Errorf("%s: %d %s", row.name, status, body)
		}
	}
	b.until("the version is shown", func() bool {
		r, err := b.api(viewer).ListAccountsWithResponse(b.ctx)
		b.must(err)
		i := slices.IndexFunc(r.JSON200.Accounts, func(a client.Account) bool { return a.Id == "DE" })
		return r.JSON200.Accounts[i].Labels.Version == 3
	})
}

func TestOwnLabelsAreQueued(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.step(k, shipment.Event{Type: shipment.Found, To: shipment.NotRequired, Comment: "by rule 1"})
	r, err := b.api(operator).CorrectShipmentWithResponse(b.ctx, "EU", k.Order, "1", client.CorrectRequest{LabelSource: ptr(client.CorrectRequestLabelSourceUnknown), Carrier: ptr("GLS"), Comment: "just so"})
	b.must(err)
	if r.JSON200 == nil || r.JSON200.State != client.StateNotRequired {
		t.Errorf("another correction: %s", r.Body)
	}
	r, err = b.api(operator).CorrectShipmentWithResponse(b.ctx, "EU", k.Order, "1", client.CorrectRequest{LabelSource: ptr(client.CorrectRequestLabelSourceOwn), Comment: "our label"})
	b.must(err)
	if r.JSON200 == nil || r.JSON200.State != client.StatePending || val(r.JSON200.Data.LabelSource) != "own" {
		t.Errorf("own label: %s", r.Body)
	}
}
