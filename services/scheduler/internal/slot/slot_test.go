package slot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/services/scheduler/internal/slot"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func set(cron, zone string, budget time.Duration) settings.Set {
	return settings.Set{Connections: []settings.Connection{{ID: "EU", Limits: settings.Limits{RunBudget: settings.Duration(budget)},
		Accounts: []settings.Account{{ID: "DE", Schedule: settings.Schedule{Cron: cron, Zone: zone}}}}}}
}

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestTriggerOfASlot(t *testing.T) {
	s := set("0 12,15,18 * * *", "Europe/Berlin", 3*time.Hour)
	s.Connections[0].Accounts[0].PausedUntil = at(t, "2026-12-24T00:00:00Z")
	due, err := slot.Due(s, at(t, "2026-11-20T10:59:00Z"), at(t, "2026-11-20T11:00:00Z"))
	if err != nil || len(due) != 1 {
		t.Fatalf("due %v, %v", due, err)
	}
	tr := slot.Verdict{Slot: due[0]}.Trigger(at(t, "2026-11-20T12:00:01+01:00"))
	if tr.RunID != "slot-DE-20261120T1100Z" || tr.Connection != "EU" || tr.Kind != "schedule" || tr.Scope != "all" ||
		!slices.Equal(tr.Accounts, []shipment.AccountID{"DE"}) || !tr.Slot.Equal(at(t, "2026-11-20T11:00:00Z")) || tr.Actor != "scheduler" {
		t.Errorf("trigger %+v", tr)
	}
	if want := at(t, "2026-11-20T13:55:00Z"); !tr.Until.Equal(want) {
		t.Errorf("until %s, want five minutes before the next slot, %s", tr.Until, want)
	}
}

func TestUntil(t *testing.T) {
	for name, c := range map[string]struct {
		cron   string
		budget time.Duration
		want   time.Duration
	}{
		"five minutes before the next":   {"0 12,13 * * *", 3 * time.Hour, 55 * time.Minute},
		"the budget ends earlier":        {"0 12 * * *", 3 * time.Hour, 3 * time.Hour},
		"a smaller budget":               {"0 12,15 * * *", time.Hour, time.Hour},
		"slots close together: half-way": {"*/5 12 * * *", 3 * time.Hour, 150 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			due, err := slot.Due(set(c.cron, "UTC", c.budget), at(t, "2026-11-20T11:59:00Z"), at(t, "2026-11-20T12:00:00Z"))
			if err != nil || len(due) != 1 {
				t.Fatalf("due %v, %v", due, err)
			}
			if got := due[0].Until(due[0].At).Sub(due[0].At); got != c.want {
				t.Errorf("budget %s, want %s", got, c.want)
			}
		})
	}
}

func TestOneBadScheduleCostsOnlyItself(t *testing.T) {
	s := set("0 12 * * *", "UTC", time.Hour)
	s.Connections[0].Accounts = append(s.Connections[0].Accounts,
		settings.Account{ID: "BAD", Schedule: settings.Schedule{Cron: "nonsense", Zone: "UTC"}},
		settings.Account{ID: "OFF", Schedule: settings.Schedule{Cron: "0 12 * * *", Zone: "UTC", Off: true}})
	due, err := slot.Due(s, at(t, "2026-11-20T11:59:00Z"), at(t, "2026-11-20T12:00:00Z"))
	if err == nil || !strings.Contains(err.Error(), "account BAD") {
		t.Errorf("error %v", err)
	}
	if len(due) != 1 || due[0].Account != "DE" {
		t.Errorf("due %v", due)
	}
	if next := slot.Next(s, at(t, "2026-11-20T11:59:00Z")); !next.Equal(at(t, "2026-11-20T12:00:00Z")) {
		t.Errorf("next %s", next)
	}
}

// However a span is cut into pieces, the slots of the pieces are the slots of the span: none is lost or seen twice at a
// restart or at any moment the loop happens to look.
func TestDueDoesNotDependOnWhenOneLooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata"}).Draw(t, "zone")
		hours := rapid.SliceOfNDistinct(rapid.IntRange(0, 23), 1, 4, rapid.ID[int]).Draw(t, "hours")
		minute := rapid.IntRange(0, 59).Draw(t, "minute")
		cron := fmt.Sprintf("%d %s * * *", minute, strings.Trim(strings.ReplaceAll(fmt.Sprint(hours), " ", ","), "[]"))
		s := set(cron, zone, 3*time.Hour)
		start := time.Unix(rapid.Int64Range(1767225600, 1798761600).Draw(t, "start"), 0).UTC() // some moment of 2026
		end := start.Add(10 * 24 * time.Hour)
		whole, err := slot.Due(s, start, end)
		if err != nil {
			t.Fatal(err)
		}
		var pieces []slot.Slot
		for from := start; from.Before(end); {
			to := from.Add(time.Duration(rapid.IntRange(1, 3*86400).Draw(t, "step")) * time.Second)
			if to.After(end) {
				to = end
			}
			part, err := slot.Due(s, from, to)
			if err != nil {
				t.Fatal(err)
			}
			pieces, from = append(pieces, part...), to
		}
		if !slices.Equal(whole, pieces) {
			t.Fatalf("%s in %s\nwhole  %v\npieces %v", cron, zone, whole, pieces)
		}
		perDay := map[string]int{}
		loc := s.Connections[0].Accounts[0].Schedule.Location()
		for i, x := range whole {
			if !x.At.After(start) || x.At.After(end) || !x.Until(x.At).After(x.At) || x.Until(x.At).After(x.At.Add(3*time.Hour)) {
				t.Fatalf("slot out of bounds: %+v", x)
			}
			if i > 0 && (!x.At.After(whole[i-1].At) || x.RunID() == whole[i-1].RunID() || !whole[i-1].Until(whole[i-1].At).Before(x.At) || !whole[i-1].Next.Equal(x.At)) {
				t.Fatalf("slots overlap: %+v, %+v", whole[i-1], x)
			}
			perDay[x.At.In(loc).Format(time.DateOnly)]++
		}
		first, last := start.In(loc).Format(time.DateOnly), end.In(loc).Format(time.DateOnly)
		for day, n := range perDay {
			if day != first && day != last && n != len(hours) {
				t.Fatalf("%s in %s: %d slots on %s, want %d", cron, zone, n, day, len(hours))
			}
		}
	})
}
