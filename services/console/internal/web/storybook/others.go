package storybook

import (
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func others() []Story {
	return append(jobs(), append(centre(), plain()...)...)
}

func centre() []Story {
	cleared := func(d time.Duration, n int) page.Message {
		m := message()
		m.ID, m.N, m.RaisedAt, m.ClearedAt = "old", n, ago(d), ago(d-40*time.Minute)
		return m
	}
	return []Story{
		{"messages", "messages", func(f page.Frame) any {
			m := message()
			m.Update = allowed(f, m.Update)
			old := page.Message{ID: "m2", Kind: "expired", Account: "FR", Zone: Zone, N: 6, Shipments: 6, RaisedAt: ago(26 * time.Hour), OrdersURL: "/orders?message=m2",
				Update: page.Action{}}
			return page.Messages{Frame: f, Open: []page.Message{m, old}, Cleared: []page.Message{cleared(24*time.Hour, 12), cleared(48*time.Hour, 1)}}
		}},
		{"messages-busy", "messages", func(f page.Frame) any {
			m := message()
			m.Busy, m.RunURL, m.Update.Why = true, "/runs/run-2", page.Say("why.busy")
			return page.Messages{Frame: f, Open: []page.Message{m}}
		}},
		{"messages-empty", "messages", func(f page.Frame) any { return page.Messages{Frame: f} }},
	}
}

func jobs() []Story {
	next := func(z *time.Location) []time.Time {
		var out []time.Time
		for d := range 2 {
			for _, h := range []int{12, 15, 18} {
				if t := time.Date(2026, 3, 10+d, h, 0, 0, 0, z); t.After(Now) && len(out) < 5 {
					out = append(out, t)
				}
			}
		}
		return out
	}
	row := func(id string, kind job.Kind, began time.Duration, c job.Counts) page.RunRow {
		return page.RunRow{ID: id, Connection: "EU1", Accounts: "DE, FR", Kind: kind, Actor: "scheduler", Zone: Zone, Started: ago(began), Ended: ago(began - 540*time.Second),
			Phase: job.Finished, Counts: c, URL: "/runs/" + id}
	}
	done := row("run-1", job.Schedule, 3*time.Hour, job.Counts{Attempts: 1041, Confirmed: 1034, Deferred: 4, Throttled: 2, NotRequired: 1, Skipped: 1})
	done.Left = []page.Left{{Why: "held", N: 12}, {Why: "time", N: 3}}
	busy := page.RunRow{ID: "run-2", Connection: "EU1", Accounts: "DE, FR", Kind: job.Manual, Actor: "Anna Krüger", Zone: Zone, Started: ago(4 * time.Minute), Phase: job.Started, Progress: progress(), URL: "/runs/run-2"}
	joined := row("run-3", job.Replay, 20*time.Minute, job.Counts{})
	joined.Actor, joined.JoinedTo, joined.JoinedURL = "Anna Krüger", "run-1", "/runs/run-1"
	runs := func(f page.Frame) page.Runs {
		button := func(acc string) page.Action {
			return allowed(f, page.Action{ID: "run-" + acc, Label: "action.run", URL: "/runs/new?for=" + acc, Link: true})
		}
		change := page.Action{ID: "schedule", Label: "action.schedule", Why: page.Say("why.support")}
		if f.Role.Configures() {
			change.Why = page.Say("why.later")
		}
		return page.Runs{Frame: f, Change: change, Schedules: []page.Schedule{
			{Account: "DE", Name: "Amazon.de", Cron: "0 12,15,18 * * *", ZoneID: "Europe/Berlin", Zone: Zone, Next: next(Zone), RunNow: button("DE")},
			{Account: "FR", Name: "Amazon.fr", Cron: "0 12,15,18 * * *", ZoneID: "Europe/Berlin", Zone: Zone, PausedUntil: Now.Add(24 * time.Hour), Next: next(Zone), RunNow: button("FR")},
			{Account: "UK", Name: "Amazon.co.uk", Zone: time.UTC, Off: true, RunNow: button("UK")},
		}, History: []page.RunRow{joined, done, row("run-0", job.Message, 27*time.Hour, job.Counts{Attempts: 3, Confirmed: 3})}}
	}
	detail := func(r page.RunRow) func(page.Frame) any {
		return func(f page.Frame) any {
			return page.Run{Frame: f, RunRow: r, OrdersURL: "/deferred", ByAccount: []page.AccountCounts{{Account: "DE", Counts: job.Counts{Confirmed: 946, Deferred: 4}}, {Account: "FR", Counts: job.Counts{Confirmed: 88}}}}
		}
	}
	fresh := func(n, m int, f page.Frame) page.RunNew {
		return page.RunNew{Frame: f, Connection: "EU1", Known: true, N: n, Minutes: m, ETA: Now.Add(3 * time.Minute), Targets: []page.Option{{Value: "", Label: "list.all_accounts"}, {Value: "DE", Text: "Amazon.de"}},
			Start: allowed(f, page.Action{ID: "run-start", Label: "action.run"})}
	}
	return []Story{
		{"runs", "runs", func(f page.Frame) any { return runs(f) }},
		{"runs-busy", "runs", func(f page.Frame) any { r := runs(f); r.Running = []page.RunRow{busy}; return r }},
		{"runs-empty", "runs", func(f page.Frame) any { return page.Runs{Frame: f} }},
		{"run-finished", "run", detail(done)},
		{"run-started", "run", func(f page.Frame) any { return page.Run{Frame: f, RunRow: busy} }},
		{"run-waiting", "run", func(f page.Frame) any {
			w := busy
			p := *progress()
			p.Waiting, p.WaitUntil = "503 ServiceUnavailable", Now.Add(40*time.Second)
			w.Progress = &p
			return page.Run{Frame: f, RunRow: w}
		}},
		{"run-asked", "run", func(f page.Frame) any {
			return page.Run{Frame: f, RunRow: page.RunRow{ID: "run-9", Connection: "EU1", Kind: job.Replay, Actor: "Anna Krüger", Reason: "Tracking korrigiert", Zone: Zone}}
		}},
		{"run-joined", "run", func(f page.Frame) any { j := joined; j.Phase = job.Joined; return page.Run{Frame: f, RunRow: j} }},
		{"runnew", "runnew", func(f page.Frame) any { return fresh(312, 9, f) }},
		{"runnew-nothing", "runnew", func(f page.Frame) any { r := fresh(0, -1, f); r.Busy = "/runs/run-2"; return r }},
		{"runnew-unknown", "runnew", func(f page.Frame) any { r := fresh(0, -1, f); r.Known = false; return r }},
	}
}

func plain() []Story {
	accounts := func(f page.Frame) page.Accounts {
		url := ""
		if f.Role.Acts() {
			url = "/accounts?map=DE#map"
		}
		de := settings.Account{ID: "DE", Name: "Amazon.de", Marketplace: "A1PA6795UKMFR9", AgeLimitDays: 7, RejectedOrder: shipment.RejectedLast,
			Schedule: settings.Schedule{Cron: "0 12,15,18 * * *", Zone: "Europe/Berlin"}, Labels: settings.Labels{Version: 2, Rules: []settings.LabelRule{
				{ServiceLevel: "NEXT_DAY", From: "2026-01-01", Label: settings.LabelByAmazon}, {ServiceLevel: "STANDARD", Label: settings.LabelByOwn}, {Label: settings.LabelAsk}}},
			Mapping: settings.Mapping{Version: 4, Rules: []settings.MapRule{
				{Carrier: "DHL*", CarrierCode: "DHL"}, {Carrier: "DPD", Country: "DE", CarrierCode: "DPD", ShippingMethod: "Classic"}, {Carrier: "Bote", CarrierCode: "Other", CarrierName: "Stadtbote"}}}}
		uk := settings.Account{ID: "UK", Name: "Amazon.co.uk", Marketplace: "A1F83G8C2ARO7P", AgeLimitDays: 7, RejectedOrder: shipment.RejectedAfterCorrection,
			Schedule: settings.Schedule{Cron: "0 12,15,18 * * *", Zone: "Europe/London"}}
		return page.Accounts{Frame: f, Connections: []page.Connection{
			{Health: page.Health{ID: "EU1", Name: "Muster GmbH, Europa", Mode: settings.ModeLive, Region: "eu", Known: true, Breaker: "closed", Rate: 2, Zone: Zone},
				Test:     allowed(f, page.Action{ID: "test-EU1", Label: "action.test", URL: "/accounts/EU1/test"}),
				Accounts: []page.Account{{Account: de, Zone: Zone, Unmapped: []page.Unmapped{{Carrier: "Hermes", N: 3}}, MapURL: url}}},
			{Health: page.Health{ID: "UK1", Name: "Muster Ltd", Mode: settings.ModeSimulator, Region: "eu", Zone: Zone}, Endpoint: "http://127.0.0.1:9100",
				Test: allowed(f, page.Action{ID: "test-UK1", Label: "action.test", URL: "/accounts/UK1/test"}), Accounts: []page.Account{{Account: uk, Zone: Zone, MapURL: url}}},
		}}
	}
	failure := func(status int, key, detail string) func(page.Frame) any {
		return func(f page.Frame) any { return page.Failure{Frame: f, Status: status, Key: key, Detail: detail} }
	}
	out := func(f page.Frame) page.Frame { f.User, f.Role = "", ""; return f }
	return []Story{
		{"accounts", "accounts", func(f page.Frame) any { return accounts(f) }},
		{"accounts-map", "accounts", func(f page.Frame) any {
			a := accounts(f)
			a.Map = &page.MapForm{Account: "DE", Accounts: []page.Option{{Value: "DE", Text: "Amazon.de", Selected: true}}, Rule: settings.MapRule{Carrier: "Hermes"}, Problems: map[string]string{"carrier_code": "Bitte ausfüllen."}}
			return a
		}},
		{"accounts-empty", "accounts", func(f page.Frame) any { return page.Accounts{Frame: f} }},
		{"login", "login", func(f page.Frame) any { return page.Login{Frame: out(f), Next: "/orders"} }},
		{"login-wrong", "login", func(f page.Frame) any { return page.Login{Frame: out(f), Next: "/", Problem: "login.wrong"} }},
		{"failure-not-found", "failure", failure(404, "not_found", "shipment EU1/028-0000000-0000000/1 is not known")},
		{"failure-forbidden", "failure", failure(403, "forbidden", "")},
		{"failure-unavailable", "failure", failure(503, "unavailable", "list shipments: i/o timeout")},
		{"failure-internal", "failure", failure(500, "internal", "")},
		{"failure-invalid", "failure", failure(400, "invalid", "")},
		{"help", "help", func(f page.Frame) any { return page.Help{Frame: f} }},
	}
}
