package event_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/fertig-project/fertig/shared/event"
)

var berlin = zone("Europe/Berlin")

func zone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return loc
}

func TestTimeIn(t *testing.T) {
	for _, c := range []struct{ in, zone, want string }{
		{"2026-11-20T14:03:00+01:00", "Asia/Tokyo", "2026-11-20T13:03:00Z"},
		{"2026-11-20T14:03:00.5Z", "Europe/Berlin", "2026-11-20T14:03:00.5Z"},
		{"2026-11-20", "Europe/Berlin", "2026-11-20T22:59:59Z"},
		{"2026-11-20", "America/Los_Angeles", "2026-11-21T07:59:59Z"},
		{"2026-12-31", "UTC", "2026-12-31T23:59:59Z"},
		{"2024-02-29", "UTC", "2024-02-29T23:59:59Z"},
		{"2026-03-28", "Europe/Berlin", "2026-03-28T22:59:59Z"},
		{"2026-03-29", "Europe/Berlin", "2026-03-29T21:59:59Z"}, // a day of 23 hours
		{"2026-10-24", "Europe/Berlin", "2026-10-24T21:59:59Z"},
		{"2026-10-25", "Europe/Berlin", "2026-10-25T22:59:59Z"}, // a day of 25 hours
		{"2026-04-23", "Africa/Cairo", "2026-04-23T21:59:59Z"},  // the next midnight does not exist
		{"2026-04-24", "Africa/Cairo", "2026-04-24T20:59:59Z"},
		{"2026-10-29", "Africa/Cairo", "2026-10-29T21:59:59Z"}, // its last hour happens twice
		{"2018-11-03", "America/Sao_Paulo", "2018-11-04T02:59:59Z"},
		{"2018-11-04", "America/Sao_Paulo", "2018-11-05T01:59:59Z"},
	} {
		parsed, err := event.ParseTime(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := parsed.In(zone(c.zone)).UTC().Format(time.RFC3339Nano); got != c.want {
			t.Errorf("%s in %s: %s, want %s", c.in, c.zone, got, c.want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	for _, in := range []string{"", "now", "20.11.2026", "2026-11-20 14:03:00", "2026-11-20T14:03:00", "2026-02-30", "2026-13-01", "2026-11-20T25:00:00Z"} {
		if got, err := event.ParseTime(in); err == nil || !got.IsZero() {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}

func TestToData(t *testing.T) {
	d := golden["shipped_full.json"].Data.ToData(berlin)
	if !d.ShippedAt.Equal(time.Date(2026, 11, 20, 13, 3, 0, 0, time.UTC)) || d.ShippedAt.Location() != time.UTC {
		t.Errorf("shipped at %s", d.ShippedAt)
	}
	if want := time.Date(2026, 11, 21, 22, 59, 59, 0, time.UTC); !d.ShipBy.Equal(want) {
		t.Errorf("ship by %s, want %s", d.ShipBy, want)
	}
	if d.Carrier != "DHL" || d.Service != "Paket" || d.Tracking != "00340434161094042557" || len(d.Items) != 2 || d.Reference != "R-2026-1178" ||
		d.LabelSource != "own" || d.Source != "service" || len(d.Programs) != 1 {
		t.Errorf("%+v", d)
	}
}
