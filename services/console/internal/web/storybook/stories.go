package storybook

import (
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func progress() *job.Progress {
	return &job.Progress{RunID: "run-2", Connection: "EU1", At: Now, Done: 412, Total: 1038, Confirmed: 405, Deferred: 7, PerSecond: 1.9, ETA: Now.Add(6 * time.Minute)}
}

func message() page.Message {
	return page.Message{ID: "m1", Kind: "transmission_failed", Account: "DE", Zone: Zone, N: 4, Shipments: 4, RaisedAt: ago(8 * time.Minute), OrdersURL: "/orders?message=m1",
		Groups: []page.Group{
			{N: 3, Text: noCarrier, Remedy: page.Remedy(shipments()[1]), URL: "/orders?message=m1"},
			{N: 1, Text: "Invalid Input: Enter a valid tracking ID.", Remedy: page.Remedy(shipments()[2])},
		},
		Update: page.Action{ID: "message-update", Label: "action.update", URL: "/messages/m1/update", Main: true}}
}

func allowed(f page.Frame, a page.Action) page.Action {
	if !f.Role.Acts() {
		a.Why, a.Main = page.Say("why.viewer"), false
	}
	return a
}

func overviews() []Story {
	counts := func(ns ...int) []page.StateCount {
		out := make([]page.StateCount, len(shipment.States))
		for i, s := range shipment.States {
			out[i] = page.StateCount{State: s, URL: "/orders?state=" + string(s)}
			if i < len(ns) {
				out[i].N = ns[i]
			}
		}
		return out
	}
	run := func(f page.Frame) page.Action {
		return allowed(f, page.Action{ID: "run-now", Label: "action.run", URL: "/runs/new", Link: true, Main: true})
	}
	health := page.Health{ID: "EU1", Name: "Muster GmbH, Europa", Mode: settings.ModeLive, Region: "eu", Known: true, Breaker: "closed", Rate: 2, Zone: Zone}
	full := func(f page.Frame) page.Overview {
		m := message()
		m.Update = allowed(f, m.Update)
		return page.Overview{Frame: f, RunNow: run(f), Flagged: page.Count{Orders: 326, Shipments: 331}, FlaggedURL: "/orders?flag=1",
			States: counts(312, 0, 4, 1, 18422, 6, 8, 15, 3), Messages: []page.Message{m}, Connections: []page.Health{health},
			Accounts: []page.AccountLine{
				{ID: "DE", Name: "Amazon.de", Connection: "EU1", Zone: Zone, Next: time.Date(2026, 3, 10, 14, 0, 0, 0, time.UTC), Last: &page.LastRun{At: ago(9 * time.Minute), Confirmed: 1034, Deferred: 4, URL: "/runs/run-1"}},
				{ID: "FR", Name: "Amazon.fr", Connection: "EU1", Zone: Zone, Next: time.Date(2026, 3, 10, 14, 0, 0, 0, time.UTC), Last: &page.LastRun{At: ago(9 * time.Minute), Confirmed: 88, Doubt: 1, Left: 12, URL: "/runs/run-1"}},
				{ID: "UK", Name: "Amazon.co.uk", Connection: "UK1", Zone: time.UTC, Next: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), Last: &page.LastRun{At: ago(3 * time.Hour), URL: "/runs/run-0"}},
			}}
	}
	return []Story{
		{"overview", "overview", func(f page.Frame) any { return full(f) }},
		{"overview-running", "overview", func(f page.Frame) any {
			o := full(f)
			o.Accounts[0].Running, o.Accounts[0].RunURL = progress(), "/runs/run-2"
			o.Accounts[1].PausedUntil = Now.Add(24 * time.Hour)
			o.Accounts[2].Missed = ago(3 * time.Hour)
			o.Connections[0].Waiting, o.Connections[0].ETA = 626, Now.Add(6*time.Minute)
			o.Messages[0].Busy, o.Messages[0].RunURL, o.Messages[0].Update.Why = true, "/runs/run-2", page.Say("why.busy")
			return o
		}},
		{"overview-breaker", "overview", func(f page.Frame) any {
			o := full(f)
			w := progress()
			w.Waiting, w.WaitUntil = "503 ServiceUnavailable", Now.Add(40*time.Second)
			o.Accounts[0].Running, o.Accounts[0].RunURL = w, "/runs/run-2"
			o.Accounts[2].Halted = "authorisation revoked (invalid_grant)"
			o.Connections[0].Breaker, o.Connections[0].Reason, o.Connections[0].Since, o.Connections[0].NextProbe = "open", "503 ServiceUnavailable", ago(2*time.Minute), Now.Add(40*time.Second)
			o.Stale = ago(4 * time.Minute)
			return o
		}},
		{"overview-empty", "overview", func(f page.Frame) any {
			f.Deferred, f.Messages = 0, 0
			r := run(f)
			r.Why = page.Say("why.no_accounts")
			return page.Overview{Frame: f, States: counts(), FlaggedURL: "/orders?flag=1", RunNow: r}
		}},
	}
}

func tabs(active shipment.State) []page.StateCount {
	out := []page.StateCount{{N: 18771, URL: "/orders", Active: active == ""}}
	for i, s := range shipment.States {
		out = append(out, page.StateCount{State: s, N: []int{312, 0, 4, 1, 18422, 6, 8, 15, 3}[i], URL: "/orders?state=" + string(s), Active: s == active})
	}
	return out
}

func lists() []Story {
	accounts := []page.Option{{Value: "", Label: "list.all_accounts"}, {Value: "DE", Text: "Amazon.de"}, {Value: "FR", Text: "Amazon.fr"}}
	kinds := []page.Option{{Label: "list.all_kinds"}, {Value: "transient", Label: "kind.transient"}, {Value: "throttled", Label: "kind.throttled"}, {Value: "rejected", Label: "kind.rejected"}, {Value: "incomplete", Label: "kind.incomplete"}}
	full := func(f page.Frame) page.List {
		return page.List{Frame: f, Accounts: accounts, Tabs: tabs(""), Rows: rows(shipments()), Total: page.Count{Shipments: 18771},
			Page: page.Paging{From: 1, To: 15, Next: "/orders?after=x"}, Bulk: page.BulkActions(f.Role)}
	}
	deferred := func(f page.Frame) page.List {
		l := full(f)
		l.URL, l.Deferred, l.Kinds, l.Tabs, l.Rows = "/deferred", true, kinds, nil, rows(shipments()[1:6])
		l.Total, l.Page = page.Count{Shipments: 5}, page.Paging{From: 1, To: 5}
		return l
	}
	return []Story{
		{"orders", "list", func(f page.Frame) any { f.URL = "/orders"; return full(f) }},
		{"orders-filtered", "list", func(f page.Frame) any {
			l := full(f)
			l.Filter = page.Filter{Account: "DE", State: "deferred", Message: "m1", Query: "B-1"}
			l.Tabs, l.Rows = tabs(shipment.Deferred), rows(shipments()[1:5])
			l.Total, l.Page = page.Count{Shipments: 4}, page.Paging{From: 1, To: 4}
			l.Chips = []page.Chip{{Label: page.Say("chip.message"), URL: "/orders"}, {Label: page.Say("chip.account", "v", "DE"), URL: "/orders"}, {Label: page.Say("chip.q", "v", "B-1"), URL: "/orders"}}
			m := message()
			m.Update = allowed(f, m.Update)
			l.Message = &m
			f.Notices = []page.Notice{{Tone: page.Good, Sentence: page.Say("flash.exclude", "n", 3)},
				{Tone: page.Bad, Sentence: page.Say("flash.failed", "n", 1), Lines: []page.Line{{Label: key(6).Order, URL: page.OrderURL(key(6)), Text: "Wird gerade übermittelt."}}}}
			l.Frame = f
			return l
		}},
		{"orders-empty", "list", func(f page.Frame) any {
			return page.List{Frame: f, Accounts: accounts, Tabs: tabs(""), Empty: "list.empty_all"}
		}},
		{"orders-none", "list", func(f page.Frame) any {
			return page.List{Frame: f, Accounts: accounts, Filter: page.Filter{Query: "xyz"}, Empty: "list.empty_filter", Chips: []page.Chip{{Label: page.Say("chip.q", "v", "xyz"), URL: "/orders"}}}
		}},
		{"orders-unavailable", "list", func(f page.Frame) any {
			p := page.Say("list.unavailable")
			return page.List{Frame: f, Accounts: accounts, Problem: &p}
		}},
		{"deferred", "list", func(f page.Frame) any { f.URL = "/deferred"; return deferred(f) }},
		{"deferred-empty", "list", func(f page.Frame) any {
			return page.List{Frame: f, Deferred: true, Accounts: accounts, Kinds: kinds, Empty: "list.empty_deferred"}
		}},
	}
}

func order(f page.Frame, s shipment.Shipment) page.Order {
	next := time.Date(2026, 3, 10, 14, 0, 0, 0, time.UTC)
	f.URL = page.OrderURL(s.Key)
	o := page.Order{Frame: f, Row: page.NewRow(s, Now, Zone, 7), AccountName: "Amazon.de", ConnName: "Muster GmbH, Europa",
		Explain: page.Explain(s, page.Situation{Zone: Zone, AgeDays: 7, Next: next}), Field: page.BlamedField(s), Editable: page.Editable(f.Role, s),
		Form:    page.ShipForm{Carrier: s.Data.Carrier, Service: s.Data.Service, Tracking: s.Data.Tracking, ShippedAt: s.Data.ShippedAt.In(Zone).Format("2006-01-02T15:04"), Label: string(s.Data.LabelSource)},
		Actions: page.OrderActions(f.Role, s), Mapped: &settings.Mapped{CarrierCode: s.Data.Carrier, ShippingMethod: "Paket"}, MappedRule: s.Data.Carrier == "DHL",
		MapURL: "/accounts?map=DE&carrier=" + s.Data.Carrier + "#map", Steps: page.Steps(history(s))}
	if !f.Role.Acts() {
		o.MapURL = ""
	}
	if s.State == shipment.Pending {
		other := shipments()[10]
		other.Key, other.Package = s.Key, "2"
		o.Packages = rows([]shipment.Shipment{other})
	}
	return o
}

func orders() []Story {
	return append(states(), Story{"order-problem", "order", func(f page.Frame) any {
		o := order(f, shipments()[1])
		o.Problems = map[string]string{"comment": "Bitte ausfüllen.", "shipped_at": "Liegt in der Zukunft."}
		return o
	}})
}

func ships() []Story {
	accounts := []page.Option{{Value: "DE", Text: "Amazon.de"}, {Value: "FR", Text: "Amazon.fr"}}
	form := page.ShipForm{Account: "DE", Order: key(0).Order, Carrier: "DHL", Tracking: "00340434161094042557", ShippedAt: "2026-03-10T11:30"}
	with := func(v page.Verdict) func(page.Frame) any {
		v.Order, v.URL, v.Days = key(0).Order, page.OrderURL(key(0)), 7
		return func(f page.Frame) any { return page.Ship{Frame: f, Accounts: accounts, Form: form, Result: &v} }
	}
	return []Story{
		{"open", "open", func(f page.Frame) any { return unshipped(f) }},
		{"open-never", "open", func(f page.Frame) any {
			return page.Open{Frame: f, Accounts: accounts, Empty: "open.never", AsOf: []page.OpenAsOf{{Name: "Muster GmbH, Europa"}}}
		}},
		{"ship", "ship", func(f page.Frame) any {
			s := page.Ship{Frame: f, Accounts: accounts, Form: page.ShipForm{ShippedAt: "2026-03-10T12:09"}}
			if !f.Role.Acts() {
				s.Why = page.Say("why.viewer")
			}
			return s
		}},
		{"ship-problems", "ship", func(f page.Frame) any {
			bad := form
			bad.Order, bad.Items = "028-12", "12 x"
			return page.Ship{Frame: f, Accounts: accounts, Form: bad, Problems: map[string]string{"order": "Drei Gruppen mit 3, 7 und 7 Zeichen.", "items": "Je Zeile Positionsnummer und Menge."}}
		}},
		{"ship-accepted", "ship", with(page.Verdict{Result: "accepted", State: shipment.Pending, Texts: []string{"Ohne Trackingnummer lehnt Amazon die Meldung ab."}})},
		{"ship-known", "ship", with(page.Verdict{Result: "already_known", State: shipment.Confirmed})},
		{"ship-differs", "ship", with(page.Verdict{Result: "differs", State: shipment.Deferred, Changes: []shipment.Change{{Field: "trackingNumber", Old: "00340434161094042556", New: "00340434161094042557"}, {Field: "carrier", Old: "DHL", New: "UPS"}}})},
		{"ship-expired", "ship", with(page.Verdict{Result: "expired", State: shipment.Expired})},
		{"ship-refused", "ship", with(page.Verdict{Result: "refused", Texts: []string{"Dieser Auftrag ist schon unter einem anderen Account bekannt."}})},
	}
}
