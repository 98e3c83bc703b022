package job_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
)

// Eleven years in zones that change their clocks in every way: each time of each day comes exactly once, in order, at the
// time the wall shows, and where clocks skip it at the first moment after the gap.
func TestYearsOfChangingClocks(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "America/Santiago"} {
		for _, minute := range []int{0, 2*60 + 15, 2*60 + 30, 12 * 60} {
			t.Run(fmt.Sprintf("%s %02d:%02d", zone, minute/60, minute%60), func(t *testing.T) { t.Parallel(); years(t, zone, minute) })
		}
	}
}

func years(t *testing.T, zone string, minute int) {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	s := settings.Schedule{Cron: fmt.Sprintf("%d %d * * *", minute%60, minute/60), Zone: zone}
	got, err := job.Between(s, time.Date(2010, 1, 1, 0, 0, -1, 0, loc), time.Date(2021, 1, 1, 0, 0, -1, 0, loc))
	if err != nil || len(got) != 11*365+3 { // days, with three leap days
		t.Fatalf("%d slots, %v", len(got), err)
	}
	day := time.Date(2010, 1, 1, minute/60, minute%60, 0, 0, time.UTC)
	for i, at := range got {
		switch {
		case i > 0 && !at.After(got[i-1]):
			t.Fatalf("%s comes after %s", at, got[i-1])
		case !wall(at, loc).Equal(day) && !firstAfterGap(at, day, loc):
			t.Fatalf("slot %d is %s, want %s", i, at.In(loc), day)
		case wall(at.Add(-time.Hour), loc).Equal(day) || wall(at.Add(-30*time.Minute), loc).Equal(day):
			t.Fatalf("%s comes twice, and this is the second time", at.In(loc))
		}
		day = day.AddDate(0, 0, 1)
	}
}

// wall is what clocks in loc show, as if they hung in UTC.
func wall(t time.Time, loc *time.Location) time.Time {
	_, offset := t.In(loc).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// firstAfterGap reports whether clocks skip w and at is the moment they have.
func firstAfterGap(at, w time.Time, loc *time.Location) bool {
	return wall(at.Add(-time.Second), loc).Before(w) && wall(at, loc).After(w)
}

// A schedule for every hour follows elapsed time through all of it.
func TestEveryHourOfAYear(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/Sao_Paulo"} {
		got, err := job.Between(settings.Schedule{Cron: "0 * * * *", Zone: zone}, time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC))
		if err != nil || len(got) != 365*24 {
			t.Fatalf("%s: %d slots, %v", zone, len(got), err)
		}
		for i := 1; i < len(got); i++ {
			if got[i].Sub(got[i-1]) != time.Hour {
				t.Fatalf("%s after %s", got[i], got[i-1])
			}
		}
	}
}

func TestClashes(t *testing.T) {
	now := time.Date(2026, 1, 15, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		cron, zone string
		want       []string
	}{
		"the default times":  {"0 12,15,18 * * *", "Europe/Berlin", nil},
		"skipped and twice":  {"30 2 * * *", "Europe/Berlin", []string{"02:30 on 29 Mar 2026 does not exist, clocks go forward: the run is due at 03:00 that day", "02:30 on 25 Oct 2026 comes twice, clocks go back: the run is due the first time only (02:30 +02:00)"}},
		"the gap's bounds":   {"0 2 * * *", "Europe/Berlin", []string{"02:00 on 29 Mar 2026", "02:00 on 25 Oct 2026"}},
		"just after the gap": {"0 3 * * *", "Europe/Berlin", nil},
		"just before":        {"59 1 * * *", "Europe/Berlin", nil},
		"half an hour":       {"45 1 * * *", "Australia/Lord_Howe", []string{"01:45 on 5 Apr 2026 comes twice"}},
		"midnight is gone":   {"0 0 * * *", "America/Santiago", []string{"00:00 on 6 Sep 2026 does not exist, clocks go forward: the run is due at 01:00 that day"}},
		"Sundays not":        {"30 2 * * 1-6", "Europe/Berlin", nil},
		"every hour":         {"30 * * * *", "Europe/Berlin", nil},
		"no changes":         {"30 2 * * *", "UTC", nil},
		"no more changes":    {"30 0 * * *", "America/Sao_Paulo", nil},
		"cannot be read":     {"soon", "Europe/Berlin", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, x := range job.Clashes(settings.Schedule{Cron: c.cron, Zone: c.zone}, now) {
				got = append(got, x.Text("en"))
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got %q", got)
			}
		})
	}
	de := job.Clashes(settings.Schedule{Cron: "30 2 * * *", Zone: "Europe/Berlin"}, now)
	if len(de) != 2 || !strings.Contains(de[0].Text("de"), "02:30 Uhr am 29.03.2026 gibt es nicht") || !strings.Contains(de[1].Text("de"), "gibt es zweimal") {
		t.Errorf("%v", de)
	}
}
