package door

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

var (
	now    = time.Date(2026, 11, 20, 23, 30, 0, 0, time.UTC) // already the 21st in Berlin
	config = settings.Set{Connections: []settings.Connection{
		settings.Connection{ID: "EU", Accounts: []settings.Account{{ID: "DE"}, {ID: "FR"}}}.WithDefaults(),
		settings.Connection{ID: "US", Accounts: []settings.Account{{ID: "COM", Schedule: settings.Schedule{Zone: "America/Los_Angeles"}}}}.WithDefaults(),
	}}
)

func at(s string) event.Time {
	t, err := event.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

func shipped(n int) event.Event {
	return event.New(event.TypeShipped, fmt.Sprint("s", n), "/erp", now, event.Shipped{Account: "DE", Order: fmt.Sprintf("302-0000000-%07d", n),
		ShippedAt: at("2026-11-20T12:00:00Z"), Carrier: "DHL", Tracking: "1", Source: "api"})
}

func with(e event.Event, edit func(*event.Event)) event.Event {
	edit(&e)
	return e
}

func amended(id, tracking string) event.Event {
	return with(shipped(1), func(e *event.Event) { e.Type, e.ID, e.Data.Tracking = event.TypeAmended, id, tracking })
}

func withdrawn(id string) event.Event {
	return with(shipped(1), func(e *event.Event) { e.Type, e.ID, e.Data.ShippedAt = event.TypeWithdrawn, id, event.Time{} })
}

// past folds events into the last entry of shipment 1, reported as shipped(1).
func past(t *testing.T, events ...shipment.Event) shipment.Entry {
	t.Helper()
	_, first := Judge(config, now, shipped(1), shipment.Entry{})
	last := shipment.Entry{}
	for i, ev := range append([]shipment.Event{first}, events...) {
		if ev.ID == "" {
			ev.ID = fmt.Sprint("p", i)
		}
		ev.At = now
		e, err := shipment.Record(last.After, ev)
		if err != nil {
			t.Fatal(err)
		}
		e.Seq, last = uint64(i+1), e
	}
	return last
}

func TestJudge(t *testing.T) {
	attempt := shipment.Event{Type: shipment.Attempted, Attempt: &shipment.Attempt{ID: "1", Hash: "h"}}
	doubt := shipment.Event{Type: shipment.Doubted}
	confirmed := shipment.Event{Type: shipment.Outcome, To: shipment.Confirmed, Attempt: &shipment.Attempt{ID: "1"}}
	closed := shipment.Event{Type: shipment.CloseEvent, Kind: shipment.Withdrawn}
	_, firstFix := Judge(config, now, amended("a1", "2"), past(t))
	_, secondFix := Judge(config, now, amended("a2", "3"), past(t, firstFix))
	data := func(f func(*event.Shipped)) event.Event {
		return with(shipped(1), func(e *event.Event) { e.ID = "again"; f(&e.Data) })
	}
	for _, c := range []struct {
		name   string
		event  event.Event
		last   shipment.Entry
		result Result
		state  shipment.State
		field  string // of the problem, or of the change
		text   string
	}{
		{"new", shipped(1), shipment.Entry{}, Accepted, shipment.Pending, "", ""},
		{"connection named", data(func(d *event.Shipped) { d.Connection = "EU" }), shipment.Entry{}, Accepted, shipment.Pending, "", ""},
		{"too old", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-13T23:30:00Z") }), shipment.Entry{}, TooOld, shipment.Expired, "", ""},
		{"just young enough", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-13T23:30:01Z") }), shipment.Entry{}, Accepted, shipment.Pending, "", ""},
		{"date a week ago", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-14") }), shipment.Entry{}, Accepted, shipment.Pending, "", ""},
		{"label of Amazon", data(func(d *event.Shipped) { d.Label = shipment.LabelAmazon }), shipment.Entry{}, NotRequired, shipment.NotRequired, "", ""},
		{"unknown account", data(func(d *event.Shipped) { d.Account = "XX" }), shipment.Entry{}, Refused, "", "account", "is not configured"},
		{"wrong connection", data(func(d *event.Shipped) { d.Connection = "US" }), shipment.Entry{}, Refused, "", "connection", "belongs to connection EU"},
		{"other account", data(func(d *event.Shipped) { d.Account = "FR" }), past(t), Refused, shipment.Pending, "account", "already known under account DE"},
		{"clock ten minutes ahead", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-20T23:40:00Z") }), shipment.Entry{}, Accepted, shipment.Pending, "", ""},
		{"clock further ahead", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-20T23:40:01Z") }), shipment.Entry{}, Refused, "", "shippedAt", "lies in the future"},
		{"today in the account's zone", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-21") }), shipment.Entry{}, Accepted, shipment.Pending, "", ""},
		{"tomorrow in the account's zone", data(func(d *event.Shipped) { d.ShippedAt = at("2026-11-22") }), shipment.Entry{}, Refused, "", "shippedAt", "lies in the future"},
		{"not yet that day in California", data(func(d *event.Shipped) { d.Account, d.ShippedAt = "COM", at("2026-11-21") }), shipment.Entry{}, Refused, "", "shippedAt", "lies in the future"},

		{"same again", shipped(1), past(t), AlreadyKnown, shipment.Pending, "", ""},
		{"same from another sender", data(func(*event.Shipped) {}), past(t), AlreadyKnown, shipment.Pending, "", ""},
		{"same when confirmed", data(func(*event.Shipped) {}), past(t, attempt, confirmed), AlreadyKnown, shipment.Confirmed, "", ""},
		{"other content", data(func(d *event.Shipped) { d.Tracking = "2" }), past(t), Differs, shipment.Pending, "trackingNumber", ""},
		{"other content under the same id", with(shipped(1), func(e *event.Event) { e.Data.Carrier = "UPS" }), past(t), Differs, shipment.Pending, "carrier", ""},
		{"delivered again after a correction", shipped(1), past(t, firstFix), AlreadyKnown, shipment.Pending, "", ""},

		{"correction", amended("a1", "2"), past(t), Amended, shipment.Pending, "trackingNumber", ""},
		{"correction delivered again", amended("a1", "2"), past(t, firstFix), AlreadyKnown, shipment.Pending, "", ""},
		{"correction delivered again after another", amended("a1", "2"), past(t, firstFix, secondFix), AlreadyKnown, shipment.Pending, "", ""},
		{"correction of nothing", amended("a3", "1"), past(t), AlreadyKnown, shipment.Pending, "", ""},
		{"correction of the unknown", amended("a1", "2"), shipment.Entry{}, Refused, "", "", "EU/302-0000000-0000001/1 is not known"},
		{"correction while sending", amended("a1", "2"), past(t, attempt), Later, shipment.Transmitting, "", ""},
		{"correction in doubt", amended("a1", "2"), past(t, attempt, doubt), Later, shipment.Doubt, "", ""},
		{"correction when confirmed", amended("a1", "2"), past(t, attempt, confirmed), Refused, shipment.Confirmed, "", "is confirmed"},
		{"correction into the future", with(amended("a1", "2"), func(e *event.Event) { e.Data.ShippedAt = at("2026-12-01") }), past(t), Refused, shipment.Pending, "shippedAt", "future"},

		{"withdrawal", withdrawn("w"), past(t), Withdrawn, shipment.Closed, "", ""},
		{"withdrawal again", withdrawn("w2"), past(t, closed), AlreadyKnown, shipment.Closed, "", ""},
		{"withdrawal of the unknown", withdrawn("w"), shipment.Entry{}, Refused, "", "", "is not known"},
		{"withdrawal while sending", withdrawn("w"), past(t, attempt), Later, shipment.Transmitting, "", ""},
		{"withdrawal in doubt", withdrawn("w"), past(t, attempt, doubt), Later, shipment.Doubt, "", ""},
		{"withdrawal when confirmed", withdrawn("w"), past(t, attempt, confirmed), Refused, shipment.Confirmed, "", "too late: sent at 2026-11-20T23:30:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, ev := Judge(config, now, c.event, c.last)
			if v.Result != c.result || v.State != c.state {
				t.Fatalf("%s, %s; want %s, %s: %+v", v.Result, v.State, c.result, c.state, v)
			}
			appends := slices.Contains([]Result{Accepted, TooOld, NotRequired, Amended, Withdrawn}, c.result)
			if (ev.Type != "") != appends {
				t.Fatalf("event to append: %q", ev.Type)
			}
			if appends {
				after, err := shipment.Apply(c.last.After, ev)
				if err != nil || after.State != c.state || ev.ID != EventID(c.event) {
					t.Fatalf("%s, %v", after.State, err)
				}
			}
			var fields, texts []string
			for _, p := range v.Problems {
				fields, texts = append(fields, p.Field), append(texts, p.Text)
			}
			for _, ch := range v.Changes {
				fields = append(fields, ch.Field)
			}
			if c.field != "" && !slices.Equal(fields, []string{c.field}) || !strings.Contains(strings.Join(texts, " "), c.text) || (c.result == Refused) != (len(texts) > 0) {
				t.Fatalf("fields %q, problems %q", fields, texts)
			}
			if c.result == Later && len(v.Warnings) == 0 {
				t.Error("no reason given")
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	bare := with(shipped(1), func(e *event.Event) { e.Data.Tracking, e.Data.Carrier = "", "" })
	v, _ := Judge(config, now, bare, shipment.Entry{})
	if len(v.Warnings) != 2 || v.Warnings[0].Field != "trackingNumber" || v.Warnings[1].Field != "carrier" || v.Result != Accepted {
		t.Errorf("%+v", v)
	}
	bare.Data.Label = shipment.LabelAmazon
	if v, _ := Judge(config, now, bare, shipment.Entry{}); len(v.Warnings) != 0 {
		t.Errorf("nothing will be sent, so nothing is missing: %+v", v)
	}
}

// The id is for ever: an input that is delivered again after an update must be recognised.
func TestEventIDStays(t *testing.T) {
	for _, e := range []event.Event{shipped(1), withdrawn("w"), with(shipped(2), func(e *event.Event) { e.Data.Carrier = "<Müller & Söhne>" })} {
		content, err := json.Marshal(e.Data)
		if err != nil {
			t.Fatal(err)
		}
		want := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "%s\n%s\n%s\n%s", e.Source, e.ID, e.Type, content)).String()
		if id := EventID(e); id != want {
			t.Errorf("%s has become %s", want, id)
		}
	}
}

func TestEventID(t *testing.T) {
	id := EventID(shipped(1))
	if id != EventID(with(shipped(1), func(e *event.Event) { e.Time = e.Time.Add(time.Hour) })) {
		t.Error("the same event has two ids")
	}
	for name, edit := range map[string]func(*event.Event){
		"id": func(e *event.Event) { e.ID = "x" }, "source": func(e *event.Event) { e.Source = "x" }, "type": func(e *event.Event) { e.Type = event.TypeAmended },
		"content": func(e *event.Event) { e.Data.Tracking = "x" }, "a slash elsewhere": func(e *event.Event) { e.Source, e.ID = "/erp/s", "1" },
	} {
		if EventID(with(shipped(1), edit)) == id {
			t.Errorf("another %s, the same id", name)
		}
	}
}
