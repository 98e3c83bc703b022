package unshipped

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func order(n, hours int, s orders.Status) orders.Order {
	o := orders.Order{Connection: "EU", Account: "DE", ID: fmt.Sprintf("302-0000000-%07d", n), Status: s}
	if hours >= 0 {
		o.ShipBy = noon.Add(time.Duration(hours) * time.Hour)
	}
	return o
}

// pages reads the whole list in pages of a size.
func pages(t interface{ Fatal(...any) }, x *Orders, size int) (ids []string) {
	for after := ""; ; {
		n := 0
		if err := x.Each(after, func(o orders.Order, at string) bool {
			if n == size {
				return false
			}
			n++
			ids, after = append(ids, o.ID), at
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if n < size {
			return ids
		}
	}
}

// However orders come and go, the list has the open ones, nearest ship-by first, each once, in pages of any size.
func TestTheListIsWhatIsOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, want := New(), map[string]orders.Order{}
		for range rapid.IntRange(0, 60).Draw(t, "news") {
			o := order(rapid.IntRange(0, 20).Draw(t, "order"), rapid.IntRange(-1, 4).Draw(t, "ship-by"),
				rapid.SampledFrom([]orders.Status{orders.Unshipped, orders.PartiallyShipped, orders.Shipped, orders.Cancelled, orders.NotOpen}).Draw(t, "status"))
			if x.Put(o); o.Status.Open() {
				want[o.ID] = o
			} else {
				delete(want, o.ID)
			}
			if rapid.Bool().Draw(t, "look") {
				x.list()
			}
		}
		got := pages(t, x, rapid.IntRange(1, 5).Draw(t, "page"))
		if len(got) != len(want) {
			t.Fatalf("%v, want %d", got, len(want))
		}
		if !slices.IsSortedFunc(got, func(a, b string) int { return compare(want[a], want[b]) }) {
			t.Fatalf("not in order: %v", got)
		}
	})
}

func TestPlacesAreChecked(t *testing.T) {
	x := New()
	x.Put(order(1, 1, orders.Unshipped))
	for _, p := range []string{"x", "~~~", "soon~EU~302-1", "1~2"} {
		if err := x.Each(p, func(orders.Order, string) bool { return true }); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", p, err)
		}
	}
	gone := placeOf(order(0, 0, orders.Shipped)) // an order that is not there any more is a place all the same
	n := 0
	if err := x.Each(gone, func(orders.Order, string) bool { n++; return true }); err != nil || n != 1 {
		t.Errorf("%d orders, %v", n, err)
	}
}

// source tells two orders and a sweep, then waits; with an error it ends.
type source struct{ err error }

func (s source) Follow(ctx context.Context, _ shipment.ConnectionID, hear func(orders.Order)) error {
	hear(order(1, 1, orders.Unshipped))
	hear(order(2, 1, orders.Shipped))
	<-ctx.Done()
	return nil
}

func (s source) FollowSweeps(ctx context.Context, hear func(orders.Sweep)) error {
	hear(orders.Sweep{Connection: "EU", Finished: true, Pages: 1})
	hear(orders.Sweep{Connection: "EU", Pages: 2}) // the next one, under way
	if s.err != nil {
		return s.err
	}
	<-ctx.Done()
	return nil
}

func TestRunFollows(t *testing.T) {
	x := New()
	broken := errors.New("closed")
	if err := x.Run(t.Context(), source{broken}); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if got := x.Sweeps()["EU"]; !got.Finished || got.Pages != 1 {
		t.Errorf("sweep %+v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.Run(ctx, source{}); err != nil {
		t.Error(err)
	}
	if got := pages(t, x, 10); len(got) != 1 {
		t.Errorf("open: %v", got)
	}
}
