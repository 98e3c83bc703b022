package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is everything a worker talks to, in memory: a ledger with compare-and-set, a view that is never behind, a board,
// an Amazon that answers as told. It is safe for concurrent use.
type world struct {
	mu      sync.Mutex
	seq     uint64
	heads   map[shipment.Key]shipment.Entry
	history []shipment.Entry
	down    error         // of the ledger
	downFor shipment.Type // only for these; "" for all
	asked   []job.Trigger
	logs    map[string]job.Log
	bell    chan struct{} // a trigger was asked for
	conn    settings.Connection
	leases  uint64
	begin   func() // starts the first worker

	confirm func(ctx context.Context, order string, n int) attempt.Answer // default: confirmed
	read    func(order string) (plan.Order, bool, error)                  // default: unshipped with one item
	ready   func() error
	sent    []string
	asks    []string
	flying  int
	most    int
}

func newWorld() *world {
	w := &world{heads: map[shipment.Key]shipment.Entry{}, logs: map[string]job.Log{}, bell: make(chan struct{}, 1)}
	w.conn = settings.Connection{ID: "EU", Mode: settings.ModeSimulator, Accounts: []settings.Account{{ID: "DE", Marketplace: "M1"}, {ID: "FR", Marketplace: "M2"}}}.WithDefaults()
	w.conn.Limits.InFlight = 1
	return w
}

func order(n int) string { return fmt.Sprintf("302-%07d-%07d", n, n) }

func key(n int) shipment.Key { return shipment.Key{Connection: "EU", Order: order(n), Package: "1"} }

// shipped puts shipments into the ledger, the n-th with the n-th nearest ship-by.
func (w *world) shipped(from, to int, edit ...func(*shipment.Event)) {
	for n := from; n < to; n++ {
		ev := shipment.Event{ID: newID(), Type: shipment.Accepted, At: time.Now(), Key: key(n), Account: "DE", To: shipment.Pending, Data: &shipment.Data{
			ShippedAt: time.Now().Add(-time.Hour), ShipBy: time.Now().Add(time.Duration(n) * time.Hour), Carrier: "DHL", Tracking: fmt.Sprint("T", n),
			Items: []shipment.Item{{OrderItemID: "i", Quantity: 1}}}}
		for _, e := range edit {
			e(&ev)
		}
		if _, err := w.Step(context.Background(), shipment.Entry{}, ev); err != nil {
			panic(err)
		}
	}
}

func (w *world) Step(_ context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down != nil && (w.downFor == "" || w.downFor == ev.Type) {
		return shipment.Entry{}, w.down
	}
	e, err := shipment.Record(last.After, ev)
	if err != nil {
		return shipment.Entry{}, err
	}
	if now := w.heads[e.After.Key]; now.Seq != last.Seq {
		return shipment.Entry{}, &ledger.LostRace{Current: now}
	}
	w.seq++
	e.Seq = w.seq
	w.heads[e.After.Key] = e
	w.history = append(w.history, e)
	return e, nil
}

// away is the error of reading. mu is held.
func (w *world) away() error {
	if w.downFor != "" {
		return nil
	}
	return w.down
}

// fail takes the ledger away, for some events only where named; nil brings it back.
func (w *world) fail(err error, only ...shipment.Type) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down, w.downFor = err, ""
	for _, t := range only {
		w.downFor = t
	}
}

func (w *world) Last(_ context.Context, k shipment.Key) (shipment.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.heads[k], w.away()
}

func (w *world) LastSeq(context.Context) (uint64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seq, w.away()
}

func (w *world) Change(ctx context.Context, k shipment.Key, decide func(shipment.Entry) (shipment.Event, error)) (shipment.Entry, error) {
	for {
		last, err := w.Last(ctx, k)
		if err != nil {
			return last, err
		}
		ev, err := decide(last)
		if err != nil || ev.Type == "" {
			return last, err
		}
		e, err := w.Step(ctx, last, ev)
		var lost *ledger.LostRace
		if !errors.As(err, &lost) {
			return e, err
		}
	}
}

// change appends an operator's event.
func (w *world) change(k shipment.Key, edit func(*shipment.Data), ev shipment.Event) {
	_, err := w.Change(context.Background(), k, func(last shipment.Entry) (shipment.Event, error) {
		if edit != nil {
			d := last.After.Data
			edit(&d)
			ev.Data = &d
		}
		ev.ID, ev.At = newID(), time.Now()
		return ev, nil
	})
	if err != nil {
		panic(err)
	}
}

func (w *world) state(n int) shipment.Shipment {
	e, _ := w.Last(context.Background(), key(n))
	return e.After
}

// in counts the shipments in a state.
func (w *world) in(s shipment.State) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.heads {
		if e.After.State == s {
			n++
		}
	}
	return n
}

func (w *world) WaitFor(context.Context, uint64) error { return nil }

type place struct {
	deadline time.Time
	key      string
}

func (w *world) Queue(_ context.Context, a shipment.AccountID, q shipment.Queue, after Place, limit int) ([]Item, Place, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, _ := after.(place)
	var out []Item
	for _, e := range w.heads {
		if e.After.Account == a && e.After.Queue() == q && (after == nil || compare(where(e), at) > 0) {
			out = append(out, Item{e.Seq, e.After})
		}
	}
	slices.SortFunc(out, func(x, y Item) int {
		return compare(place{x.Shipment.Deadline(), x.Shipment.Key.String()}, place{y.Shipment.Deadline(), y.Shipment.Key.String()})
	})
	if len(out) <= limit {
		return out, nil, nil
	}
	last := out[limit-1].Shipment
	return out[:limit], place{last.Deadline(), last.Key.String()}, nil
}

func where(e shipment.Entry) place { return place{e.After.Deadline(), e.After.Key.String()} }

func compare(x, y place) int {
	return cmp.Or(x.deadline.Compare(y.deadline), cmp.Compare(x.key, y.key))
}

func (w *world) QueueLen(ctx context.Context, a shipment.AccountID, q shipment.Queue) (int, error) {
	items, _, err := w.Queue(ctx, a, q, nil, 1<<30)
	return len(items), err
}

func (w *world) Get(_ context.Context, keys []shipment.Key) ([]Item, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Item
	for _, k := range keys {
		if e, ok := w.heads[k]; ok {
			out = append(out, Item{e.Seq, e.After})
		}
	}
	return out, nil
}

func (w *world) find(match func(shipment.Shipment) bool) (out []Item) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.heads {
		if match(e.After) {
			out = append(out, Item{e.Seq, e.After})
		}
	}
	slices.SortFunc(out, func(x, y Item) int { return cmp.Compare(x.Shipment.Order, y.Shipment.Order) })
	return out
}

func keysOf(items []Item) (out []shipment.Key) {
	for _, it := range items {
		out = append(out, it.Shipment.Key)
	}
	return out
}

func (w *world) Orphans(_ context.Context, _ shipment.ConnectionID, now time.Time, lease uint64) ([]shipment.Key, error) {
	return keysOf(w.find(func(s shipment.Shipment) bool {
		return s.State == shipment.Transmitting && (s.Attempt.Lease < lease || s.Attempt.AnswerBy.Before(now))
	})), nil
}

func (w *world) Doubts(context.Context, shipment.ConnectionID, int) ([]Item, error) {
	return w.find(func(s shipment.Shipment) bool { return s.State == shipment.Doubt && !s.Sendable() }), nil
}

func (w *world) Aged(_ context.Context, a shipment.AccountID, before time.Time, _ int) ([]shipment.Key, error) {
	return keysOf(w.find(func(s shipment.Shipment) bool {
		_, ages := s.AgesAt(1)
		return s.Account == a && ages && !s.Data.ShippedAt.After(before)
	})), nil
}

func (w *world) Triggers(ctx context.Context, _ shipment.ConnectionID, handle func(job.Trigger)) error {
	done := map[string]bool{}
	w.mu.Lock()
	for _, l := range w.logs {
		done[l.RunID] = l.Phase != job.Started
	}
	w.mu.Unlock()
	for n := 0; ; {
		w.mu.Lock()
		next := slices.Clone(w.asked[n:])
		w.mu.Unlock()
		n += len(next)
		for _, t := range next {
			if !done[t.RunID] {
				handle(t)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.bell:
		}
	}
}

func (w *world) ask(t job.Trigger) {
	if w.begin != nil {
		w.begin()
	}
	t.Connection, t.At = "EU", time.Now()
	w.mu.Lock()
	w.asked = append(w.asked, t)
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *world) Begin(_ context.Context, l job.Log) (job.Log, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.logs[l.RunID]; ok {
		return old, nil
	}
	w.logs[l.RunID] = l
	return l, nil
}

func (w *world) Write(_ context.Context, l job.Log) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[l.RunID] = l
	return nil
}

func (w *world) Recent(context.Context, shipment.ConnectionID, int) ([]job.Log, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []job.Log
	for _, l := range w.logs {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b job.Log) int { return b.At.Compare(a.At) })
	return out, nil
}

func (w *world) log(run string) job.Log {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs[run]
}

func (w *world) Ready(ctx context.Context) (attempt.Permit, error) {
	if w.ready != nil {
		if err := w.ready(); err != nil {
			return nil, err
		}
	}
	return permit{w}, ctx.Err()
}

func (w *world) Read(ctx context.Context, order string) (plan.Order, bool, error) {
	w.mu.Lock()
	w.asks = append(w.asks, order)
	w.mu.Unlock()
	if w.read != nil {
		return w.read(order)
	}
	return plan.Order{Found: true, Status: "UNSHIPPED", FulfilledBy: "MERCHANT", Items: []plan.OrderItem{{ID: "i", Ordered: 1, Unfulfilled: 1}}}, true, ctx.Err()
}

func (w *world) ETA(int) time.Duration { return 0 }

type permit struct{ w *world }

func (p permit) Cancel() {}

func (p permit) Confirm(ctx context.Context, order string, _ []byte) attempt.Answer {
	w := p.w
	w.mu.Lock()
	w.sent = append(w.sent, order)
	n := 0
	for _, s := range w.sent {
		if s == order {
			n++
		}
	}
	w.flying++
	w.most = max(w.most, w.flying)
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.flying--; w.mu.Unlock() }()
	if w.confirm == nil {
		return confirmed
	}
	return w.confirm(ctx, order, n)
}

func (w *world) posts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func says(rule string, status int) attempt.Answer {
	r, ok := outcome.Lookup(rule)
	if !ok {
		panic(rule)
	}
	return attempt.Answer{Sent: plan.Answered, Rule: r, Fingerprint: rule, Said: shipment.Answer{Status: status, At: time.Now()}}
}

var confirmed = says("confirmed", 204)

// grip is a lease that lasts.
type grip uint64

func (g grip) Token() uint64          { return uint64(g) }
func (grip) Remaining() time.Duration { return time.Minute }

// start lets a worker work under a new lease; stop ends it and returns what it ended with.
func (w *world) start() (stop func() error) {
	w.mu.Lock()
	w.leases++
	lease := grip(w.leases)
	w.mu.Unlock()
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("FERTIG_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	worker := &Worker{
		Connection: "EU", Settings: w.settings, Ledger: w, Queues: w, Upkeep: w, Board: w, Tell: func(job.Progress) error { return nil },
		Amazon: w, Lease: lease, Country: func(string) string { return "" }, Now: time.Now, Logger: log, Actor: "worker",
		Encode: func(c attempt.Confirmation) ([]byte, error) {
			return fmt.Append(nil, c.Tracking, c.Carrier, c.Items), nil
		},
		Attempts: &attempt.Attempter{Ledger: w, Lease: lease, Timeout: 10 * time.Second, Now: time.Now},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	return sync.OnceValue(func() error { cancel(); return <-done })
}

func (w *world) settings() settings.Connection {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}

func (w *world) configure(edit func(*settings.Connection)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.Accounts = slices.Clone(w.conn.Accounts)
	edit(&w.conn)
}

var errDown = fault.New(fault.Unavailable, "the store is away")

// until waits in virtual time for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Hour); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited ten hours for %s", what)
		}
	}
}

// finished waits for a run's end.
func (w *world) finished(t *testing.T, run string) job.Log {
	t.Helper()
	until(t, "the end of "+run, func() bool { l := w.log(run); return l.Phase == job.Finished || l.Phase == job.Joined })
	return w.log(run)
}

// readings counts the orders that were read.
func (w *world) readings() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asks)
}
