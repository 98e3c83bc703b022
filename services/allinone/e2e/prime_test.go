package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/natstest"
	known "github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// TestPrimeOrdersGoByTheRules: what the sender does not tell of Prime orders' labels is decided by what a comparison has
// taught of them and the account's rules, and only where those say nothing by a look at the order.
func TestPrimeOrdersGoByTheRules(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.configure(func(c *settings.Connection) {
		l := &c.Limits
		l.ReadRate, l.ReadBurst, l.SearchRate, l.SearchBurst = rate, rate, rate, rate
		l.ReconcileAfter = settings.Duration(time.Second)
		c.Accounts[0].Labels = settings.Labels{Version: 3, Rules: []settings.LabelRule{
			{ServiceLevel: "NEXT_DAY", Label: settings.LabelByAmazon}, {ServiceLevel: "STANDARD", Label: settings.LabelByOwn}}}
	})
	orders := []struct {
		level, program string
		label          bool // bought from Amazon, which has confirmed the order
		want           shipment.State
		kind           shipment.Kind
		asked          bool
	}{
		1: {"NEXT_DAY", "PRIME", false, shipment.NotRequired, "", false},
		2: {"STANDARD", "PRIME", false, shipment.Confirmed, "", false},
		3: {"SAME_DAY", "PRIME", true, shipment.Confirmed, shipment.Elsewhere, true},
		4: {"SAME_DAY", "PRIME", false, shipment.Confirmed, "", true},
		5: {"STANDARD", amazonsim.ProgramShipPlus, false, shipment.NotRequired, "", false},
		6: {"NEXT_DAY", "AMAZON_BUSINESS", false, shipment.Confirmed, "", false},
	}
	events := make([]event.Event, 0, len(orders))
	for n, o := range orders[1:] {
		id, item := shipped(n+1).Order, fmt.Sprintf("%014d", n+1)
		order := amazonsim.Order{ID: id, ServiceLevel: o.level, Programs: []string{o.program}, Items: []amazonsim.Item{{ID: item, Quantity: 1}}}
		if o.label {
			order.Packages = []amazonsim.Package{{Reference: "AMZL-7", Carrier: "Amazon Shipping", TrackingNumber: "DE1000000001"}}
		}
		if err := b.sim.AddOrders(order); err != nil {
			t.Fatal(err)
		}
		events = append(events, event.New(event.TypeShipped, uuid.NewString(), "/test", time.Now(), event.Shipped{Account: string(account), Order: id,
			ShippedAt: event.Time{Time: time.Now().Add(-time.Hour)}, Carrier: "DHL", Tracking: fmt.Sprintf("%020d", n+1), Items: []shipment.Item{{OrderItemID: item, Quantity: 1}}, Source: "service"}))
	}
	b.dispatch("one")
	book := must(known.Open(b.nc))(t)
	natstest.Until(t, time.Minute, "the orders are known", func() bool {
		s, err := book.Swept(t.Context(), connection)
		return err == nil && s.Finished && s.Open == 5
	})
	must(b.door.Submit(t.Context(), events))(t)
	b.until("all are taken in", func(count map[shipment.State]int) bool { return count[shipment.Pending] == len(events) })
	b.run()
	b.until("all are settled", func(count map[shipment.State]int) bool {
		return count[shipment.Confirmed] == 4 && count[shipment.NotRequired] == 2
	})
	calls := b.sim.Record()
	called := func(op string, n int) bool {
		return slices.ContainsFunc(calls, func(c amazonsim.Call) bool { return c.Operation == op && c.OrderID == shipped(n).Order })
	}
	for n, o := range orders {
		if n == 0 {
			continue
		}
		sent := o.want == shipment.Confirmed && o.kind == ""
		if s := b.state(n); s.State != o.want || s.Kind != o.kind || called(amazonsim.OpConfirmShipment, n) != sent || called(amazonsim.OpGetOrder, n) != o.asked {
			t.Errorf("order %d: %s %s, sent %v, read %v", n, s.State, s.Kind, called(amazonsim.OpConfirmShipment, n), called(amazonsim.OpGetOrder, n))
		}
	}
	last := must(b.ledger.Last(t.Context(), shipped(1)))(t)
	if !strings.Contains(last.Comment, "rule 1 of version 3") {
		t.Errorf("not required because %q", last.Comment)
	}
	own := last.After.Data
	own.LabelSource = shipment.LabelOwn
	b.append(shipped(1), shipment.Event{Type: shipment.Amended, Data: &own})
	b.run()
	b.until("the label was the seller's own after all", func(count map[shipment.State]int) bool { return count[shipment.Confirmed] == 5 })
}
