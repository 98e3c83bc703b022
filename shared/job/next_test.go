package job_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
)

func TestNext(t *testing.T) {
	for name, c := range map[string]struct {
		cron, zone, now string
		want            string
	}{
		"the default times":               {"0 12,15,18 * * *", "Europe/Berlin", "2026-11-20T10:59:59Z", "11-20 11:00, 11-20 14:00, 11-20 17:00, 11-21 11:00"},
		"strictly after now":              {"0 12,15,18 * * *", "Europe/Berlin", "2026-11-20T11:00:00Z", "11-20 14:00, 11-20 17:00, 11-21 11:00, 11-21 14:00"},
		"summer time begins":              {"0 12 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", "03-28 11:00, 03-29 10:00, 03-30 10:00, 03-31 10:00"},
		"summer time ends":                {"0 12 * * *", "Europe/Berlin", "2026-10-23T12:00:00Z", "10-24 10:00, 10-25 11:00, 10-26 11:00, 10-27 11:00"},
		"skipped time: when the gap ends": {"30 2 * * *", "Europe/Berlin", "2026-03-28T02:00:00Z", "03-29 01:00, 03-30 00:30, 03-31 00:30, 04-01 00:30"},
		"doubled time: the first":         {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "10-25 00:30, 10-26 01:30, 10-27 01:30, 10-28 01:30"},
		"inside the doubled hour":         {"30,45 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", "10-26 01:30, 10-26 01:45, 10-27 01:30, 10-27 01:45"},
		"several skipped times are one":   {"0,15,30 2 * * *", "Europe/Berlin", "2026-03-29T00:59:00Z", "03-29 01:00, 03-30 00:00, 03-30 00:15, 03-30 00:30"},
		"every hour follows time, spring": {"0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", "03-29 00:00, 03-29 01:00, 03-29 02:00, 03-29 03:00"},
		"every hour follows time, autumn": {"0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", "10-25 00:00, 10-25 01:00, 10-25 02:00, 10-25 03:00"},
		"midnight that does not exist":    {"0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", "09-06 04:00, 09-07 03:00, 09-08 03:00, 09-09 03:00"},
		"half-hour shift":                 {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "10-03 15:30, 10-04 15:15, 10-05 15:15, 10-06 15:15"},
		"weekdays only":                   {"0 9 * * 1-5", "Europe/London", "2026-11-20T12:00:00Z", "11-23 09:00, 11-24 09:00, 11-25 09:00, 11-26 09:00"},
		"never":                           {"0 0 30 2 *", "Europe/Berlin", "2026-11-20T12:00:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			got, err := job.Next(settings.Schedule{Cron: c.cron, Zone: c.zone}, now, 4)
			if err != nil {
				t.Fatal(err)
			}
			var shown []string
			for _, s := range got {
				shown = append(shown, s.Format("01-02 15:04"))
			}
			if s := strings.Join(shown, ", "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

func TestNextRefuses(t *testing.T) {
	for _, s := range []settings.Schedule{
		{Cron: "@every 1h", Zone: "Europe/Berlin"}, {Cron: "TZ=UTC 0 12 * * *", Zone: "Europe/Berlin"},
		{Cron: "0 12 * *", Zone: "Europe/Berlin"}, {Cron: "0 12 * * *", Zone: "Mars/North"},
	} {
		if got, err := job.Next(s, time.Unix(0, 0), 1); err == nil {
			t.Errorf("%+v gave %v", s, got)
		}
	}
	if got, err := job.Next(settings.Schedule{Cron: "0 12 * * *", Zone: "Europe/Berlin", Off: true}, time.Unix(0, 0), 1); err != nil || got != nil {
		t.Errorf("off gave %v, %v", got, err)
	}
}
