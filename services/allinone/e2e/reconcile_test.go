package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/natstest"
	known "github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// shipped is the key of the n-th shipment of bed.ship.
func shipped(n int) shipment.Key {
	return shipment.Key{Connection: connection, Order: fmt.Sprintf("302-0000000-%07d", n), Package: "1"}
}

func (b *bed) append(k shipment.Key, ev shipment.Event) {
	b.t.Helper()
	_, err := b.ledger.Change(b.t.Context(), k, func(shipment.Entry) (shipment.Event, error) {
		ev.ID, ev.At, ev.Actor = uuid.NewString(), time.Now(), "clerk"
		return ev, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) state(n int) shipment.Shipment {
	b.t.Helper()
	return must(b.ledger.Last(b.t.Context(), shipped(n)))(b.t).After
}

// TestWhatAmazonShowsIsTrue: a run's confirmations are compared with what Amazon shows. What had no effect there is sent
// again; what others shipped there is not sent at all.
func TestWhatAmazonShowsIsTrue(t *testing.T) {
	const n = 150 // two pages of open orders before the run
	b := newBed(t, redistest.Mini(t))
	b.configure(func(c *settings.Connection) {
		l := &c.Limits
		l.ReadRate, l.ReadBurst, l.SearchRate, l.SearchBurst = rate, rate, rate, rate
		l.ReconcileAfter = settings.Duration(time.Second)
	})
	b.dispatch("one")
	b.ship(n)
	for _, k := range []int{6, 7} {
		if err := b.sim.Inject(amazonsim.Fault{Kind: amazonsim.FaultSilentDrop, OrderID: shipped(k).Order, Times: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []int{3, 4, 5} {
		b.append(shipped(k), shipment.Event{Type: shipment.Exclude, Comment: "by hand"})
	}
	if err := b.sim.ShipByHand(shipped(3).Order, "DHL", "by-hand"); err != nil {
		t.Fatal(err)
	}
	if err := b.sim.Cancel(shipped(5).Order, "BUYER"); err != nil {
		t.Fatal(err)
	}
	b.run()
	b.until("the run is done", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] >= n-3 })
	if err := b.sim.Cancel(shipped(7).Order, "AMAZON"); err != nil {
		t.Fatal(err)
	}
	for k, want := range map[int]shipment.Finding{3: shipment.ShippedThere, 4: shipment.StillOpen, 5: shipment.CancelledThere, 6: shipment.NoEffect, 7: shipment.OnItsWay} {
		natstest.Until(t, time.Minute, fmt.Sprintf("shipment %d is found: %s", k, want), func() bool {
			s := b.state(k)
			return s.Shown != nil && s.Shown.Finding == want
		})
	}
	b.until("nothing else is", func(c map[shipment.State]int) bool {
		return c[shipment.Confirmed] == n-3 && c[shipment.Excluded] == 1 && c[shipment.Closed] == 1 && c[shipment.Deferred] == 1
	})
	book := must(known.Open(b.nc))(t)
	natstest.Until(t, time.Minute, "the sweep is on record", func() bool {
		s, err := book.Swept(t.Context(), connection)
		return err == nil && s.Finished && s.Left == 0
	})
	b.run()
	b.until("what had no effect is confirmed again", func(c map[shipment.State]int) bool { return c[shipment.Deferred] == 0 })
	natstest.Until(t, time.Minute, "Amazon has it", func() bool {
		o, _ := b.sim.Order(shipped(6).Order)
		return o.Status == amazonsim.Shipped && len(o.Packages) == 1
	})
	books := audit.Books{Journal: b.journal, Calls: b.sim.Record(), Orders: b.sim.Orders()}
	if err := books.Read(t.Context(), b.js, b.ledger); err != nil {
		t.Fatal(err)
	}
	if got, why := audit.Settle(books); !got.Sound() {
		t.Errorf("accounts %+v\n%v", got, why)
	}
}

// TestWholeOrdersAreNotReadOneByOne: a sweep tells the items of open orders, so packages without items cost no reading of
// their own, and their ship-by is known.
func TestWholeOrdersAreNotReadOneByOne(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.configure(func(c *settings.Connection) {
		c.Limits.SearchRate, c.Limits.SearchBurst, c.Limits.ReconcileAfter = rate, rate, settings.Duration(time.Second)
	})
	const n = 120
	by := time.Now().Add(30 * time.Hour).UTC().Truncate(time.Second)
	for i := range n {
		if err := b.sim.AddOrders(amazonsim.Order{ID: shipped(i + 1).Order, Items: []amazonsim.Item{{ID: fmt.Sprintf("%014d", i+1), Quantity: 2}}, ShipBy: amazonsim.Window{Latest: by}}); err != nil {
			t.Fatal(err)
		}
	}
	b.dispatch("one")
	book := must(known.Open(b.nc))(t)
	natstest.Until(t, time.Minute, "the orders are known", func() bool {
		s, err := book.Swept(t.Context(), connection)
		return err == nil && s.Finished && s.Open == n
	})
	b.report(n)
	if got := b.state(5).Data; !got.ShipBy.Equal(by) {
		t.Errorf("ship-by %s, want %s", got.ShipBy, by)
	}
	b.run()
	b.until("all are confirmed", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] == n })
	for _, c := range b.sim.Record() {
		if c.Operation == amazonsim.OpGetOrder {
			t.Fatalf("order %s was read", c.OrderID)
		}
	}
	if o, _ := b.sim.Order(shipped(5).Order); o.Status != amazonsim.Shipped || o.Items[0].Fulfilled != 2 {
		t.Errorf("%+v", o)
	}
}
