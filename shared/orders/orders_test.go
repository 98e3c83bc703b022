package orders_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func known(n int, edit ...func(*orders.Order)) orders.Order {
	o := orders.Order{Connection: "EU", Account: "DE", ID: fmt.Sprintf("302-%07d-0000001", n), OwnNumber: fmt.Sprint("S ", n), Status: orders.Unshipped,
		ShipBy: noon.Add(30 * time.Hour), Items: []orders.Item{{ID: "1", Ordered: 2, Unfulfilled: 2}}, Source: orders.FromAmazon, AsOf: noon}
	for _, e := range edit {
		e(&o)
	}
	return o
}

func at(t time.Time) func(*orders.Order)         { return func(o *orders.Order) { o.AsOf = t } }
func status(s orders.Status) func(*orders.Order) { return func(o *orders.Order) { o.Status = s } }
func without(o *orders.Order)                    { o.OwnNumber, o.Items, o.ShipBy = "", nil, time.Time{} }
func number(n string) func(*orders.Order)        { return func(o *orders.Order) { o.OwnNumber = n } }
func open(t *testing.T, s natstest.Any) *orders.Book {
	t.Helper()
	b, err := orders.Open(s.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMerge(t *testing.T) {
	later, earlier := noon.Add(time.Hour), noon.Add(-time.Hour)
	for _, row := range []struct {
		name    string
		was     orders.Order
		news    orders.Order
		want    orders.Order
		changed bool
	}{
		{"first", orders.Order{}, known(1), known(1), true},
		{"the same again", known(1), known(1, at(later)), known(1, at(later)), false},
		{"another state", known(1), known(1, at(later), status(orders.Shipped)), known(1, at(later), status(orders.Shipped)), true},
		{"an older state", known(1), known(1, at(earlier), status(orders.Pending)), known(1), false},
		{"an older one knows the number", known(1, without), known(1, at(earlier)), known(1), true},
		{"a newer one says less", known(1), known(1, at(later), without, status(orders.Cancelled)), known(1, at(later), status(orders.Cancelled)), true},
	} {
		got, changed := orders.Merge(row.was, row.news)
		if !reflect.DeepEqual(got, row.want) || changed != row.changed {
			t.Errorf("%s: %+v, changed %v", row.name, got, changed)
		}
	}
}

func TestBook(t *testing.T) {
	natstest.Each(t,
		natstest.Case{Name: "what is put is found", Run: put},
		natstest.Case{Name: "writers side by side lose nothing", Run: sideBySide},
		natstest.Case{Name: "sweeps", Run: sweeps})
}

func put(t *testing.T, s natstest.Any) {
	b, ctx := open(t, s), t.Context()
	many := make([]orders.Order, 1200)
	ids := []string{"302-9999999-0000001"}
	for i := range many {
		many[i] = known(i)
		ids = append(ids, many[i].ID)
	}
	if err := b.Put(ctx, many...); err != nil {
		t.Fatal(err)
	}
	natstest.Until(t, 20*time.Second, "all orders are found", func() bool {
		got, err := b.Get(ctx, "EU", ids...)
		return err == nil && len(got) == len(many) && reflect.DeepEqual(got[many[7].ID], many[7])
	})
	if other, err := b.Get(ctx, "NA", ids...); err != nil || len(other) != 0 {
		t.Errorf("another connection knows %d of them, %v", len(other), err)
	}
	if err := b.Put(ctx, known(2000, number("s  3"))); err != nil { // another order under the number of 3
		t.Fatal(err)
	}
	natstest.Until(t, 20*time.Second, "own numbers are found", func() bool {
		got, err := b.Find(ctx, "EU", " s 7", "S 3", "nobody's", "")
		return err == nil && reflect.DeepEqual(got, map[string][]string{" s 7": {many[7].ID}, "S 3": {many[3].ID, known(2000).ID}})
	})
	heard := make(chan orders.Order, 2000)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.Follow(ctx, "EU", func(o orders.Order) { heard <- o }) }()
	for range len(many) + 1 {
		<-heard
	}
	if err := b.Put(ctx, known(5, at(noon.Add(time.Hour)), status(orders.Shipped)), known(6, at(noon.Add(time.Hour)))); err != nil {
		t.Fatal(err)
	}
	if o := <-heard; o.ID != known(5).ID || o.Status != orders.Shipped || o.OwnNumber != "S 5" {
		t.Errorf("heard of %+v", o)
	}
	cancel()
	if err := <-ended; err != nil || len(heard) != 0 {
		t.Errorf("%d more heard, %v", len(heard), err)
	}
}

func sideBySide(t *testing.T, s natstest.Any) {
	const writers = 8
	var wg sync.WaitGroup
	for w := range writers {
		b := open(t, s)
		wg.Go(func() {
			for i := range 20 {
				o := known(i, at(noon.Add(time.Duration(w)*time.Minute)))
				if o.Packages = w; w > 0 {
					o.OwnNumber = ""
				}
				if err := b.Put(t.Context(), o); err != nil {
					t.Errorf("writer %d, order %d: %v", w, i, err)
				}
			}
		})
	}
	wg.Wait()
	b := open(t, s)
	natstest.Until(t, 20*time.Second, "the newest has won, with the number of the oldest", func() bool {
		for i := range 20 {
			got, err := b.Get(t.Context(), "EU", known(i).ID)
			if o := got[known(i).ID]; err != nil || o.Packages != writers-1 || !strings.HasPrefix(o.OwnNumber, "S ") {
				return false
			}
		}
		return true
	})
}

func sweeps(t *testing.T, s natstest.Any) {
	b, ctx := open(t, s), t.Context()
	if last, err := b.Swept(ctx, "EU"); err != nil || !last.StartedAt.IsZero() {
		t.Fatalf("%+v, %v", last, err)
	}
	sweep := orders.Sweep{Connection: "EU", StartedAt: noon, At: noon, Pages: 3}
	sweep.Note("DE", shipment.NoEffect)
	sweep.Note("DE", shipment.NoEffect)
	if err := b.Record(ctx, sweep); err != nil {
		t.Fatal(err)
	}
	if last, err := b.Swept(ctx, "EU"); err != nil || !reflect.DeepEqual(last, sweep) || last.Found["DE"][shipment.NoEffect] != 2 {
		t.Errorf("%+v, %v", last, err)
	}
}
