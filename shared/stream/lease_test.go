package stream_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

func leases(t *testing.T, s *natstest.Server, me string) *stream.Leases {
	t.Helper()
	return must[*stream.Leases](t)(stream.NewLeases(bounded(t), open(t, s), me, time.Second))
}

func TestLeaseIsExclusiveAndItsTokenGrows(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	var mu sync.Mutex
	holders, most, turns := 0, 0, 0
	var last uint64
	var wg sync.WaitGroup
	for range 4 {
		l := leases(t, s, "same-name")
		wg.Go(func() {
			for range 5 {
				lease, err := l.Acquire(ctx, "projector")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				holders, turns = holders+1, turns+1
				most = max(most, holders)
				if lease.Token() <= last {
					t.Errorf("token %d after %d", lease.Token(), last)
				}
				last = lease.Token()
				mu.Unlock()
				mu.Lock()
				holders--
				mu.Unlock()
				if err := lease.Release(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if most != 1 || turns != 20 {
		t.Fatalf("%d holders at once, %d turns of 20", most, turns)
	}
}

func TestReleaseHandsOverAtOnce(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	a := must[*stream.Leases](t)(stream.NewLeases(ctx, open(t, s), "a", time.Minute))
	b := must[*stream.Leases](t)(stream.NewLeases(ctx, open(t, s), "b", time.Minute))
	first := must[*stream.Lease](t)(a.Acquire(ctx, "connection.EU"))
	if who := must[string](t)(b.Holder(ctx, "connection.EU")); who != "a" {
		t.Fatalf("held by %q", who)
	}
	got := make(chan *stream.Lease)
	go func() {
		l, _ := b.Acquire(ctx, "connection.EU")
		got <- l
	}()
	if err := first.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if first.Remaining() > 0 {
		t.Error("a released lease has time left")
	}
	second := <-got // within the bound of ctx, which is shorter than the TTL
	if second == nil || second.Token() <= first.Token() || second.Remaining() <= 0 {
		t.Fatalf("%+v after token %d", second, first.Token())
	}
	if err := second.Release(ctx); err != nil {
		t.Fatal(err)
	}
	if who := must[string](t)(a.Holder(ctx, "connection.EU")); who != "" {
		t.Fatalf("still held by %q", who)
	}
}

// The holder's process is stopped: it renews nothing and its clock shows, when it wakes, that the time is over. The next
// one has the same name, as a restarted process would.
func TestTakeoverFromAHolderThatStopped(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	old := must[*stream.Lease](t)(leases(t, s, "host").Acquire(ctx, "connection.EU"))
	began := time.Now()
	next := must[*stream.Lease](t)(leases(t, s, "host").Acquire(ctx, "connection.EU"))
	if took := time.Since(began); took > 2500*time.Millisecond {
		t.Errorf("takeover took %s", took)
	}
	if left := old.Remaining(); left > 0 {
		t.Errorf("the old holder believes in %s more", left)
	}
	if next.Token() <= old.Token() {
		t.Errorf("token %d after %d", next.Token(), old.Token())
	}
	if err := old.Keep(ctx); err == nil || !stream.LostRace(err) {
		t.Errorf("renewing a lost lease: %v", err)
	}
	if old.Remaining() > 0 {
		t.Error("the old holder got the lease back")
	}
	if err := old.Release(ctx); err != nil {
		t.Error(err)
	}
	if who := must[string](t)(leases(t, s, "x").Holder(ctx, "connection.EU")); who != "host" {
		t.Errorf("the old holder's release took the lease from the new one: held by %q", who)
	}
	if err := next.Release(ctx); err != nil {
		t.Error(err)
	}
}

func TestKeepHoldsTheLeaseAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	lease := must[*stream.Lease](t)(leases(t, s, "a").Acquire(ctx, "messages"))
	keeping, stop := context.WithCancel(ctx)
	kept := make(chan error)
	go func() { kept <- lease.Keep(keeping) }()

	waiting, give := context.WithTimeout(ctx, 2500*time.Millisecond) // two and a half TTLs
	defer give()
	if l, err := leases(t, s, "b").Acquire(waiting, "messages"); l != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("somebody else got a lease that is kept: %v", err)
	}
	if lease.Remaining() <= 0 {
		t.Error("a kept lease has no time left")
	}
	stop()
	if err := <-kept; err != nil {
		t.Errorf("keep ended with %v", err)
	}
	if err := lease.Release(ctx); err != nil {
		t.Error(err)
	}
}

func TestKeepEndsWhenTheServerIsGone(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	lease := must[*stream.Lease](t)(leases(t, s, "a").Acquire(ctx, "messages"))
	s.Stop(t)
	if err := lease.Keep(ctx); err == nil || lease.Remaining() > 0 {
		t.Errorf("%v with %s left", err, lease.Remaining())
	}
}

func TestAcquireEndsWhenTheConnectionIsClosed(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	held := must[*stream.Lease](t)(leases(t, s, "a").Acquire(ctx, "messages"))
	js := open(t, s)
	l := must[*stream.Leases](t)(stream.NewLeases(ctx, js, "b", 0))
	failed := make(chan error)
	go func() {
		_, err := l.Acquire(ctx, "messages")
		failed <- err
	}()
	other := open(t, s)
	natstest.Until(t, 10*time.Second, "somebody waits", func() bool {
		return must[jetstream.Stream](t)(other.Stream(ctx, "KV_"+stream.LeaseBucket)).CachedInfo().State.Consumers > 0
	})
	js.Conn().Close()
	if err := <-failed; err == nil || ctx.Err() != nil || fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if err := held.Release(ctx); err != nil {
		t.Error(err)
	}
	if l.TTL() != stream.DefaultLeaseTTL {
		t.Errorf("TTL %s", l.TTL())
	}
}

func TestTTLIsWholeSeconds(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	for in, want := range map[time.Duration]time.Duration{time.Millisecond: time.Second, 2900 * time.Millisecond: 2 * time.Second, 0: 30 * time.Second} {
		if l := must[*stream.Leases](t)(stream.NewLeases(bounded(t), open(t, s), "a", in)); l.TTL() != want {
			t.Errorf("%s became %s, want %s", in, l.TTL(), want)
		}
	}
}

// The answer to one renewal is lost. The lease is ours all the time, and says so.
func TestALostAnswerDoesNotCostTheLease(t *testing.T) {
	t.Parallel()
	js := &lossy{JetStream: open(t, natstest.Start(t)), seen: map[string]bool{}}
	renewals := 0
	js.lose = func(*nats.Msg) (bool, bool) { renewals++; return renewals == 2, false } // the first takes the lease
	leases := must[*stream.Leases](t)(stream.NewLeases(t.Context(), js, "me", 3*time.Second))
	l := must[*stream.Lease](t)(leases.Acquire(bounded(t), "x"))
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	kept := make(chan error, 1)
	go func() { kept <- l.Keep(ctx) }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	least := l.Remaining()
	for ctx.Err() == nil {
		<-tick.C
		least = min(least, l.Remaining())
	}
	if err := <-kept; err != nil || least <= 0 {
		t.Errorf("kept: %v, at the least %s were left", err, least)
	}
}
