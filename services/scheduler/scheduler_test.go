package scheduler_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/scheduler"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// slots is a log handler that signals every slot a replica has settled.
type slots chan string

func (s slots) Enabled(context.Context, slog.Level) bool { return true }
func (s slots) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s slots) WithGroup(string) slog.Handler            { return s }
func (s slots) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == "slot" && a.Key == "run" {
			s <- a.Value.String()
		}
		return true
	})
	return nil
}

func (s slots) wait(t *testing.T, n int) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for i := range n {
		select {
		case <-s:
		case <-deadline:
			t.Fatalf("%d of %d slots after 20 s", i, n)
		}
	}
}

// clock runs at the pace of the real one from another moment on.
func clock(t *testing.T, from string) func() time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, from)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	return func() time.Time { return at.Add(time.Since(began)) }
}

func seed(t *testing.T, nc *nats.Conn, accounts ...settings.Account) *stream.Settings {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stream.OpenSettings(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	c := settings.Connection{ID: "EU", Region: "eu", Endpoint: "http://127.0.0.1:1", TokenEndpoint: "http://127.0.0.1:1",
		ClientID: "c", ClientSecret: "env:A", RefreshToken: "env:B", Accounts: accounts}
	if err := s.Seed(t.Context(), settings.Set{Connections: []settings.Connection{c}}); err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, nc *nats.Conn, now func() time.Time, seen slots) {
	t.Helper()
	svc, err := scheduler.New(t.Context(), scheduler.Config{NATS: nc, Logger: slog.New(seen), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("scheduler ended with %v", err)
		}
	})
}

func triggers(t *testing.T, nc *nats.Conn) map[string]uint64 {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream.Runs)
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Info(t.Context(), jetstream.WithSubjectFilter("fertig.run.trigger.>"))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Subjects
}

func TestThreeReplicasOneTriggerPerSlot(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	seed(t, nc, settings.Account{ID: "DE", Marketplace: "A1PA6795UKMFR9"},
		settings.Account{ID: "UK", Marketplace: "A1F83G8C2ARO7P", Schedule: settings.Schedule{Zone: "Europe/London"}},
		settings.Account{ID: "FR", Marketplace: "A13V1IB3VIYZZH", PausedUntil: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)})
	now, seen := clock(t, "2026-11-20T10:59:59.5Z"), make(slots, 100)
	for range 3 {
		run(t, srv.Connect(t), now, seen)
	}
	seen.wait(t, 3*2) // DE and FR, seen by every replica; it is only eleven in London
	got := triggers(t, nc)
	if len(got) != 2 {
		t.Fatalf("triggers %v", got)
	}
	for subject, n := range got {
		if n != 1 || !strings.HasSuffix(subject, "-20261120T1100Z") {
			t.Errorf("%d triggers on %s", n, subject)
		}
	}
	board, err := job.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := board.Asked(t.Context(), "EU", "slot-FR-20261120T1100Z")
	if err != nil || tr.Kind != job.Schedule || tr.Scope != job.All || !tr.Until.Equal(time.Date(2026, 11, 20, 13, 55, 0, 0, time.UTC)) {
		t.Errorf("trigger of the paused account: %+v, %v", tr, err)
	}
}

func TestAChangedScheduleNeedsNoRestart(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	conf := seed(t, nc, settings.Account{ID: "DE", Marketplace: "A1PA6795UKMFR9"})
	seen := make(slots, 100)
	run(t, srv.Connect(t), clock(t, "2026-11-20T10:29:58.5Z"), seen)
	err := conf.Change(t.Context(), "EU", func(c *settings.Connection) error {
		c.Accounts[0].Schedule.Cron = "30 11 * * *"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	seen.wait(t, 1)
	if got := triggers(t, nc); len(got) != 1 || got["fertig.run.trigger.EU.slot-DE-20261120T1030Z"] != 1 {
		t.Errorf("triggers %v", got)
	}
}

// tomorrow is a day after everything the server has stored, and a schedule for that day alone.
func tomorrow() (day time.Time, s settings.Schedule) {
	day = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	return day, settings.Schedule{Cron: fmt.Sprintf("0 12,15,18 %d %d *", day.Day(), day.Month()), Zone: "UTC"}
}

// live starts replicas at a moment and returns how to end them all.
func live(t *testing.T, srv *natstest.Server, at time.Time, n int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended, began := make(chan error, n), time.Now()
	for range n {
		svc, err := scheduler.New(t.Context(), scheduler.Config{NATS: srv.Connect(t), Now: func() time.Time { return at.Add(time.Since(began)) }})
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- svc.Run(ctx) }()
	}
	return func() {
		cancel()
		for range n {
			if err := <-ended; err != nil {
				t.Errorf("scheduler ended with %v", err)
			}
		}
	}
}

// A day on which schedulers, and the server, come and go.
func TestADayOfAbsences(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	day, s := tomorrow()
	seed(t, nc, settings.Account{ID: "DE", Marketplace: "A1PA6795UKMFR9", Schedule: s},
		settings.Account{ID: "FR", Marketplace: "A13V1IB3VIYZZH", Schedule: s, PausedUntil: day.Add(17 * time.Hour)})
	board, err := job.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	settled := func(account string, hour int) string {
		id := "slot-" + account + "-" + day.Format("20060102") + fmt.Sprintf("T%02d00Z", hour)
		tr, err := board.Asked(t.Context(), "EU", id)
		if err != nil {
			return "open"
		}
		l, err := board.Last(t.Context(), "EU", id)
		if tr.Settled == "" {
			return "run"
		}
		if err != nil {
			return "half written"
		}
		return strings.TrimSpace(string(l.Phase) + " " + l.JoinedTo)
	}
	expect := func(want ...string) { // of DE, then of FR, at 12, 15 and 18
		t.Helper()
		var got []string
		natstest.Until(t, 20*time.Second, fmt.Sprint(want), func() bool {
			got = got[:0]
			for _, a := range []string{"DE", "FR"} {
				for _, h := range []int{12, 15, 18} {
					got = append(got, settled(a, h))
				}
			}
			return slices.Equal(got, want)
		})
	}
	end := live(t, srv, day.Add(11*time.Hour+59*time.Minute+59*time.Second+500*time.Millisecond), 3)
	expect("run", "open", "open", "run", "open", "open")
	end()
	end = live(t, srv, day.Add(14*time.Hour), 1) // nothing is due
	end()
	end = live(t, srv, day.Add(17*time.Hour+30*time.Minute), 3) // FR was paused at 15:00
	expect("run", "missed", "open", "run", "open", "open")
	srv.Stop(t)
	srv.Again(t)
	end()
	end = live(t, srv, day.Add(19*time.Hour), 3)
	expect("run", "missed", "run", "run", "open", "run")
	end()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	st, err := js.Stream(t.Context(), stream.Runs)
	if err != nil {
		t.Fatal(err)
	}
	if n := st.CachedInfo().State.Msgs; n != 6 {
		t.Errorf("%d messages, want five triggers and one log", n)
	}
	heard := make(chan job.Trigger, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- board.Triggers(ctx, "EU", func(tr job.Trigger) { heard <- tr }) }()
	for range 4 { // what a dispatcher hears: everything but the missed one
		if tr := <-heard; tr.Settled != "" {
			t.Errorf("a dispatcher hears of %+v", tr)
		}
	}
	cancel()
	if err := <-done; err != nil || len(heard) > 0 {
		t.Errorf("%v, %d more triggers", err, len(heard))
	}
}

func TestConfigIsChecked(t *testing.T) {
	_, err := scheduler.New(t.Context(), scheduler.Config{})
	if err == nil || !strings.Contains(err.Error(), "NATS") {
		t.Errorf("the problem must be named: %v", err)
	}
}
