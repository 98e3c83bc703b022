package amazonsim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

func TestAutoCancelAfterSevenBusinessDays(t *testing.T) {
	o := twoOrders()[0]
	o.ShipBy.Latest = time.Date(2026, 11, 6, 22, 59, 59, 0, time.UTC) // a Friday
	b := newBench(t, amazonsim.Scenario{Orders: []amazonsim.Order{o}, AutoCancel: true})
	b.clock.at = time.Date(2026, 11, 17, 22, 59, 58, 0, time.UTC)
	if got, _ := b.sim.Order(orderA); got.Status != amazonsim.Unshipped {
		t.Fatalf("too early: %s", got.Status)
	}
	b.clock.at = b.clock.at.Add(time.Second)
	if got, _ := b.sim.Order(orderA); got.Status != amazonsim.Cancelled || got.CancelledBy != "AMAZON" {
		t.Fatalf("got %+v", got)
	}
}

// Whoever moves the clock from outside sees the cancellation everywhere: in a reading, in a search and in a refusal.
func TestAutoCancelWhenTheClockIsMoved(t *testing.T) {
	orders := twoOrders()
	orders[0].ShipBy.Latest = time.Date(2026, 11, 6, 22, 59, 59, 0, time.UTC) // a Friday
	b := newBench(t, amazonsim.Scenario{Orders: orders, AutoCancel: true, Quotas: wide()})
	if w := b.admin("POST", "/admin/clock", `{"advance":"374h"}`); w.Code != 200 || !strings.Contains(w.Body.String(), "2026-11-17T23:00:00Z") {
		t.Fatalf("clock: %d %s", w.Code, w.Body)
	}
	b.token = b.login()
	if w := b.do("GET", "/orders/2026-01-01/orders/"+orderA+"?includedData=FULFILLMENT,CANCELLATION", ""); !strings.Contains(w.Body.String(), `"CANCELLED"`) ||
		!strings.Contains(w.Body.String(), `"cancelledBy":"AMAZON"`) {
		t.Errorf("getOrder: %s", w.Body)
	}
	if p := b.find(200, "lastUpdatedAfter", "2026-11-17T00:00:00Z", "fulfillmentStatuses", "CANCELLED"); len(p.Orders) != 1 || p.Orders[0].OrderID != orderA {
		t.Errorf("searchOrders: %v", p.ids())
	}
	if got := refused(t, b.confirm(orderA, body(pack{}))); !strings.Contains(got.Message, "NonexistentOrderItem") {
		t.Errorf("confirmShipment: %+v", got)
	}
	if got := b.shown(orderB).Order.Fulfillment.FulfillmentStatus; got != "UNSHIPPED" { // it has no ship-by
		t.Errorf("the other order is %s", got)
	}
}
