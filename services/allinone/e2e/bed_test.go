package e2e

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/dispatcher"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	connection = shipment.ConnectionID("EU")
	account    = shipment.AccountID("DE")
	rate       = 100 // confirmations a second, at the simulator and here alike
)

// bed is NATS, a Redis, the simulator and a door; dispatchers come and go.
type bed struct {
	t       *testing.T
	server  *natstest.Server
	nc      *nats.Conn
	js      jetstream.JetStream
	redis   redis.UniversalClient
	sim     *amazonsim.Simulator
	ledger  *ledger.Ledger
	board   *job.Board
	door    *door.Door
	journal []audit.Line
}

func newBed(t *testing.T, r redis.UniversalClient) *bed {
	t.Helper()
	b := &bed{t: t, server: natstest.Start(t), redis: r}
	b.nc = b.server.Connect(t)
	var err error
	b.js = must(jetstream.New(b.nc))(t)
	b.ledger = must(ledger.Open(t.Context(), b.nc))(t)
	b.board = must(job.Open(b.nc))(t)
	b.sim, err = amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{AnyTrackingForm: true, Quotas: []amazonsim.Quota{
		{Operation: amazonsim.OpConfirmShipment, Rate: rate, Burst: rate}, {Operation: amazonsim.OpGetOrder, Rate: rate, Burst: rate},
		{Operation: amazonsim.OpSearchOrders, Rate: rate, Burst: rate}}}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(b.sim)
	t.Cleanup(web.Close)
	store := must(stream.OpenSettings(t.Context(), b.js))(t)
	set := settings.Set{Connections: []settings.Connection{connectionTo(web.URL)}}
	if err := store.Seed(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	b.door = must(door.Open(b.nc, b.ledger, store, time.Now))(t)
	return b
}

func connectionTo(url string) settings.Connection {
	return settings.Connection{ID: connection, Region: "eu", Mode: settings.ModeSimulator, Endpoint: url, TokenEndpoint: url + "/auth/o2/token",
		ClientID: amazonsim.DefaultAccount().ClientID, ClientSecret: "env:SECRET", RefreshToken: "env:REFRESH",
		Limits: settings.Limits{ConfirmRate: rate, ConfirmBurst: rate, RequestTimeout: settings.Duration(2 * time.Second),
			DoubtAfter: settings.Duration(500 * time.Millisecond), DoubtAgain: settings.Duration(500 * time.Millisecond)},
		Accounts: []settings.Account{{ID: account, Marketplace: "A1PA6795UKMFR9"}}}.WithDefaults()
}

func secret(ref string) (string, error) {
	a := amazonsim.DefaultAccount()
	return map[string]string{"env:SECRET": a.ClientSecret, "env:REFRESH": a.RefreshToken}[ref], nil
}

// must makes a test fail on an error.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// configure changes the connection's settings.
func (b *bed) configure(change func(*settings.Connection)) {
	b.t.Helper()
	store := must(stream.OpenSettings(b.t.Context(), b.js))(b.t)
	if err := store.Change(b.t.Context(), connection, func(c *settings.Connection) error { change(c); return nil }); err != nil {
		b.t.Fatal(err)
	}
}

// dispatch starts a dispatcher with a connection of its own and returns how to stop it.
func (b *bed) dispatch(name string) (stop func()) {
	b.t.Helper()
	d := must(dispatcher.New(b.t.Context(), dispatcher.Config{NATS: b.server.Connect(b.t), Redis: b.redis, Secrets: secret, Name: name,
		LeaseTTL: 6 * time.Second, WarmQuota: true}))(b.t)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			b.t.Errorf("dispatcher %s: %v", name, err)
		}
	}
	b.t.Cleanup(stop)
	return stop
}

// ship gives Amazon n orders and reports them.
func (b *bed) ship(n int) {
	b.t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		id, item := fmt.Sprintf("302-0000000-%07d", i+1), fmt.Sprintf("%014d", i+1)
		if err := b.sim.AddOrders(amazonsim.Order{ID: id, Items: []amazonsim.Item{{ID: item, Quantity: 1}}}); err != nil {
			b.t.Fatal(err)
		}
		events[i] = event.New(event.TypeShipped, uuid.NewString(), "/test", time.Now(), event.Shipped{Account: string(account), Order: id,
			ShippedAt: event.Time{Time: time.Now().Add(-time.Hour)}, Carrier: "DHL", Tracking: fmt.Sprintf("%020d", i+1),
			Items: []shipment.Item{{OrderItemID: item, Quantity: 1}}, Label: shipment.LabelOwn, Source: "service"})
	}
	verdicts := must(b.door.Submit(b.t.Context(), events))(b.t)
	for i, v := range verdicts {
		b.journal = append(b.journal, audit.Line{Door: "service", Key: v.Key, EventID: door.EventID(events[i]), Told: v.Result})
	}
	b.until("all are taken in", func(count map[shipment.State]int) bool { return count[shipment.Pending] == n })
}

// report reports n orders that Amazon has, without their items.
func (b *bed) report(n int) {
	b.t.Helper()
	events := make([]event.Event, n)
	for i := range events {
		events[i] = event.New(event.TypeShipped, uuid.NewString(), "/test", time.Now(), event.Shipped{Account: string(account), Order: fmt.Sprintf("302-0000000-%07d", i+1),
			ShippedAt: event.Time{Time: time.Now().Add(-time.Hour)}, Carrier: "DHL", Tracking: fmt.Sprintf("%020d", i+1), Label: shipment.LabelOwn, Source: "service"})
	}
	must(b.door.Submit(b.t.Context(), events))(b.t)
	b.until("all are taken in", func(count map[shipment.State]int) bool { return count[shipment.Pending] == n })
}

// run asks for a run of everything.
func (b *bed) run() (id string) {
	b.t.Helper()
	id = uuid.NewString()
	if _, err := b.board.Ask(b.t.Context(), job.Trigger{RunID: id, Connection: connection, Kind: job.Manual, Scope: job.All, Actor: "test", At: time.Now()}); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// until polls the ledger until the states are as wanted.
func (b *bed) until(what string, good func(map[shipment.State]int) bool) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		count := map[shipment.State]int{}
		if _, err := b.ledger.Heads(ctx, connection, func(e shipment.Entry) error { count[e.After.State]++; return nil }); err != nil {
			b.t.Fatal(err)
		}
		if good(count) {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("not within a minute: %s: %v", what, count)
		case <-tick.C:
		}
	}
}

// judge does the accounts: everything confirmed, nothing lost, nothing twice.
func (b *bed) judge(n int) audit.Books {
	b.t.Helper()
	books := audit.Books{Journal: b.journal, Calls: b.sim.Record(), Orders: b.sim.Orders()}
	if err := books.Read(b.t.Context(), b.js, b.ledger); err != nil {
		b.t.Fatal(err)
	}
	got, why := audit.Settle(books)
	if !got.Sound() || got.Confirmed != n {
		b.t.Errorf("accounts %+v\n%v", got, why)
	}
	return books
}
