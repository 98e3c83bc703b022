package slot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/services/scheduler/internal/slot"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestSettle(t *testing.T) {
	day := func(clock string) time.Time { return at(t, "2026-11-20T"+clock+":00Z") }
	type asked struct {
		run, at string
		change  func(*job.Trigger)
	}
	manual := func(at string) asked { return asked{"by-hand", at, func(*job.Trigger) {}} }
	for name, c := range map[string]struct {
		now    string
		due    string
		paused string // these slots were in a pause
		asked  []asked
		want   string
	}{
		"in time":                       {now: "12:00", due: "12:00", want: "12:00 runs until 14:55"},
		"late, within grace":            {now: "13:30", due: "12:00", want: "12:00 runs until 14:55"},
		"late, at the end of grace":     {now: "14:00", due: "12:00", want: "12:00 runs until 14:55"},
		"too late":                      {now: "14:01", due: "12:00", want: "12:00 missed"},
		"late, shortly before the next": {now: "14:52", due: "13:00", want: "13:00 runs until 14:56"},
		"the latest one runs":           {now: "13:30", due: "12:00 12:30 13:00", want: "13:00 runs until 14:55, 12:00 joined slot-DE-20261120T1300Z, 12:30 joined slot-DE-20261120T1300Z"},
		"older ones are missed":         {now: "18:30", due: "12:00 15:00 18:00", want: "18:00 runs until 21:30, 12:00 missed, 15:00 missed"},
		"triggered before":              {now: "13:30", due: "12:00 13:00", asked: []asked{{"slot-DE-20261120T1300Z", "13:00", func(*job.Trigger) {}}}, want: "12:00 joined slot-DE-20261120T1300Z"},
		"a run by hand covers":          {now: "18:00", due: "12:00", asked: []asked{manual("13:00")}, want: "12:00 joined by-hand"},
		"a run by hand, too late":       {now: "18:00", due: "12:00", asked: []asked{manual("14:30")}, want: "12:00 missed"},
		"a run by hand, before":         {now: "18:00", due: "12:00", asked: []asked{manual("11:59")}, want: "12:00 missed"},
		"a run of another account":      {now: "18:00", due: "12:00", asked: []asked{{"x", "13:00", func(t *job.Trigger) { t.Accounts = []shipment.AccountID{"FR"} }}}, want: "12:00 missed"},
		"a run of another connection":   {now: "18:00", due: "12:00", asked: []asked{{"x", "13:00", func(t *job.Trigger) { t.Connection = "NA" }}}, want: "12:00 missed"},
		"a run of a few":                {now: "18:00", due: "12:00", asked: []asked{{"x", "13:00", func(t *job.Trigger) { t.Scope = job.Named }}}, want: "12:00 missed"},
		"a missed slot covers nothing":  {now: "18:00", due: "12:00", asked: []asked{{"x", "13:00", func(t *job.Trigger) { t.Settled = job.Missed }}}, want: "12:00 missed"},
		"in a pause, found late":        {now: "13:30", due: "12:00 13:00", paused: "13:00", want: "12:00 runs until 14:55"},
		"in a pause, in time":           {now: "12:00", due: "12:00", paused: "12:00", want: "12:00 runs until 14:55"},
		"nothing is due":                {now: "12:00", due: "", want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			var open []slot.Slot
			for _, clock := range strings.Fields(c.due) {
				open = append(open, slot.Slot{Connection: "EU", Account: "DE", At: day(clock), Next: day("15:00"), Budget: 3 * time.Hour, Grace: 2 * time.Hour, Paused: strings.Contains(c.paused, clock)})
				if clock >= "15:00" {
					open[len(open)-1].Next = time.Time{}
				}
			}
			var known []job.Trigger
			for _, a := range c.asked {
				tr := job.Trigger{RunID: a.run, Connection: "EU", Scope: job.All, At: day(a.at)}
				a.change(&tr)
				known = append(known, tr)
			}
			var got []string
			for _, v := range slot.Settle(open, known, day(c.now)) {
				tr := v.Trigger(day(c.now))
				text := "runs until " + tr.Until.Format("15:04")
				if tr.Settled != "" {
					text = strings.TrimSpace(string(tr.Settled) + " " + tr.CoveredBy)
				}
				got = append(got, v.At.Format("15:04 ")+text)
			}
			if s := strings.Join(got, ", "); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}

// Schedulers come and go at random, several at once, and look at random moments. However they do it, each slot is settled
// once; what ran did so within its grace period and after it was due; what is covered has a run that began within the
// slot's grace period; and what was missed had nobody there to start it in time.
func TestEverySlotIsSettledOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grace := time.Duration(rapid.IntRange(1, 600).Draw(t, "grace in minutes")) * time.Minute
		cron := rapid.SampledFrom([]string{"0 12,15,18 * * *", "*/30 * * * *", "0 2,3 * * *", "45 1 * * *"}).Draw(t, "cron")
		zone := rapid.SampledFrom([]string{"UTC", "Europe/Berlin", "Australia/Lord_Howe"}).Draw(t, "zone")
		account := settings.Account{ID: "DE", Schedule: settings.Schedule{Cron: cron, Zone: zone, Grace: settings.Duration(grace)}}
		conn := settings.Connection{ID: "EU", Limits: settings.Limits{RunBudget: settings.Duration(time.Hour)}, Accounts: []settings.Account{account}}
		start := time.Unix(rapid.Int64Range(1767225600, 1798761600).Draw(t, "start"), 0).UTC()
		history := map[shipment.ConnectionID][]settings.Revision{"EU": {{From: start, Connection: conn}}}
		board := map[string]job.Trigger{}
		var asked []job.Trigger
		var looks []time.Time
		now := start
		for range rapid.IntRange(1, 12).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(1, 20*60).Draw(t, "minutes later")) * time.Minute)
			looks = append(looks, now)
			due, err := slot.Past(history, start.Add(-24*time.Hour), now)
			if err != nil {
				t.Fatal(err)
			}
			for range rapid.IntRange(1, 3).Draw(t, "replicas") { // all of them have read the board before any writes
				for _, v := range slot.Settle(due, slices.Clone(asked), now) {
					if rapid.IntRange(0, 9).Draw(t, "dies") == 0 {
						break
					}
					tr := v.Trigger(now)
					if _, there := board[tr.RunID]; !there {
						board[tr.RunID] = tr
					}
				}
			}
			asked = asked[:0]
			for _, tr := range board {
				asked = append(asked, tr)
			}
		}
		for id, tr := range board {
			if err := sound(tr, board, grace, looks); err != nil {
				t.Fatalf("%s: %v", id, err)
			}
		}
	})
}

func sound(tr job.Trigger, board map[string]job.Trigger, grace time.Duration, looks []time.Time) error {
	if tr.At.Before(tr.Slot) {
		return fmt.Errorf("settled at %s, before %s", tr.At, tr.Slot)
	}
	switch tr.Settled {
	case "":
		if tr.At.Sub(tr.Slot) > grace || !tr.Until.After(tr.At) {
			return fmt.Errorf("runs at %s until %s, due %s", tr.At, tr.Until, tr.Slot)
		}
	case job.Joined:
		// The covering run is written first; if its writer died before, the slot is not settled either.
		by, ok := board[tr.CoveredBy]
		if !ok || by.Settled != "" || by.At.Before(tr.Slot) || by.At.Sub(tr.Slot) > grace {
			return fmt.Errorf("covered by %+v", by)
		}
	case job.Missed:
		if tr.At.Sub(tr.Slot) <= grace {
			return fmt.Errorf("given up at %s, due %s", tr.At, tr.Slot)
		}
	}
	return nil
}

func TestPastKnowsWhatWasInForce(t *testing.T) {
	conn := func(cron string, off bool) settings.Connection {
		c := set(cron, "UTC", time.Hour).Connections[0]
		c.Accounts[0].Schedule.Off = off
		return c
	}
	paused := conn("0 12 * * *", false)
	paused.Accounts[0].PausedUntil = at(t, "2026-11-24T18:00:00Z")
	h := map[shipment.ConnectionID][]settings.Revision{"EU": {
		{From: at(t, "2026-11-20T12:30:00Z"), Connection: conn("0 12,13 * * *", false)}, // 13:00 on the 20th, 12:00 on the 21st
		{From: at(t, "2026-11-21T12:30:00Z"), Connection: conn("0 12 * * *", true)},
		{From: at(t, "2026-11-22T12:00:00Z"), Connection: conn("0 12 * * *", false)}, // not at its own moment
		{From: at(t, "2026-11-22T18:00:00Z"), Gone: true},
		{From: at(t, "2026-11-23T13:00:00Z"), Connection: paused},
		{From: at(t, "2026-11-25T13:00:00Z"), Connection: conn("nonsense", false)},
	}}
	got, err := slot.Past(h, at(t, "2026-11-18T00:00:00Z"), at(t, "2026-11-26T00:00:00Z"))
	if err == nil || !strings.Contains(err.Error(), "account DE") {
		t.Errorf("error %v", err)
	}
	var ids []string
	for _, s := range got {
		ids = append(ids, fmt.Sprint(s.At.Format("02T15:04 "), s.Paused))
	}
	if want := []string{"20T13:00 false", "21T12:00 false", "24T12:00 true", "25T12:00 false"}; !slices.Equal(ids, want) {
		t.Errorf("got %q, want %q", ids, want)
	}
}
