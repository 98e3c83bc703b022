package door

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/carriers"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// What a door knows beforehand is told as a warning and never as an error: codes and forms are data that Amazon may change,
// and what is known of orders is as old as the last comparison with Amazon. Only Amazon decides.

// carrierWarnings says what Amazon would probably refuse about carrier and tracking number, as the account's mapping is now.
func carrierWarnings(d shipment.Data, a settings.Account) (w []Problem) {
	if d.Carrier == "" || d.Tracking == "" {
		return nil
	}
	m, _ := a.Mapping.Map(d.Carrier, d.Service, "")
	switch {
	case !carriers.Known(m.CarrierCode):
		w = append(w, Problem{"carrier", fmt.Sprintf("%q is not on the list of Amazon's carrier codes: map the carrier, unless you know that Amazon takes it", m.CarrierCode)})
	case !carriers.Fits(m.CarrierCode, d.Tracking):
		w = append(w, Problem{"trackingNumber", fmt.Sprintf("%q does not look like a number of %s: Amazon refuses numbers of another form", d.Tracking, m.CarrierCode)})
	}
	return w
}

// orderWarnings says in what a report differs from what is known of its order.
func orderWarnings(d shipment.Data, o orders.Order) (w []Problem) {
	asOf := "as of " + o.AsOf.UTC().Format(time.RFC3339)
	switch {
	case o.Status == orders.Cancelled:
		return []Problem{{"amazonOrderId", "the order is cancelled at Amazon " + asOf + ": stop the parcel if you can"}}
	case o.Status == orders.Shipped, o.Status == orders.NotOpen:
		return []Problem{{"amazonOrderId", "the order is no longer open at Amazon " + asOf + ": it may have been confirmed already"}}
	case o.Status.Waiting():
		w = append(w, Problem{"amazonOrderId", "Amazon has not confirmed the payment " + asOf + ": such orders must not be shipped yet"})
	}
	if len(o.Items) == 0 {
		return w
	}
	open := map[string]int{}
	for _, i := range o.Items {
		open[i.ID] = i.Unfulfilled
	}
	for n, it := range d.Items {
		left, there := open[it.OrderItemID]
		switch field := fmt.Sprintf("items[%d]", n); {
		case !there:
			w = append(w, Problem{field + ".orderItemId", fmt.Sprintf("%q is no item of the order %s", it.OrderItemID, asOf)})
		case it.Quantity > left:
			w = append(w, Problem{field + ".quantity", fmt.Sprintf("%d units are reported, %d were open at Amazon %s", it.Quantity, left, asOf)})
		}
	}
	return w
}

// knowledge is what a door knows of orders.
type knowledge struct {
	book *orders.Book

	mu    sync.Mutex
	swept map[shipment.ConnectionID]swept
}

// swept is when a connection was last compared with Amazon, as it was known a while ago.
type swept struct {
	sweep orders.Sweep
	read  time.Time
}

const (
	sweptFor  = time.Minute    // how long that is good
	recentFor = 36 * time.Hour // a comparison that is older says nothing about orders it did not show
)

// add adds to first reports what is known of their orders. Where that cannot be read, nothing is said.
func (k *knowledge) add(ctx context.Context, now time.Time, verdicts []Verdict, events []event.Event) {
	if k.book.Empty(ctx, now) {
		return
	}
	ids := map[shipment.ConnectionID][]string{}
	for _, v := range verdicts {
		if v.Result.First() {
			ids[v.Key.Connection] = append(ids[v.Key.Connection], v.Key.Order)
		}
	}
	for c, of := range ids {
		known, err := k.book.Get(ctx, c, of...)
		if err != nil {
			continue
		}
		last := k.last(ctx, c, now)
		for i := range verdicts {
			v := &verdicts[i]
			if !v.Result.First() || v.Key.Connection != c {
				continue
			}
			if o, there := known[v.Key.Order]; there {
				v.Warnings = append(v.Warnings, orderWarnings(shipment.Data{Items: events[i].Data.Items}, o)...)
			} else if last.Finished && now.Sub(last.StartedAt) < recentFor {
				v.Warnings = append(v.Warnings, Problem{"amazonOrderId", "Amazon did not show the order as open at " + last.StartedAt.UTC().Format(time.RFC3339) + ": check number and account, unless it is newer"})
			}
		}
	}
}

func (k *knowledge) last(ctx context.Context, c shipment.ConnectionID, now time.Time) orders.Sweep {
	k.mu.Lock()
	known, there := k.swept[c]
	k.mu.Unlock()
	if there && now.Sub(known.read) < sweptFor {
		return known.sweep
	}
	s, err := k.book.Swept(ctx, c)
	if err != nil {
		return orders.Sweep{}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.swept[c] = swept{s, now}
	return s
}
