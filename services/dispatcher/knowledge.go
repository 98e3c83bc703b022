package dispatcher

import (
	"context"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/intake"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// trusted is how old knowledge of an order may be for its items to be used without asking Amazon: a sweep is never much
// older than a day.
const trusted = 48 * time.Hour

// knowledge tells a run what the last sweep, or a sender, has told of orders.
type knowledge struct {
	book   *orders.Book
	ledger *ledger.Ledger
	now    func() time.Time
	log    *slog.Logger
}

func (n knowledge) order(ctx context.Context, k shipment.Key) orders.Order {
	got, err := n.book.Get(ctx, k.Connection, k.Order)
	if err != nil {
		n.log.Debug("order knowledge cannot be read, Amazon is asked instead", "order", k.Order, "error", err)
	}
	return got[k.Order]
}

// Items is run.Known's. An order of which another package is known has perhaps less left to ship than was known, so Amazon
// is asked about it.
func (n knowledge) Items(ctx context.Context, k shipment.Key, now time.Time) ([]shipment.Item, bool) {
	o := n.order(ctx, k)
	if o.Status != orders.Unshipped || now.Sub(o.AsOf) > trusted {
		return nil, false
	}
	items, whole := o.Whole()
	if !whole {
		return nil, false
	}
	packages, err := n.ledger.Orders(ctx, []shipment.Key{k})
	if err != nil {
		return nil, false
	}
	delete(packages, k)
	return items, len(packages) == 0
}

// Label is run.Known's. An order's programme and service level do not change, so what is known of them may be of any age.
func (n knowledge) Label(ctx context.Context, k shipment.Key) plan.About {
	if n.book.Empty(ctx, n.now()) {
		return plan.About{}
	}
	o := n.order(ctx, k)
	return plan.About{Known: o.ID != "" && (o.Source == orders.FromAmazon || len(o.Programs) > 0), Programs: o.Programs, ServiceLevel: o.ServiceLevel}
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
