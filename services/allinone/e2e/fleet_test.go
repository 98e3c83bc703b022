package e2e

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

const (
	shops    = 5  // connections, each with a seller of its own
	perShop  = 80 // shipments of each
	shopRate = 10 // confirmations a second
	ttl      = 5 * time.Second
)

// fleet is NATS, a real Redis and the simulator in this process, and dispatchers that are processes of their own.
type fleet struct {
	t       *testing.T
	program string
	nats    string
	redis   string
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	sim     *amazonsim.Simulator
	ledger  *ledger.Ledger
	board   *job.Board
	journal []audit.Line
}

// build builds the dispatcher: what is tested is what is shipped.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "dispatcher")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/fertig-project/fertig/services/dispatcher/cmd/dispatcher").CombinedOutput()
	if err != nil {
		t.Fatalf("build the dispatcher: %v\n%s", err, out)
	}
	return program
}

func shop(i int) shipment.ConnectionID { return shipment.ConnectionID(fmt.Sprintf("SHOP%d", i)) }

func seller(i int) amazonsim.Account {
	a := amazonsim.DefaultAccount()
	a.Seller, a.RefreshToken = fmt.Sprintf("A%dSELLER", i), fmt.Sprintf("Atzr|seller-%d", i)
	return a
}

func newFleet(t *testing.T, program string) *fleet {
	t.Helper()
	server := natstest.Start(t)
	nc := server.Connect(t)
	f := &fleet{t: t, program: program, nats: server.ClientURL(), redis: redistest.Serve(t), js: must(jetstream.New(nc))(t)}
	f.kv = must(f.js.KeyValue(t.Context(), stream.LeaseBucket))(t)
	f.ledger = must(ledger.Open(t.Context(), nc))(t)
	f.board = must(job.Open(nc))(t)
	scenario := amazonsim.Scenario{AnyTrackingForm: true, Quotas: []amazonsim.Quota{
		{Operation: amazonsim.OpConfirmShipment, Rate: shopRate, Burst: 10}, {Operation: amazonsim.OpGetOrder, Rate: 100, Burst: 100}},
		Faults: []amazonsim.Fault{{Kind: amazonsim.FaultSlow, Operation: amazonsim.OpConfirmShipment, Delay: amazonsim.Duration(150 * time.Millisecond)}}}
	for i := range shops {
		scenario.Accounts = append(scenario.Accounts, seller(i))
		scenario.Generate = append(scenario.Generate, amazonsim.Generate{Count: perShop, Prefix: fmt.Sprint(301 + i), Seller: seller(i).Seller})
	}
	f.sim = must(amazonsim.New(amazonsim.Options{Scenario: scenario}))(t)
	web := httptest.NewServer(f.sim)
	t.Cleanup(web.Close)
	store := must(stream.OpenSettings(t.Context(), f.js))(t)
	var set settings.Set
	for i := range shops {
		c := connectionTo(web.URL)
		c.ID, c.RefreshToken, c.Accounts[0].ID = shop(i), fmt.Sprintf("env:REFRESH%d", i), shipment.AccountID(fmt.Sprintf("DE%d", i))
		c.Limits.ConfirmRate, c.Limits.ConfirmBurst, c.Limits.RequestTimeout = shopRate, 10, settings.Duration(time.Second)
		set.Connections = append(set.Connections, c)
	}
	if err := store.Seed(t.Context(), set); err != nil {
		t.Fatal(err)
	}
	f.ship(must(door.Open(nc, f.ledger, store, time.Now))(t))
	return f
}

// ship reports an order each of the simulator's.
func (f *fleet) ship(d *door.Door) {
	var events []event.Event
	for i, o := range f.sim.Orders() {
		s := event.Shipped{Account: fmt.Sprintf("DE%d", (int(o.ID[2] - '1'))), Order: o.ID, ShippedAt: event.Time{Time: time.Now().Add(-time.Hour)},
			Carrier: "DHL", Tracking: fmt.Sprintf("%020d", i+1), Items: []shipment.Item{{OrderItemID: o.Items[0].ID, Quantity: 1}},
			Label: shipment.LabelOwn, Source: "service"}
		events = append(events, event.New(event.TypeShipped, uuid.NewString(), "/test", time.Now(), s))
	}
	for i, v := range must(d.Submit(f.t.Context(), events))(f.t) {
		f.journal = append(f.journal, audit.Line{Door: "service", Key: v.Key, EventID: door.EventID(events[i]), Told: v.Result})
	}
}

// dispatch starts a dispatcher. It is killed when the test ends.
func (f *fleet) dispatch(name string) *exec.Cmd {
	f.t.Helper()
	cmd := exec.Command(f.program, "--nats", f.nats, "--redis", "redis://"+f.redis, "--name", name, "--lease-ttl", ttl.String(),
		"--health", "127.0.0.1:0", "--log-level", "error", "--log-format", "text")
	cmd.Env = append(os.Environ(), "SECRET="+amazonsim.DefaultAccount().ClientSecret)
	for i := range shops {
		cmd.Env = append(cmd.Env, fmt.Sprintf("REFRESH%d=%s", i, seller(i).RefreshToken))
	}
	if testing.Verbose() {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// holds returns what a dispatcher holds.
func (f *fleet) holds(name string) map[string]bool {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	w := must(f.kv.WatchAll(ctx))(f.t)
	defer func() { _ = w.Stop() }()
	out := map[string]bool{}
	for e := range w.Updates() {
		if e == nil {
			break
		}
		who, _, _ := strings.Cut(string(e.Value()), "\n")
		if e.Operation() == jetstream.KeyValuePut && who == name && (e.Key() == "projector" || strings.HasPrefix(e.Key(), "connection.")) {
			out[e.Key()] = true
		}
	}
	return out
}

// count counts the shipments in a state.
func (f *fleet) count(state shipment.State) (n int) {
	f.t.Helper()
	if _, err := f.ledger.Heads(f.t.Context(), "*", func(e shipment.Entry) error {
		if e.After.State == state {
			n++
		}
		return nil
	}); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// run asks for a run of every shop and returns when all are under way.
func (f *fleet) run() {
	f.t.Helper()
	f.until(30*time.Second, "everything is taken in", func() bool { return f.count(shipment.Pending) == shops*perShop })
	for i := range shops {
		if _, err := f.board.Ask(f.t.Context(), job.Trigger{RunID: "run-" + string(shop(i)), Connection: shop(i), Kind: job.Manual, Scope: job.All, Actor: "test", At: time.Now()}); err != nil {
			f.t.Fatal(err)
		}
	}
	f.until(30*time.Second, "every shop's run is under way", func() bool {
		calls := f.since(time.Time{})
		for i := range shops {
			if len(calls[seller(i).Seller]) < 12 {
				return false
			}
		}
		return true
	})
}

// since are the confirmations sent after a moment, by seller.
func (f *fleet) since(at time.Time) map[string][]amazonsim.Call {
	out := map[string][]amazonsim.Call{}
	for _, c := range f.sim.Record() {
		if c.Operation == amazonsim.OpConfirmShipment && c.Time.After(at) {
			out[c.Seller] = append(out[c.Seller], c)
		}
	}
	return out
}

func (f *fleet) until(most time.Duration, what string, ok func() bool) time.Duration {
	f.t.Helper()
	began := time.Now()
	natstest.Until(f.t, most, what, ok)
	return time.Since(began)
}

// resumed waits until every one of the shops has been sent something after a moment, and returns how long the slowest took.
func (f *fleet) resumed(names map[string]bool, at time.Time) (slowest time.Duration) {
	f.t.Helper()
	f.until(30*time.Second, fmt.Sprint("work goes on for ", names), func() bool {
		calls := f.since(at)
		slowest = 0
		for i := range shops {
			if !names["connection."+string(shop(i))] {
				continue
			}
			if len(calls[seller(i).Seller]) == 0 {
				return false
			}
			slowest = max(slowest, calls[seller(i).Seller][0].Time.Sub(at))
		}
		return true
	})
	return slowest
}

// settle waits until everything is confirmed and does the accounts. It returns how many requests were effective beyond one
// a shipment, and how many Amazon found too many.
func (f *fleet) settle() (extra, throttled int, books audit.Books) {
	f.t.Helper()
	again := time.Now()
	f.until(2*time.Minute, "everything is confirmed", func() bool {
		confirmed := f.count(shipment.Confirmed)
		if confirmed < shops*perShop && time.Since(again) > 15*time.Second { // a settled doubt waits for a run, as everything does
			again = time.Now()
			for i := range shops {
				_, _ = f.board.Ask(f.t.Context(), job.Trigger{RunID: uuid.NewString(), Connection: shop(i), Kind: job.Manual, Scope: job.All, Actor: "test", At: time.Now()})
			}
		}
		return confirmed == shops*perShop
	})
	books = audit.Books{Journal: f.journal, Calls: f.sim.Record(), Orders: f.sim.Orders()}
	if err := books.Read(f.t.Context(), f.js, f.ledger); err != nil {
		f.t.Fatal(err)
	}
	got, why := audit.Settle(books)
	if !got.Sound() || got.Confirmed != shops*perShop {
		f.t.Errorf("accounts %+v\n%v", got, why)
	}
	for _, c := range books.Calls {
		if c.Edit {
			extra++
		}
		if c.Status == 429 {
			throttled++
		}
	}
	return extra, throttled, books
}
