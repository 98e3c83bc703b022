package job_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func start(t *testing.T) (context.Context, *natstest.Server, *nats.Conn, *job.Board) {
	t.Helper()
	t.Parallel()
	s := natstest.Start(t)
	nc := s.Connect(t)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx, s, nc, board(t, nc)
}

func board(t *testing.T, nc *nats.Conn) *job.Board {
	t.Helper()
	b, err := job.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func trigger(run string) job.Trigger {
	return job.Trigger{RunID: run, Connection: "EU", Kind: job.Schedule, Scope: job.All, Actor: "test", At: noon}
}

func entry(run string, p job.Phase, minute int) job.Log {
	return job.Log{RunID: run, Connection: "EU", Phase: p, At: noon.Add(time.Duration(minute) * time.Minute), Trigger: trigger(run)}
}

func ask(ctx context.Context, t *testing.T, b *job.Board, runs ...string) {
	t.Helper()
	for _, r := range runs {
		if first, err := b.Ask(ctx, trigger(r)); !first || err != nil {
			t.Fatalf("ask for %s: %v, %v", r, first, err)
		}
	}
}

func write(ctx context.Context, t *testing.T, b *job.Board, logs ...job.Log) {
	t.Helper()
	for _, l := range logs {
		if err := b.Write(ctx, l); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnOneServerAndOnACluster(t *testing.T) {
	natstest.Each(t,
		natstest.Case{Name: "one trigger however many schedulers", Run: oneTrigger},
		natstest.Case{Name: "begin resumes", Run: beginResumes},
		natstest.Case{Name: "asked, run, logged", Run: askedAndLogged},
	)
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// Whoever reads after a write sees it, whichever replica would have answered.
func askedAndLogged(t *testing.T, s natstest.Any) {
	ctx, b, other := bounded(t), board(t, s.Connect(t)), board(t, s.Connect(t))
	heard := make(chan string)
	following, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- other.Triggers(following, "EU", func(t job.Trigger) {
			select {
			case heard <- t.RunID:
			case <-following.Done():
			}
		})
	}()
	for i := range 20 {
		run := fmt.Sprint("r", i)
		ask(ctx, t, b, run)
		if again, err := other.Ask(ctx, trigger(run)); again || err != nil {
			t.Fatalf("%s twice: %v", run, err)
		}
		if _, err := other.Asked(ctx, "EU", run); err != nil {
			t.Fatal(err)
		}
		// Before the run's log says that it is done: who begins to follow after that need not be told of it.
		select {
		case got := <-heard:
			if got != run {
				t.Fatalf("heard %s, want %s", got, run)
			}
		case <-ctx.Done():
			t.Fatalf("%s was not heard of", run)
		}
		for _, p := range []job.Phase{job.Started, job.Finished} {
			write(ctx, t, b, entry(run, p, i))
			if l, err := other.Last(ctx, "EU", run); err != nil || l.Phase != p {
				t.Fatalf("%s is %s, want %s, %v", run, l.Phase, p, err)
			}
		}
	}
	if logs, err := other.Recent(ctx, "", 100); err != nil || len(logs) != 20 || logs[0].RunID != "r19" || logs[0].Phase != job.Finished {
		t.Errorf("%d logs, %v", len(logs), err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func oneTrigger(t *testing.T, s natstest.Any) {
	ctx, b := bounded(t), board(t, s.Connect(t))
	var wg sync.WaitGroup
	first := make([]bool, 5)
	for i := range first {
		mine := board(t, s.Connect(t))
		wg.Go(func() {
			tr := trigger("slot-1")
			tr.Actor = fmt.Sprint(i)
			var err error
			if first[i], err = mine.Ask(ctx, tr); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	winner, n := "", 0
	for i, f := range first {
		if f {
			winner, n = fmt.Sprint(i), n+1
		}
	}
	got, err := b.Asked(ctx, "EU", "slot-1")
	if err != nil || n != 1 || got.Actor != winner || !got.At.Equal(noon) {
		t.Fatalf("%d winners, stored %+v, %v", n, got, err)
	}
	if _, err := b.Asked(ctx, "EU", "never"); !fault.Is(err, fault.NotFound) {
		t.Errorf("never asked: %v", err)
	}
}

func TestAskRefusesWhatNoRunCanBe(t *testing.T) {
	ctx, _, _, b := start(t)
	for name, edit := range map[string]func(*job.Trigger){
		"no run": func(t *job.Trigger) { t.RunID = "" }, "a dot": func(t *job.Trigger) { t.RunID = "a.b" }, "a blank": func(t *job.Trigger) { t.RunID = "a b" },
		"a wildcard": func(t *job.Trigger) { t.RunID = "*" }, "no connection": func(t *job.Trigger) { t.Connection = "" },
		"too many": func(t *job.Trigger) { t.Keys = make([]shipment.Key, job.MaxKeys+1) },
	} {
		tr := trigger("r")
		edit(&tr)
		if _, err := b.Ask(ctx, tr); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	full := trigger("full")
	full.Keys = make([]shipment.Key, job.MaxKeys)
	for i := range full.Keys {
		full.Keys[i] = shipment.Key{Connection: "A-CONNECTION-WITH-A-NAME-OF-40-LETTERS--", Order: "302-1234567-1234567", Package: "12345678901234567890"}
	}
	if first, err := b.Ask(ctx, full); !first || err != nil {
		t.Errorf("the largest trigger does not fit: %v", err)
	}
}

func beginResumes(t *testing.T, s natstest.Any) {
	ctx, b := bounded(t), board(t, s.Connect(t))
	if _, err := b.Last(ctx, "EU", "r"); !fault.Is(err, fault.NotFound) {
		t.Fatalf("not begun: %v", err)
	}
	first := entry("r", job.Started, 0)
	first.Snapshot = 42
	if got, err := b.Begin(ctx, first); err != nil || got.Snapshot != 42 {
		t.Fatalf("%+v, %v", got, err)
	}
	second := entry("r", job.Started, 9)
	second.Snapshot = 99
	if got, err := b.Begin(ctx, second); err != nil || got.Snapshot != 42 || !got.At.Equal(noon) {
		t.Fatalf("the next holder begins anew: %+v, %v", got, err)
	}
	write(ctx, t, b, entry("r", job.Finished, 10))
	if got, err := b.Begin(ctx, second); err != nil || got.Phase != job.Finished {
		t.Fatalf("a finished run begins again: %+v, %v", got, err)
	}
}

func TestTriggersSkipsWhatIsDone(t *testing.T) {
	ctx, _, nc, b := start(t)
	ask(ctx, t, b, "done", "joined", "open", "started")
	write(ctx, t, b, entry("done", job.Started, 0), entry("done", job.Finished, 1), entry("joined", job.Joined, 1), entry("started", job.Started, 2))
	for _, junk := range []string{stream.TriggerSubject("EU", "junk"), stream.RunLogSubject("EU", "junk")} {
		if _, err := nc.Request(junk, []byte("no JSON"), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	us := trigger("us")
	us.Connection = "US"
	if _, err := b.Ask(ctx, us); err != nil {
		t.Fatal(err)
	}

	heard, ended := make(chan string, 10), make(chan error, 1)
	following, stop := context.WithCancel(ctx)
	go func() {
		ended <- b.Triggers(following, "EU", func(t job.Trigger) {
			select {
			case heard <- t.RunID:
			case <-following.Done():
			}
		})
	}()
	want := func(runs ...string) {
		t.Helper()
		for _, r := range runs {
			select {
			case got := <-heard:
				if got != r {
					t.Fatalf("heard %s, want %s", got, r)
				}
			case <-ctx.Done():
				t.Fatalf("%s was not heard", r)
			}
		}
	}
	want("open", "started")
	ask(ctx, t, b, "later")
	want("later")
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	select {
	case got := <-heard:
		t.Errorf("heard %s too", got)
	default:
	}
}

func TestRecent(t *testing.T) {
	ctx, _, _, b := start(t)
	if logs, err := b.Recent(ctx, "", 10); err != nil || len(logs) != 0 {
		t.Fatalf("%v, %v", logs, err)
	}
	us := entry("us", job.Finished, 7)
	us.Connection = "US"
	write(ctx, t, b, entry("a", job.Started, 0), entry("b", job.Started, 1), us, entry("a", job.Finished, 5))
	for _, c := range []struct {
		connection shipment.ConnectionID
		n          int
		want       string
	}{{"EU", 10, "[a finished b started]"}, {"", 10, "[us finished a finished b started]"}, {"EU", 1, "[a finished]"}, {"EU", 0, "[]"}, {"FE", 10, "[]"}} {
		logs, err := b.Recent(ctx, c.connection, c.n)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, l := range logs {
			got = append(got, l.RunID+" "+string(l.Phase))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%q, %d: %v, want %s", c.connection, c.n, got, c.want)
		}
	}
}

func TestProgressIsHeard(t *testing.T) {
	ctx, _, nc, b := start(t)
	following, stop := context.WithCancel(ctx)
	heard, ended := make(chan job.Progress, 100), make(chan error, 1)
	before := nc.NumSubscriptions()
	go func() { ended <- b.Listen(following, "", func(p job.Progress) { heard <- p }) }()
	natstest.Until(t, 10*time.Second, "somebody listens", func() bool { return nc.NumSubscriptions() > before })
	if err := b.Tell(job.Progress{RunID: "r", Connection: "EU", Done: 3, Total: 10, ETA: noon}); err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-heard:
		if p.RunID != "r" || p.Done != 3 || !p.ETA.Equal(noon) {
			t.Errorf("%+v", p)
		}
	case <-ctx.Done():
		t.Fatal("nothing was heard")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestFollowLogs(t *testing.T) {
	ctx, s, _, b := start(t)
	ask(ctx, t, b, "a")
	write(ctx, t, b, entry("a", job.Started, 0))
	type heard struct {
		seq   uint64
		phase job.Phase
	}
	got, ended := make(chan heard, 10), make(chan error, 1)
	following, stop := context.WithCancel(ctx)
	follow := func(from uint64) {
		ended <- b.FollowLogs(following, from, func(seq uint64, l job.Log) error { got <- heard{seq, l.Phase}; return nil })
	}
	go follow(0)
	first := <-got
	if first.phase != job.Started {
		t.Fatalf("%+v", first)
	}
	s.Stop(t)
	s.Again(t)
	natstest.Until(t, 15*time.Second, "the board takes entries again", func() bool { return b.Write(ctx, entry("a", job.Finished, 1)) == nil })
	second := <-got
	if second.phase != job.Finished || second.seq <= first.seq {
		t.Fatalf("%+v after %+v", second, first)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	no := errors.New("no")
	err := b.FollowLogs(ctx, first.seq, func(seq uint64, l job.Log) error {
		if seq != second.seq {
			t.Errorf("from %d: heard %d", first.seq, seq)
		}
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("hear's error: %v", err)
	}
}

func TestScoped(t *testing.T) {
	if !trigger("r").Scoped("DE") {
		t.Error("no accounts means all")
	}
	tr := trigger("r")
	tr.Accounts = []shipment.AccountID{"FR", "DE"}
	if !tr.Scoped("DE") || tr.Scoped("IT") {
		t.Error("only the named ones")
	}
}
