package intake

import (
	"context"
	"time"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Learn keeps news of orders.
type Learn func(ctx context.Context, news ...orders.Order) error

// tellers takes in the messages that tell of orders and returns the others. They need no order among themselves: of two
// that tell of one order the newer counts.
func (i *Intake) tellers(ctx context.Context, msgs []Message) ([]Message, error) {
	rest := msgs[:0:0]
	var news []orders.Order
	var parcels []*parcel
	for _, m := range msgs {
		if i.Learn == nil || !event.TellsOfOrders(m.Data()) {
			rest = append(rest, m)
			continue
		}
		told := event.DecodeKnown(m.Data())
		p := &parcel{Message: m, events: len(told)}
		p.open.Store(int32(len(told)))
		for n, d := range told {
			o, err := known(i.Settings(), d, m.Stored())
			if err != nil {
				r := reading{p: p, n: n, e: event.Event{ID: d.Event.ID, Source: d.Event.Source, Data: event.Shipped{Account: d.Event.Data.Account, Source: d.Event.Data.Source}}}
				if err := i.refuse(ctx, r, door.Problems(err)); err != nil {
					return nil, err
				}
				continue
			}
			news, parcels = append(news, o), append(parcels, p)
		}
	}
	for from := 0; from < len(news); from += batch / 2 {
		if err := i.Learn(ctx, news[from:min(from+batch/2, len(news))]...); err != nil {
			return nil, err
		}
	}
	for _, p := range parcels {
		if err := p.done(); err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// known is what a sender told of an order, which was so at the time of the event, or when it was stored.
func known(set settings.Set, d event.DecodedKnown, stored time.Time) (orders.Order, error) {
	if d.Err != nil {
		return orders.Order{}, d.Err
	}
	k := d.Event.Data
	c, a, ok := set.Account(shipment.AccountID(k.Account))
	if !ok {
		return orders.Order{}, fault.Field("account", "%q is not configured: see the list of accounts", k.Account)
	}
	if k.Connection != "" && k.Connection != string(c.ID) {
		return orders.Order{}, fault.Field("connection", "account %s belongs to connection %s, not %s", k.Account, c.ID, k.Connection)
	}
	o := orders.Order{Connection: c.ID, Account: a.ID, ID: k.Order, OwnNumber: k.OwnNumber, Status: orders.Status(k.Status), ServiceLevel: k.ServiceLevel,
		Programs: k.Programs, Source: k.Source, AsOf: d.Event.Time}
	if o.Status == "" {
		o.Status = orders.Unshipped
	}
	if o.AsOf.IsZero() || o.AsOf.After(stored) { // a sender's clock must not outrank what Amazon shows later
		o.AsOf = stored
	}
	if k.ShipBy != nil {
		o.ShipBy = k.ShipBy.In(a.Schedule.Location()).UTC()
	}
	for _, it := range k.Items {
		o.Items = append(o.Items, orders.Item{ID: it.OrderItemID, Ordered: it.Quantity, Unfulfilled: it.Quantity})
	}
	return o, nil
}
