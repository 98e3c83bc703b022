package stream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestEnsureFromTwoProcessesAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	s := natstest.StartIn(t, t.TempDir())
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i := range errs {
		js := open(t, s)
		wg.Go(func() {
			for range 3 {
				errs[i] = errors.Join(errs[i], stream.Ensure(bounded(t), js, stream.Options{ShippedBytes: 8 << 20}))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	js := open(t, s)
	for _, name := range []string{stream.Shipped, stream.Ledger, stream.Runs, stream.Invalid, stream.Messages, "KV_" + stream.LeaseBucket, "KV_" + stream.ConfigBucket} {
		if _, err := js.Stream(bounded(t), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnsureAfterSettingsChanged(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx, js := bounded(t), open(t, s)
	if _, err := js.Publish(ctx, stream.ShippedSubject("EU"), []byte("kept")); err != nil {
		t.Fatal(err)
	}
	ledger := must[jetstream.Stream](t)(js.Stream(ctx, stream.Ledger)).CachedInfo().Config
	ledger.MaxAge = time.Hour // somebody's mistake that would lose the ledger
	if _, err := js.UpdateStream(ctx, ledger); err != nil {
		t.Fatal(err)
	}
	if err := stream.Ensure(ctx, js, stream.Options{ShippedBytes: 16 << 20}); err != nil {
		t.Fatal(err)
	}
	shipped := must[jetstream.Stream](t)(js.Stream(ctx, stream.Shipped)).CachedInfo()
	if shipped.Config.MaxBytes != 16<<20 || shipped.State.Msgs != 1 {
		t.Errorf("inbox: %d bytes, %d messages", shipped.Config.MaxBytes, shipped.State.Msgs)
	}
	if age := must[jetstream.Stream](t)(js.Stream(ctx, stream.Ledger)).CachedInfo().Config.MaxAge; age != 0 {
		t.Errorf("the ledger still forgets after %s", age)
	}
}

// Thousands of connections follow their runs, also on streams that an earlier version has made, which left the number to the
// server.
func TestAThousandReadersAreNotTooMany(t *testing.T) {
	t.Parallel()
	js := open(t, natstest.StartIn(t, t.TempDir()))
	ctx := t.Context()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: stream.Runs, Subjects: []string{"fertig.run.>"}, AllowDirect: true, Duplicates: 2 * time.Minute, MaxAge: 90 * 24 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	for n := range 1200 {
		cfg := jetstream.ConsumerConfig{FilterSubject: stream.TriggerSubject(shipment.ConnectionID(fmt.Sprintf("C%04d", n)), "*"), MemoryStorage: true, InactiveThreshold: time.Minute}
		if _, err := js.CreateConsumer(ctx, stream.Runs, cfg); err != nil {
			t.Fatalf("reader %d: %v", n+1, err)
		}
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	k := shipment.Key{Connection: "EU", Order: "302-1234567-1234567", Package: "2"}
	if got, err := stream.ParseLedgerSubject(stream.LedgerSubject(k)); got != k || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "fertig.ledger.EU.302", "fertig.other.EU.302.1", "fertig.ledger.EU.302.1.2"} {
		if _, err := stream.ParseLedgerSubject(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestLostRace(t *testing.T) {
	t.Parallel()
	for code, want := range map[jetstream.ErrorCode]bool{10071: true, 10164: true, 10037: false} {
		if got := stream.LostRace(fmt.Errorf("publish: %w", &jetstream.APIError{ErrorCode: code})); got != want {
			t.Errorf("%d: %v", code, got)
		}
	}
	if stream.LostRace(nil) || stream.LostRace(context.DeadlineExceeded) {
		t.Error("no refusal, no lost race")
	}
}

func connection(id shipment.ConnectionID, account shipment.AccountID) settings.Connection {
	return settings.Connection{ID: id, Region: "eu", Mode: settings.ModeShadow, ClientID: "c", ClientSecret: "env:A", RefreshToken: "env:B",
		Accounts: []settings.Account{{ID: account, Marketplace: "A1PA6795UKMFR9"}}}
}

func running(t *testing.T, s *stream.Settings) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run ended with %v", err)
		}
	})
	<-s.Changed() // it has read what was there
}

func TestSettingsReachEverybody(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	a := must[*stream.Settings](t)(stream.OpenSettings(ctx, open(t, s)))
	b := must[*stream.Settings](t)(stream.OpenSettings(ctx, open(t, s)))
	running(t, b)
	if len(b.Current().Connections) != 0 {
		t.Fatal("settings out of nothing")
	}
	if err := a.Seed(ctx, settings.Set{Connections: []settings.Connection{connection("US", "COM"), connection("EU", "DE")}}); err != nil {
		t.Fatal(err)
	}
	got := a.Current().Connections
	if len(got) != 2 || got[0].ID != "EU" || got[0].Limits.InFlight != 32 {
		t.Fatalf("after seeding: %+v", got)
	}
	natstest.Until(t, 10*time.Second, "the other one has them", func() bool { return len(b.Current().Connections) == 2 })

	pause := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	err := a.Change(ctx, "EU", func(c *settings.Connection) error { c.Accounts[0].PausedUntil = pause; return nil })
	if err != nil {
		t.Fatal(err)
	}
	paused := func() bool { _, acc, _ := b.Current().Account("DE"); return acc.PausedUntil.Equal(pause) }
	natstest.Until(t, 10*time.Second, "the pause arrives", paused)

	s.Stop(t)
	s.Again(t)
	natstest.Until(t, 15*time.Second, "a change after a restart of the server", func() bool {
		edit := func(c *settings.Connection) error {
			c.Name = "Europe"
			c.Accounts[0].Mapping = settings.Mapping{Version: 1, Rules: []settings.MapRule{{Carrier: "Kurier", CarrierCode: "Other", CarrierName: "Kurier"}}}
			return nil
		}
		if err := a.Change(ctx, "EU", edit); err != nil {
			t.Log(err)
			return false
		}
		return true
	})
	natstest.Until(t, 15*time.Second, "the change arrives", func() bool { c, _ := b.Current().Connection("EU"); return c.Name == "Europe" })

	if err := a.Seed(ctx, settings.Set{Connections: []settings.Connection{connection("EU", "DE")}}); err != nil {
		t.Fatal(err)
	}
	c, _ := a.Current().Connection("EU")
	if c.Name != "EU" || !c.Accounts[0].PausedUntil.Equal(pause) {
		t.Errorf("the file wins but must not end a pause: %+v", c)
	}
	if len(c.Accounts[0].Mapping.Rules) != 1 {
		t.Error("the file took back a mapping made in the console")
	}
}

func TestChangeIsCompareAndSet(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := bounded(t)
	first := must[*stream.Settings](t)(stream.OpenSettings(ctx, open(t, s)))
	if err := first.Seed(ctx, settings.Set{Connections: []settings.Connection{connection("EU", "DE"), connection("US", "COM")}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const writers, each = 3, 5
	for w := range writers {
		mine := must[*stream.Settings](t)(stream.OpenSettings(ctx, open(t, s)))
		wg.Go(func() {
			for i := range each {
				for {
					err := mine.Change(ctx, "EU", func(c *settings.Connection) error {
						c.Accounts[0].Mapping.Rules = append(c.Accounts[0].Mapping.Rules, settings.MapRule{Carrier: fmt.Sprint(w, "-", i), CarrierCode: "X"})
						return nil
					})
					if fault.Is(err, fault.Conflict) {
						continue
					}
					if err != nil {
						t.Error(err)
					}
					break
				}
			}
		})
	}
	wg.Wait()
	last := must[*stream.Settings](t)(stream.OpenSettings(ctx, open(t, s)))
	_, acc, _ := last.Current().Account("DE")
	var names []string
	for _, r := range acc.Mapping.Rules {
		names = append(names, r.Carrier)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) != writers*each {
		t.Fatalf("%d of %d changes survived: %v", len(names), writers*each, names)
	}
	for _, c := range []struct {
		id   shipment.ConnectionID
		edit func(*settings.Connection) error
		kind fault.Kind
	}{
		{"XX", func(*settings.Connection) error { return nil }, fault.NotFound},
		{"EU", func(c *settings.Connection) error { c.Region = "moon"; return nil }, fault.Invalid},
		{"EU", func(c *settings.Connection) error { c.ID = "OTHER"; return nil }, fault.Invalid},
		{"EU", func(c *settings.Connection) error { c.Accounts[0].ID = "COM"; return nil }, fault.Invalid},
		{"EU", func(*settings.Connection) error { return fault.New(fault.Forbidden, "no") }, fault.Forbidden},
	} {
		if err := last.Change(ctx, c.id, c.edit); kind(err) != c.kind {
			t.Errorf("%s: %v, want %s", c.id, err, c.kind)
		}
	}
}

// kind is the kind of the first of joined errors.
func kind(err error) fault.Kind {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Kind
	}
	return fault.KindOf(err)
}

func TestSettingsSayWhenTheyAreNotRead(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	js := open(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	opened := must[*stream.Settings](t)(stream.OpenSettings(ctx, js))
	cancel()
	if got, err := stream.OpenSettings(ctx, js); got != nil || err == nil {
		t.Errorf("opened without reading: %v", err)
	}
	ended := make(chan error)
	go func() { ended <- opened.Run(bounded(t)) }()
	<-opened.Changed()
	js.Conn().Close()
	if err := <-ended; err == nil {
		t.Error("run went on over a closed connection")
	}
}
