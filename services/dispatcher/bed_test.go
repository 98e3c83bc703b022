package dispatcher

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

// bed is a whole Fertig without console and scheduler: real NATS, a Redis, dispatchers, and a scripted Amazon.
type bed struct {
	t      *testing.T
	nc     *nats.Conn
	js     jetstream.JetStream
	redis  redis.UniversalClient
	ledger *ledger.Ledger
	view   *view.View
	board  *job.Board
	door   *door.Door
	config *stream.Settings
	amazon *fakeAmazon
}

const conn = shipment.ConnectionID("EU")

func connection(url string) settings.Connection {
	return settings.Connection{
		ID: conn, Region: "eu", Mode: settings.ModeSimulator, Endpoint: url, TokenEndpoint: url + "/auth/o2/token",
		ClientID: "app", ClientSecret: "env:SECRET", RefreshToken: "env:REFRESH",
		Limits: settings.Limits{ConfirmRate: 500, ConfirmBurst: 100, RequestTimeout: settings.Duration(time.Second),
			DoubtAfter: settings.Duration(50 * time.Millisecond), DoubtAgain: settings.Duration(100 * time.Millisecond), BreakerPause: settings.Duration(300 * time.Millisecond)},
		Accounts: []settings.Account{
			{ID: "DE", Marketplace: "A1PA6795UKMFR9", Mapping: settings.Mapping{Rules: []settings.MapRule{{Carrier: "dhl*", CarrierCode: "DHL"}}}},
			{ID: "FR", Marketplace: "A13V1IB3VIYZZH"},
		},
	}.WithDefaults()
}

func newBed(t *testing.T, r redis.UniversalClient, edit ...func(*settings.Connection)) *bed {
	t.Helper()
	return newBedOn(t, natstest.Start(t), r, edit...)
}

func newBedOn(t *testing.T, s natstest.Any, r redis.UniversalClient, edit ...func(*settings.Connection)) *bed {
	t.Helper()
	b := &bed{t: t, redis: r, nc: s.Connect(t)}
	b.amazon = newFakeAmazon(t)
	ctx := t.Context()
	var err error
	check := func(e error) {
		t.Helper()
		if e != nil {
			t.Fatal(e)
		}
	}
	b.js, err = jetstream.New(b.nc)
	check(err)
	b.ledger, err = ledger.Open(ctx, b.nc)
	check(err)
	b.board, err = job.Open(b.nc)
	check(err)
	b.config, err = stream.OpenSettings(ctx, b.js)
	check(err)
	c := connection(b.amazon.url)
	for _, e := range edit {
		e(&c)
	}
	check(b.config.Seed(ctx, settings.Set{Connections: []settings.Connection{c}}))
	b.view = view.New(r, view.Options{})
	b.door, err = door.Open(b.nc, b.ledger, b.config, time.Now)
	check(err)
	return b
}

// dispatch starts a dispatcher and returns how to stop it.
func (b *bed) dispatch(edit ...func(*Config)) (stop func()) {
	b.t.Helper()
	cfg := Config{NATS: b.nc, Redis: b.redis, WarmQuota: true, LeaseTTL: 5 * time.Second, Logger: b.logger(),
		Secrets: func(ref string) (string, error) { return "secret-of-" + ref, nil }}
	for _, e := range edit {
		e(&cfg)
	}
	s, err := New(b.t.Context(), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

func (b *bed) logger() *slog.Logger {
	if os.Getenv("FERTIG_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// order is the n-th order id.
func order(n int) string { return fmt.Sprintf("302-%07d-%07d", n, n) }

func key(n int) shipment.Key { return shipment.Key{Connection: conn, Order: order(n), Package: "1"} }

// shipped is a sound report of the n-th order, which Amazon knows.
func (b *bed) shipped(n int, edit ...func(*event.Shipped)) event.Event {
	b.amazon.know(order(n), "UNSHIPPED")
	s := event.Shipped{Account: "DE", Order: order(n), Package: "1", ShippedAt: event.Time{Time: time.Now().Add(-time.Hour).Truncate(time.Second)},
		Carrier: "dhl paket", Tracking: fmt.Sprintf("0034043412345%07d", n), Items: []shipment.Item{{OrderItemID: "item-" + order(n), Quantity: 1}}, Source: "api"}
	for _, e := range edit {
		e(&s)
	}
	return event.New(event.TypeShipped, uuid.NewString(), "/test", time.Now(), s)
}

// report brings events through the door and waits until the ledger and the view have them.
func (b *bed) report(events ...event.Event) []door.Verdict {
	b.t.Helper()
	verdicts, err := b.door.Submit(b.t.Context(), events)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, v := range verdicts {
		if v.Result.Taken() && v.Result != door.Later {
			b.await("the report of "+v.Key.String(), func() bool { return b.last(v.Key).Seq > 0 })
		}
	}
	return verdicts
}

func (b *bed) last(k shipment.Key) shipment.Entry {
	b.t.Helper()
	e, err := b.ledger.Last(b.t.Context(), k)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// ask triggers a run and returns its id.
func (b *bed) ask(edit ...func(*job.Trigger)) string {
	b.t.Helper()
	t := job.Trigger{RunID: "run-" + uuid.NewString(), Connection: conn, Kind: job.Manual, Scope: job.All, Actor: "test", At: time.Now()}
	for _, e := range edit {
		e(&t)
	}
	if _, err := b.board.Ask(b.t.Context(), t); err != nil {
		b.t.Fatal(err)
	}
	return t.RunID
}

// finished waits for a run's end.
func (b *bed) finished(run string) job.Log {
	b.t.Helper()
	var l job.Log
	b.await("the end of "+run, func() bool {
		got, err := b.board.Last(b.t.Context(), conn, run)
		l = got
		return err == nil && l.Phase != job.Started
	})
	return l
}

func (b *bed) state(k shipment.Key, want shipment.State, kind shipment.Kind) shipment.Shipment {
	b.t.Helper()
	var s shipment.Shipment
	b.await(fmt.Sprintf("%s to become %s %s", k, want, kind), func() bool {
		s = b.last(k).After
		return s.State == want && s.Kind == kind
	})
	return s
}

// await polls a condition until it holds.
func (b *bed) await(what string, ok func() bool) {
	b.t.Helper()
	end := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			b.t.Fatalf("waited 30 s for %s", what)
		}
	}
}
