package dispatcher

import (
	"context"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/intake"
	"github.com/fertig-project/fertig/services/dispatcher/internal/run"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// trusted is how old knowledge of an order may be for its items to be used without asking Amazon: a sweep is never much
// older than a day.
const trusted = 48 * time.Hour

// known tells the items of whole orders from what the last sweep, or a sender, has told of them. An order of which another
// package is known has perhaps less left to ship than was known, so Amazon is asked about it.
func known(book *orders.Book, l *ledger.Ledger, log *slog.Logger) run.Known {
	return func(ctx context.Context, k shipment.Key, now time.Time) ([]shipment.Item, bool) {
		got, err := book.Get(ctx, k.Connection, k.Order)
		o := got[k.Order]
		if err != nil {
			log.Debug("order knowledge cannot be read, Amazon is asked instead", "order", k.Order, "error", err)
			return nil, false
		}
		if o.Status != orders.Unshipped || now.Sub(o.AsOf) > trusted {
			return nil, false
		}
		items, whole := o.Whole()
		if !whole {
			return nil, false
		}
		packages, err := l.Orders(ctx, []shipment.Key{k})
		if err != nil {
			return nil, false
		}
		delete(packages, k)
		return items, len(packages) == 0
	}
}

// deadlines tells ship-by dates from what is known of orders. A report is taken in without, if that cannot be read.
func deadlines(book *orders.Book, now func() time.Time, log *slog.Logger) intake.Deadlines {
	return func(ctx context.Context, keys []shipment.Key) map[shipment.Key]time.Time {
		if book.Empty(ctx, now()) {
			return nil
		}
		ids := map[shipment.ConnectionID][]string{}
		for _, k := range keys {
			ids[k.Connection] = append(ids[k.Connection], k.Order)
		}
		out := map[shipment.Key]time.Time{}
		for c, of := range ids {
			got, err := book.Get(ctx, c, of...)
			if err != nil {
				log.Warn("shipments are taken in without their ship-by: what is known of orders cannot be read", "error", err)
				return out
			}
			for id, o := range got {
				out[shipment.Key{Connection: c, Order: id}] = o.ShipBy
			}
		}
		return out
	}
}
