package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
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
	ahead   int    // the worker's; with it the wire is as narrow as the settings say

	confirm func(ctx context.Context, order string, n int) attempt.Answer // default: confirmed
	read    func(order string) (plan.Order, bool, error)                  // default: unshipped with one item
	known   Known                                                         // default: nothing is known
	ready   func() error
	letIn   bool                                          // what Amazon says to who asks whether it lets the connection in
	knocks  int                                           // how often it was asked
	permit  func(context.Context) (attempt.Permit, error) // instead of ready and confirm
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
