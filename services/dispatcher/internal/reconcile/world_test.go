package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a ledger, the knowledge of orders and an Amazon that keeps to its quotas, in memory and in virtual time. Its
// reading side lags behind. It is safe for concurrent use.
type world struct {
	conn         settings.Connection
	search, read *quota.Governor

	mu       sync.Mutex
	heads    map[shipment.Key]shipment.Entry
	findings int
	known    map[string]orders.Order
	sweeps   []orders.Sweep
	ran      time.Time

	amazon   map[string]plan.Order
	lag      time.Duration
	changed  map[string]time.Time // what is younger than lag is not shown yet
	before   map[string]plan.Order
	answer   func(what string) (known bool, err error) // default: known
	searches int
	reads    int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{heads: map[shipment.Key]shipment.Entry{}, known: map[string]orders.Order{}, amazon: map[string]plan.Order{}, lag: 2 * time.Minute,
		changed: map[string]time.Time{}, before: map[string]plan.Order{}, answer: func(string) (bool, error) { return true, nil }}
	w.conn = settings.Connection{ID: "EU", Accounts: []settings.Account{{ID: "DE", Marketplace: "M1"}, {ID: "FR", Marketplace: "M2"}}}.WithDefaults()
	for _, g := range []struct {
		to    **quota.Governor
		rate  float64
		burst int
	}{{&w.search, w.conn.Limits.SearchRate, w.conn.Limits.SearchBurst}, {&w.read, w.conn.Limits.ReadRate, w.conn.Limits.ReadBurst}} {
		var err error
		if *g.to, err = quota.New(quota.Config{Limits: quota.Limits{Rate: g.rate, Burst: g.burst}, StartEmpty: true}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// in runs a test in virtual time, with the reconciler at work once start was called.
func in(t *testing.T, test func(t *testing.T, w *world, start func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w, ended := newWorld(t), make(chan error, 1)
		started := false
		test(t, w, func() {
			started = true
			r := &Reconciler{Connection: "EU", Settings: func() settings.Connection { return w.conn }, Amazon: w, Ledger: w, Standing: w.standing, Knowledge: w, Log: w,
				Ran: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.ran }, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Actor: "test"}
			go func() { ended <- r.Run(ctx) }()
		})
		cancel()
		if started {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

func order(n int) string { return fmt.Sprintf("302-%07d-%07d", n, n) }

func key(n int) shipment.Key { return shipment.Key{Connection: "EU", Order: order(n), Package: "1"} }

// shipped puts a shipment into the ledger and its open order at Amazon, and lets more happen to it.
func (w *world) shipped(n int, events ...shipment.Event) {
	w.amazonHas(n, nil)
	all := append([]shipment.Event{{Type: shipment.Accepted, Key: key(n), Account: "DE", To: shipment.Pending,
		Data: &shipment.Data{ShippedAt: time.Now().Add(-time.Hour), Carrier: "DHL", Tracking: fmt.Sprint("T", n)}}}, events...)
	for _, ev := range all {
		ev.ID, ev.At = fmt.Sprint(n, ev.Type), time.Now()
		w.append(key(n), ev)
	}
}

// sent are the events of a confirmation that Amazon accepted.
func sent() []shipment.Event {
	a := &shipment.Attempt{ID: "a", Hash: "h", At: time.Now(), AnswerBy: time.Now().Add(time.Second)}
	return []shipment.Event{{Type: shipment.Attempted, Attempt: a}, {Type: shipment.Outcome, To: shipment.Confirmed, Attempt: a, Answer: &shipment.Answer{Status: 204}}}
}

func (w *world) append(k shipment.Key, ev shipment.Event) {
	if _, err := w.Change(context.Background(), k, func(shipment.Entry) (shipment.Event, error) { return ev, nil }); err != nil {
		panic(err)
	}
}

// amazonHas puts an order as it is from now on at Amazon: open, unless edit says otherwise.
func (w *world) amazonHas(n int, edit func(*plan.Order)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, there := w.amazon[order(n)]
	if w.before[order(n)] = o; !there {
		o = plan.Order{Found: true, ID: order(n), Marketplace: "M1", Status: "UNSHIPPED", FulfilledBy: "MERCHANT", Items: []plan.OrderItem{{ID: "i", Ordered: 1, Unfulfilled: 1}}}
	}
	if edit != nil {
		edit(&o)
	}
	o.LastUpdated = time.Now()
	w.amazon[order(n)], w.changed[order(n)] = o, time.Now()
}

func shippedThere(refs ...string) func(*plan.Order) {
	return func(o *plan.Order) {
		o.Status = "SHIPPED"
		for _, r := range refs {
			o.Packages = append(o.Packages, plan.Package{Reference: r})
		}
	}
}

func cancelledThere(o *plan.Order) { o.Status = "CANCELLED" }

// shows is an order as Amazon's reading side has it. mu is held.
func (w *world) shows(id string) plan.Order {
	if time.Since(w.changed[id]) < w.lag {
		return w.before[id]
	}
	return w.amazon[id]
}

func (w *world) Search(ctx context.Context, s Search) (Page, bool, error) {
	token, err := w.search.Wait(ctx)
	if err != nil {
		return Page{}, false, err
	}
	token.Use()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.searches++
	if known, err := w.answer("search"); err != nil || !known {
		return Page{}, known, err
	}
	from, _ := strconv.Atoi(s.Page)
	var p Page
	for i, id := range slices.Sorted(maps.Keys(w.amazon)) {
		o := w.shows(id)
		if i < from || !o.Found || !slices.Contains(s.Statuses, orders.Status(o.Status)) || o.LastUpdated.Before(s.UpdatedAfter) {
			continue
		}
		if len(p.Orders) == 100 {
			p.Next = strconv.Itoa(i)
			break
		}
		p.Orders = append(p.Orders, o)
	}
	return p, true, nil
}

func (w *world) Read(ctx context.Context, id string) (plan.Order, bool, error) {
	token, err := w.read.Wait(ctx)
	if err != nil {
		return plan.Order{}, false, err
	}
	token.Use()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	known, err := w.answer("read")
	return w.shows(id), known, err
}

func (w *world) Orders(_ context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[shipment.Key]shipment.Entry{}
	for _, k := range keys {
		k.Package = "1"
		if e, ok := w.heads[k]; ok {
			out[k] = e
		}
	}
	return out, nil
}

func (w *world) Change(_ context.Context, k shipment.Key, decide func(shipment.Entry) (shipment.Event, error)) (shipment.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ev, err := decide(w.heads[k])
	if err != nil || ev.Type == "" {
		return w.heads[k], err
	}
	e, err := shipment.Record(w.heads[k].After, ev)
	if err != nil {
		return e, err
	}
	if ev.Type == shipment.Found {
		w.findings++
		if e.After.Shown == nil || e.Comment == "" || e.After.Shown.Status == "" {
			return e, errors.New("a finding does not say what Amazon showed")
		}
	}
	w.heads[k] = e
	return e, nil
}

func (w *world) standing(_ context.Context, a shipment.AccountID, after string) (page []shipment.Shipment, next string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.heads {
		if s := e.After; s.Account == a && (s.State.Flagged() || s.State == shipment.Excluded) && s.Order > after {
			page = append(page, s)
		}
	}
	slices.SortFunc(page, func(x, y shipment.Shipment) int { return cmp.Compare(x.Order, y.Order) })
	if len(page) > 50 {
		page = page[:50]
		next = page[49].Order
	}
	return page, next, nil
}

func (w *world) Put(_ context.Context, news ...orders.Order) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range news {
		w.known[o.ID], _ = orders.Merge(w.known[o.ID], o)
	}
	return nil
}

func (w *world) EachOpen(_ context.Context, _ shipment.ConnectionID, visit func(orders.Order)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range w.known {
		if o.Status.Open() {
			visit(o)
		}
	}
	return nil
}

func (w *world) Swept(context.Context, shipment.ConnectionID) (orders.Sweep, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sweeps) == 0 {
		return orders.Sweep{}, nil
	}
	return w.sweeps[len(w.sweeps)-1], nil
}

func (w *world) Record(_ context.Context, s orders.Sweep) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweeps = append(w.sweeps, s)
	return nil
}

// run notes that a run has ended now.
func (w *world) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ran = time.Now()
}

// swept waits until the n-th sweep is finished and returns it.
func (w *world) swept(t *testing.T, n int) orders.Sweep {
	t.Helper()
	for range 100_000 {
		w.mu.Lock()
		done := slices.DeleteFunc(slices.Clone(w.sweeps), func(s orders.Sweep) bool { return !s.Finished })
		w.mu.Unlock()
		if len(done) >= n {
			return done[n-1]
		}
		time.Sleep(time.Second)
	}
	t.Fatalf("no sweep %d in more than a day", n)
	return orders.Sweep{}
}

func (w *world) state(n int) shipment.Shipment {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heads[key(n)].After
}
