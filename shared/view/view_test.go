package view_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

func TestMain(m *testing.M) {
	// Every history is checked with hundreds of queries; the command line may ask for more of them.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// shipments are the heads of a history, without request bodies and without what the view does not show any more.
func (h *history) shipments(keep time.Duration) []shipment.Shipment {
	var out []shipment.Shipment
	for _, e := range h.heads {
		if e.After.State.Final() && e.After.Since.Before(h.now.Add(-keep)) {
			continue
		}
		out = append(out, e.After)
	}
	return out
}

func empty(visit func(shipment.Entry) error) (uint64, error) { return 0, nil }

// TestViewEqualsLedger is the promise of the package: whatever happens, in whatever portions it arrives, however often
// some of it is delivered again and whether it was rebuilt on the way, the view is the fold of the ledger.
func TestViewEqualsLedger(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		const keep = 20 * time.Minute
		rapid.Check(t, func(t *rapid.T) {
			must(c.FlushAll(ctx).Result())
			v := view.New(c, view.Options{Retention: keep})
			h := newHistory()
			at := must(v.Rebuild(ctx, "epoch", h.now, empty))
			for range rapid.IntRange(1, 4).Draw(t, "rounds") {
				grow(t, h, rapid.IntRange(0, 40).Draw(t, "events"))
				if rapid.IntRange(0, 4).Draw(t, "rebuild") == 0 {
					at = must(v.Rebuild(ctx, "epoch", h.now, h.feed))
				}
				for at.Seq < uint64(len(h.entries)) {
					from := rapid.IntRange(0, int(at.Seq)).Draw(t, "from") // some of it was delivered before
					to := rapid.IntRange(int(at.Seq), len(h.entries)).Draw(t, "to")
					at = must(v.Apply(ctx, at, h.entries[from:to]))
				}
				if rapid.Bool().Draw(t, "sweep") {
					must(v.Sweep(ctx, h.now))
				}
			}
			if got := must(v.Position(ctx)); got != at {
				t.Fatalf("position %v, want %v", got, at)
			}
			must(v.Sweep(ctx, h.now))
			same(t, v, h.shipments(keep), rapid.SampledFrom([]int{1, 3, 20}).Draw(t, "page"))
			applied := dump(t, c, v)

			must(v.Rebuild(ctx, "epoch", h.now, h.feed))
			sameDump(t, "applied against rebuilt", dump(t, c, v), applied)
			if n := images(c); len(n) > 1 {
				t.Fatalf("images %v are left, want one", n)
			}
		})
	})
}

func images(c redis.UniversalClient) []string {
	seen := map[string]bool{}
	for _, k := range must(c.Keys(context.Background(), "*").Result()) {
		name, _, ok := strings.Cut(strings.TrimPrefix(k, "fertig:{view}:"), ":")
		if ok {
			seen[name] = true
		}
	}
	return slices.Collect(maps.Keys(seen))
}

// some is a ledger with n pending shipments.
func some(n int) *history {
	h := newHistory()
	for i := range n {
		k := key(i+1, 1)
		h.add(k, accept(k, shipment.Data{ShippedAt: noon.Add(-time.Hour)}))
	}
	return h
}

func TestItemLeavesTheBodyOut(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(1)
		h.add(key(1, 1), shipment.Event{Type: shipment.Attempted, Attempt: &shipment.Attempt{ID: "a", Hash: "h", Body: "large", AnswerBy: noon}})
		must(v.Rebuild(ctx, "e", noon, h.feed))
		got := must(v.Get(ctx, key(9, 9), key(1, 1)))
		if len(got) != 1 || got[0].Seq != 2 || got[0].Shipment.Attempt.Body != "" || got[0].Shipment.Attempt.Hash != "h" {
			t.Fatalf("got %+v", got)
		}
		if h.heads[key(1, 1)].After.Attempt.Body != "large" {
			t.Fatal("the caller's entry was changed")
		}
	})
}

func TestApplyNeedsItsStartingPoint(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(6)
		if _, err := v.Apply(ctx, view.Cursor{}, h.entries); !errors.Is(err, view.ErrMoved) {
			t.Fatalf("no image: %v", err)
		}
		start := must(v.Rebuild(ctx, "e", noon, empty))
		two := must(v.Apply(ctx, start, h.entries[:2]))

		for what, from := range map[string]view.Cursor{
			"behind":        start,
			"ahead":         {Epoch: "e", Seq: 3, Prefix: two.Prefix},
			"other epoch":   {Epoch: "f", Seq: 2, Prefix: two.Prefix},
			"another image": {Epoch: "e", Seq: 2, Prefix: "x"},
		} {
			if _, err := v.Apply(ctx, from, h.entries); !errors.Is(err, view.ErrMoved) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := must(v.QueueLen(ctx, account(key(1, 1)), shipment.New)); n != 1 {
			t.Fatalf("refused batches changed the view: %d", n)
		}

		restore := snapshot(c)
		five := must(v.Apply(ctx, two, h.entries[2:5]))
		must(c.FlushAll(ctx).Result())
		if _, err := v.Apply(ctx, five, h.entries[5:]); !errors.Is(err, view.ErrMoved) {
			t.Fatalf("wiped: %v", err)
		}
		if at := must(v.Position(ctx)); !at.IsZero() {
			t.Fatalf("wiped: position %v", at)
		}
		if _, err := v.Counts(ctx); !fault.Is(err, fault.Unavailable) {
			t.Fatalf("query without an image: %v", err)
		}
		restore()
		if _, err := v.Apply(ctx, five, h.entries[5:]); !errors.Is(err, view.ErrMoved) {
			t.Fatalf("rolled back: %v", err)
		}
		at := must(v.Position(ctx))
		if at != two {
			t.Fatalf("rolled back: position %v, want %v", at, two)
		}
		must(v.Apply(ctx, at, h.entries[2:]))
		same(t, v, h.shipments(time.Hour), 20)
	})
}

// snapshot remembers what the store holds, as a backup or a stale replica would. miniredis cannot dump hashes.
func snapshot(c redis.UniversalClient) (restore func()) {
	ctx := context.Background()
	hashes, sets := map[string]map[string]string{}, map[string][]redis.Z{}
	for _, k := range must(c.Keys(ctx, "*").Result()) {
		if must(c.Type(ctx, k).Result()) == "hash" {
			hashes[k] = must(c.HGetAll(ctx, k).Result())
		} else {
			sets[k] = must(c.ZRangeWithScores(ctx, k, 0, -1).Result())
		}
	}
	return func() {
		for k, h := range hashes {
			must(c.HSet(ctx, k, h).Result())
		}
		for k, z := range sets {
			must(c.ZAdd(ctx, k, z...).Result())
		}
	}
}

func TestOfTwoProjectorsOneApplies(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(40)
		at := must(v.Rebuild(ctx, "e", noon, empty))
		for i := range h.entries {
			type answer struct {
				at  view.Cursor
				err error
			}
			answers := make(chan answer, 3)
			for range 3 {
				go func() {
					to, err := v.Apply(ctx, at, h.entries[i:i+1])
					answers <- answer{to, err}
				}()
			}
			won := 0
			next := at
			for range 3 {
				if a := <-answers; a.err == nil {
					won, next = won+1, a.at
				} else if !errors.Is(a.err, view.ErrMoved) {
					t.Fatal(a.err)
				}
			}
			if won != 1 {
				t.Fatalf("%d of 3 applied entry %d", won, i+1)
			}
			at = next
		}
		same(t, v, h.shipments(time.Hour), 20)
	})
}

// TestPagingSurvivesLeaving: while a run pages through a queue, what it attempts leaves it; with all deadlines equal.
func TestPagingSurvivesLeaving(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		for _, leave := range []int{0, 1, 2, 3} { // of every three
			v := view.New(c, view.Options{})
			h := newHistory()
			for i := range 900 {
				k := shipment.Key{Connection: "C1", Order: "302-0000001-0000001", Package: fmt.Sprint(i + 1)}
				h.add(k, accept(k, shipment.Data{ShippedAt: noon}))
			}
			at := must(v.Rebuild(ctx, "e", noon, h.feed))
			a := account(key(1, 1))
			var got []string
			var pos view.Pos
			for {
				items, next, err := v.Queue(ctx, a, shipment.New, pos, 70)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, keys(items)...)
				n := len(h.entries)
				for i, it := range items {
					if i%3 < leave {
						h.add(it.Shipment.Key, shipment.Event{Type: shipment.Exclude})
					}
				}
				at = must(v.Apply(ctx, at, h.entries[n:]))
				if pos = next; pos.IsZero() {
					break
				}
			}
			if len(got) != 900 || !slices.IsSorted(got) {
				t.Fatalf("%d of every three leave: %d shipments seen, in order: %t", leave, len(got), slices.IsSorted(got))
			}
		}
	})
}

func TestWaitFor(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(2)
		short, cancel := context.WithCancel(ctx)
		cancel()
		if err := v.WaitFor(short, 1); !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Fatalf("nothing there: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- v.WaitFor(ctx, 2) }()
		at := must(v.Rebuild(ctx, "e", noon, empty))
		if lag := must(v.Lag(ctx, 2)); lag != 2 {
			t.Fatalf("lag %d", lag)
		}
		must(v.Apply(ctx, at, h.entries))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if lag := must(v.Lag(ctx, 1)); lag != 0 {
			t.Fatalf("lag %d", lag)
		}
	})
}

func TestCheck(t *testing.T) {
	ctx := context.Background()
	if w, err := view.New(redistest.Mini(t), view.Options{}).Check(ctx); err != nil || len(w) != 0 {
		t.Fatalf("miniredis: %v, %v", w, err)
	}
	c := redistest.Real(t)
	v := view.New(c, view.Options{})
	if w, err := v.Check(ctx); err != nil || len(w) != 0 {
		t.Fatalf("as installed: %v, %v", w, err)
	}
	must(c.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru").Result())
	if w, err := v.Check(ctx); err != nil || len(w) != 1 {
		t.Fatalf("evicting without a limit: %v, %v", w, err)
	}
	must(c.ConfigSet(ctx, "maxmemory", "100mb").Result())
	if _, err := v.Check(ctx); !fault.Is(err, fault.Invalid) {
		t.Fatalf("evicting: %v", err)
	}
}

func TestListRefusesNonsense(t *testing.T) {
	v := view.New(redistest.Mini(t), view.Options{})
	for field, f := range map[string]view.Filter{"sort": {Sort: "name"}, "after": {After: "x"}} {
		_, err := v.List(context.Background(), f)
		var e *fault.Error
		if !errors.As(err, &e) || e.Field != field || e.Kind != fault.Invalid {
			t.Errorf("%s: %v", field, err)
		}
	}
}
