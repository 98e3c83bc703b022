package intake

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

func told(id string, n int, more string) []byte {
	return fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"/erp","type":"fertig.order.known.v1","time":"2026-11-20T08:00:00Z","data":{"account":"DE","amazonOrderId":%q,"source":"service"%s}}`, id, order(n), more)
}

func TestOrdersThatSendersTellOf(t *testing.T) {
	b := newBench(t)
	var news []orders.Order
	var down error
	b.intake.Learn = func(_ context.Context, o ...orders.Order) error { news = append(news, o...); return down }
	b.must(
		told("1", 1, `,"ownNumber":"S1","shipBy":"2026-11-21","items":[{"orderItemId":"i","quantity":2}]`),
		report("fertig.order.shipped.v1", "2", 2),
		told("3", 3, `,"status":"OPEN"`),
		told("4", 4, `,"connection":"NA"`),
		[]byte("["+string(told("5", 5, ""))+","+string(told("6", 6, `,"status":"CANCELLED"`))+"]"))
	if len(news) != 3 || len(b.rejected) != 2 || len(b.types(2)) != 1 {
		t.Fatalf("%d orders, %d refused: %+v", len(news), len(b.rejected), b.rejected)
	}
	o := news[0]
	if items, whole := o.Whole(); o.ID != order(1) || o.Connection != "EU" || o.Account != "DE" || o.OwnNumber != "S1" || o.Status != orders.Unshipped || !whole || items[0].Quantity != 2 ||
		o.ShipBy.IsZero() || o.AsOf.After(now) {
		t.Errorf("%+v", o)
	}
	if news[2].Status != orders.Cancelled {
		t.Errorf("%+v", news[2])
	}
	down = errors.New("away")
	msgs, err := b.take(told("7", 7, ""))
	if err == nil || msgs[0].acked+msgs[0].later != 0 {
		t.Errorf("acknowledged although it was not kept: %v", err)
	}
}

// What a sender leaves out, and only that, comes from what is known of the order.
func TestShipByIsKnownWithoutTheSender(t *testing.T) {
	b := newBench(t)
	by := now.Add(30 * time.Hour)
	b.intake.ShipBy = func(_ context.Context, keys []shipment.Key) map[shipment.Key]time.Time {
		out := map[shipment.Key]time.Time{}
		for _, k := range keys {
			out[k] = by
		}
		return out
	}
	b.must(report("fertig.order.shipped.v1", "1", 1), report("fertig.order.amended.v1", "2", 2), report("fertig.order.shipped.v1", "3", 3))
	s := b.book.heads[key(1)].After
	if !s.Data.ShipBy.Equal(by) || s.Data.ShipByFrom != orders.FromAmazon || !s.Deadline().Equal(by) {
		t.Errorf("%+v", s.Data)
	}
	b.must(report("fertig.order.shipped.v1", "4", 1))
	if len(b.rejected) != 1 { // the amendment of what is not known
		t.Errorf("the same report again differs: %+v", b.rejected)
	}
}
