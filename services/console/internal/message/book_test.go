package message_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Of many that raise, recount and clear at once each step happens once.
func TestEveryStepHappensOnce(t *testing.T) {
	srv := natstest.Start(t)
	b, err := message.Open(srv.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	m := message.Message{ID: "transmission_failed.DE.r1", Kind: message.TransmissionFailed, Account: "DE", At: at, Count: 3}
	once := func(what string, do func() (bool, error)) {
		t.Helper()
		var done atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				ok, err := do()
				if err != nil {
					t.Error(err)
				}
				if ok {
					done.Add(1)
				}
			})
		}
		wg.Wait()
		if done.Load() != 1 {
			t.Errorf("%s happened %d times", what, done.Load())
		}
	}
	once("raise", func() (bool, error) { return b.Raise(ctx, m) })
	raised, err := b.Get(ctx, m.ID)
	if err != nil || raised.Phase != message.Raised || !raised.Button() {
		t.Fatalf("%+v, %v", raised, err)
	}
	once("recount", func() (bool, error) { return b.Recount(ctx, raised, 4) })
	open, err := b.Open(ctx)
	if err != nil || len(open) != 1 || open[0].Count != 4 {
		t.Fatalf("%+v, %v", open, err)
	}
	once("clear", func() (bool, error) { return b.Clear(ctx, open[0], at.Add(time.Hour), "done") })
	if ok, err := b.Raise(ctx, m); ok || err != nil {
		t.Errorf("a cleared message is raised again: %v, %v", ok, err)
	}
	all, err := b.All(ctx)
	if err != nil || len(all) != 1 || all[0].Phase != message.Cleared || all[0].Button() || all[0].ClearedFor != "done" {
		t.Errorf("%+v, %v", all, err)
	}
	if open, err := b.Open(ctx); err != nil || len(open) != 0 {
		t.Errorf("open: %+v, %v", open, err)
	}
	for _, id := range []string{"", "none", "a b", "*", "a..b", ">", ".a", "a."} {
		if _, err := b.Get(ctx, id); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// What is read often leaves nothing behind on the server, also when there is nothing to read and after a purge.
func TestReadingLeavesNoConsumer(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	b, err := message.Open(nc)
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), stream.Messages)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	read := func(want ...string) {
		t.Helper()
		for range 5 {
			all, err := b.All(t.Context())
			var ids []string
			for _, m := range all {
				ids = append(ids, m.ID)
			}
			if err != nil || !slices.Equal(ids, want) {
				t.Fatalf("%v, %v, want %v", ids, err, want)
			}
		}
		info, err := s.Info(t.Context())
		if err != nil || info.State.Consumers != 0 {
			t.Fatalf("%d consumers are left, %v", info.State.Consumers, err)
		}
	}
	read()
	for i, id := range []string{"expired.DE.r1", "expired.DE.r3", "expired.DE.r2"} {
		if _, err := b.Raise(t.Context(), message.Message{ID: id, Kind: message.Expired, Account: "DE", At: at.Add(time.Duration(i%2) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	read("expired.DE.r3", "expired.DE.r1", "expired.DE.r2")
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	read()
}
