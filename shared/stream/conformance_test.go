package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

// What one server does and what a cluster does must look the same from here.
func TestOnOneServerAndOnACluster(t *testing.T) {
	natstest.Each(t,
		natstest.Case{Name: "a lease goes from hand to hand", Run: handToHand},
		natstest.Case{Name: "a lease that is not renewed ends", Run: leaseEnds},
		natstest.Case{Name: "a renewal whose answer was lost", Run: lostRenewal},
		natstest.Case{Name: "settings", Run: settingsReach},
		natstest.Case{Name: "scan and follow", Run: scanAndFollow},
		natstest.Case{Name: "the newest message", Run: newestMessage},
	)
}

func connectJS(t *testing.T, s natstest.Any) jetstream.JetStream {
	t.Helper()
	return must[jetstream.JetStream](t)(jetstream.New(s.Connect(t)))
}

// Several want a lease; each gives it back at once, and the next one has it without waiting for the TTL.
func handToHand(t *testing.T, s natstest.Any) {
	ctx := patient(t)
	var mu sync.Mutex
	var last uint64
	held, turns := false, 0
	began := time.Now()
	var wg sync.WaitGroup
	for range 3 {
		l := must[*stream.Leases](t)(stream.NewLeases(ctx, connectJS(t, s), "same-name", time.Minute))
		wg.Go(func() {
			for range 3 {
				lease, err := l.Acquire(ctx, "projector")
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if held || lease.Token() <= last {
					t.Errorf("held %v, token %d after %d", held, lease.Token(), last)
				}
				held, last, turns = true, lease.Token(), turns+1
				mu.Unlock()
				mu.Lock()
				held = false
				mu.Unlock()
				if err := lease.Release(ctx); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); turns != 9 || took > 30*time.Second {
		t.Errorf("%d turns of 9 in %s", turns, took)
	}
}

func leaseEnds(t *testing.T, s natstest.Any) {
	ctx := patient(t)
	a := must[*stream.Leases](t)(stream.NewLeases(ctx, connectJS(t, s), "a", time.Second))
	b := must[*stream.Leases](t)(stream.NewLeases(ctx, connectJS(t, s), "b", time.Second))
	old := must[*stream.Lease](t)(a.Acquire(ctx, "connection.EU"))
	next := must[*stream.Lease](t)(b.Acquire(ctx, "connection.EU"))
	if old.Remaining() > 0 || next.Token() <= old.Token() {
		t.Errorf("the old holder believes in %s more; token %d after %d", old.Remaining(), next.Token(), old.Token())
	}
	if err := old.Keep(ctx); !stream.LostRace(err) {
		t.Errorf("renewing a lost lease: %v", err)
	}
	if err := old.Release(ctx); err != nil {
		t.Error(err)
	}
	if who := must[string](t)(a.Holder(ctx, "connection.EU")); who != "b" {
		t.Errorf("held by %q", who)
	}
}

// The server has renewed a lease and the answer was lost: the holder finds its own renewal and has lost nothing.
func lostRenewal(t *testing.T, s natstest.Any) {
	ctx := patient(t)
	js := connectJS(t, s)
	l := must[*stream.Leases](t)(stream.NewLeases(ctx, js, "a", 3*time.Second))
	lease := must[*stream.Lease](t)(l.Acquire(ctx, "connection.EU"))
	const subject = "$KV." + stream.LeaseBucket + ".connection.EU"
	value := must[*jetstream.RawStreamMsg](t)(stream.Last(ctx, js.Conn(), "KV_"+stream.LeaseBucket, subject)).Data
	if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: value, Header: nats.Header{}}, jetstream.WithMsgTTL(3*time.Second)); err != nil {
		t.Fatal(err)
	}
	keeping, stop := context.WithTimeout(ctx, 4*time.Second) // longer than the TTL
	defer stop()
	if err := lease.Keep(keeping); err != nil {
		t.Error(err)
	}
	if lease.Remaining() <= 0 {
		t.Error("a kept lease has no time left")
	}
	if who := must[string](t)(l.Holder(ctx, "connection.EU")); who != "a" {
		t.Errorf("held by %q", who)
	}
}

func settingsReach(t *testing.T, s natstest.Any) {
	ctx := patient(t)
	a := must[*stream.Settings](t)(stream.OpenSettings(ctx, connectJS(t, s)))
	b := must[*stream.Settings](t)(stream.OpenSettings(ctx, connectJS(t, s)))
	if err := a.Seed(ctx, settings.Set{Connections: []settings.Connection{connection("EU", "DE")}}); err != nil {
		t.Fatal(err)
	}
	running(t, b)
	for i := range 20 { // each on top of the one before, from two sides: nobody may see an older one
		mine := []*stream.Settings{a, b}[i%2]
		if err := mine.Change(ctx, "EU", func(c *settings.Connection) error {
			if want := fmt.Sprint(i); i > 0 && c.Name != want {
				return fmt.Errorf("is %q, want %q", c.Name, want)
			}
			c.Name = fmt.Sprint(i + 1)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	natstest.Until(t, 15*time.Second, "the last change arrives", func() bool { c, _ := b.Current().Connection("EU"); return c.Name == "20" })
}

func scanAndFollow(t *testing.T, s natstest.Any) {
	ctx, js := patient(t), connectJS(t, s)
	other := connectJS(t, s)
	scan := func(filters ...string) (n int) {
		err := stream.Scan(ctx, other, stream.Messages, jetstream.OrderedConsumerConfig{FilterSubjects: filters}, func(jetstream.Msg, uint64) error { n++; return nil })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := scan(); n != 0 {
		t.Fatalf("%d messages in an empty stream", n)
	}
	for i := range 10 {
		must[*jetstream.PubAck](t)(js.Publish(ctx, stream.MessageSubject(fmt.Sprint("m", i)), nil))
		if n := scan(); n != i+1 {
			t.Fatalf("%d messages of %d", n, i+1)
		}
		if n, none := scan(stream.MessageSubject("m0")), scan(stream.MessageSubject("none")); n != 1 || none != 0 {
			t.Fatalf("%d and %d messages on a subject", n, none)
		}
	}
	enough, n := errors.New("enough"), 0
	err := stream.Follow(ctx, other, stream.Messages, nil, 0, 3, func(ms []jetstream.Msg) error {
		if n += len(ms); n == 10 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) {
		t.Errorf("%d followed, %v", n, err)
	}
}

func newestMessage(t *testing.T, s natstest.Any) {
	ctx, js := patient(t), connectJS(t, s)
	if m, err := stream.Last(ctx, js.Conn(), stream.Messages, ">"); m != nil || err != nil {
		t.Fatalf("the newest of nothing: %+v, %v", m, err)
	}
	ack := must[*jetstream.PubAck](t)(js.PublishMsg(ctx, &nats.Msg{Subject: stream.MessageSubject("a"), Data: []byte("x"), Header: nats.Header{"H": {"v"}}}))
	must[*jetstream.PubAck](t)(js.Publish(ctx, stream.MessageSubject("b"), nil))
	m := must[*jetstream.RawStreamMsg](t)(stream.Last(ctx, js.Conn(), stream.Messages, stream.MessageSubject("a")))
	if m.Sequence != ack.Sequence || string(m.Data) != "x" || m.Header.Get("H") != "v" {
		t.Errorf("%+v", m)
	}
	if m := must[*jetstream.RawStreamMsg](t)(stream.Last(ctx, js.Conn(), stream.Messages, stream.MessageSubject("*"))); m.Sequence != ack.Sequence+1 {
		t.Errorf("%+v", m)
	}
	js.Conn().Close()
	if _, err := stream.Last(ctx, js.Conn(), stream.Messages, ">"); err == nil {
		t.Error("an answer over a closed connection")
	}
}
