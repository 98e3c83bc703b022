package amazonsim

import (
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/bucket"
)

func (w *world) addAccounts(accounts []Account) error {
	for _, a := range accounts {
		if a.Seller == "" || a.ClientID == "" || a.ClientSecret == "" || a.RefreshToken == "" {
			return fmt.Errorf("account %q: seller, clientId, clientSecret and refreshToken are needed", a.Seller)
		}
	}
	kept := make([]Account, 0, len(w.accounts)+len(accounts))
	for _, old := range w.accounts {
		replaced := false
		for _, a := range accounts {
			replaced = replaced || a.RefreshToken == old.RefreshToken
		}
		if !replaced {
			kept = append(kept, old)
		}
	}
	w.accounts = append(kept, accounts...)
	return nil
}

func (w *world) addOrders(orders []Order, now time.Time) error {
	ready := make([]Order, len(orders))
	for i, o := range orders {
		var err error
		if ready[i], err = o.prepared(w.accounts[0].Seller, now); err != nil {
			return fmt.Errorf("load order %d: %w", i+1, err)
		}
	}
	for _, o := range ready {
		if old, known := w.orders[o.ID]; known {
			for _, p := range old.Packages {
				w.forgetTracking(old, p)
			}
		} else {
			w.sequence = append(w.sequence, o.ID)
		}
		state := newOrderState(o, now)
		w.orders[o.ID] = state
		for _, p := range state.Packages {
			w.noteTracking(state, p)
		}
	}
	return nil
}

func (w *world) generate(g Generate, now time.Time) error {
	made, err := g.orders(now)
	if err != nil {
		return err
	}
	return w.addOrders(made, now)
}

func (w *world) settle(o *orderState, now time.Time) {
	before := len(o.Packages)
	o.settle(now, time.Duration(w.set.ReadDelay), w.set.AutoCancel)
	for _, p := range o.Packages[before:] {
		w.noteTracking(o, p)
	}
}

func trackingKey(seller, carrier, number string) string {
	return seller + "\x00" + carrier + "\x00" + number
}

func (w *world) noteTracking(o *orderState, p Package) {
	if p.TrackingNumber != "" {
		w.tracking[trackingKey(o.Seller, p.Carrier, p.TrackingNumber)] = o.ID
	}
}

func (w *world) forgetTracking(o *orderState, p Package) {
	key := trackingKey(o.Seller, p.Carrier, p.TrackingNumber)
	if w.tracking[key] == o.ID {
		delete(w.tracking, key)
	}
}

// quotas are the usage plans and the bucket of every seller, application and operation.
type quotas struct {
	plans   map[planKey]Quota
	buckets map[bucketKey]*bucket.Bucket
}

type planKey struct{ seller, operation string }

type bucketKey struct{ seller, client, operation string }

// newQuotas starts with the default plans of Amazon's Orders API models.
func newQuotas() *quotas {
	return &quotas{
		plans: map[planKey]Quota{
			{"", OpConfirmShipment}: {Operation: OpConfirmShipment, Rate: 2, Burst: 10},
			{"", OpGetOrder}:        {Operation: OpGetOrder, Rate: 0.5, Burst: 30},
			{"", OpSearchOrders}:    {Operation: OpSearchOrders, Rate: 0.0056, Burst: 20},
		},
		buckets: map[bucketKey]*bucket.Bucket{},
	}
}

func (q *quotas) set(plan Quota, now time.Time) error {
	if _, ok := q.plans[planKey{"", plan.Operation}]; !ok {
		return fmt.Errorf("quota.operation is %q: use confirmShipment, getOrder or searchOrders", plan.Operation)
	}
	if plan.Rate <= 0 || plan.Rate > 1e6 || plan.Burst < 1 || plan.Burst > 1e6 {
		return fmt.Errorf("quota %s: rate must lie above 0 and up to 1000000, burst in 1 to 1000000", plan.Operation)
	}
	q.plans[planKey{plan.Seller, plan.Operation}] = plan
	for key, b := range q.buckets {
		if key.operation == plan.Operation && (plan.Seller == "" || plan.Seller == key.seller) {
			current := q.plan(key.seller, key.operation)
			b.Set(current.Rate, current.Burst, now)
		}
	}
	return nil
}

func (q *quotas) plan(seller, operation string) Quota {
	if plan, ok := q.plans[planKey{seller, operation}]; ok {
		return plan
	}
	return q.plans[planKey{"", operation}]
}

func (q *quotas) bucket(seller, client, operation string, now time.Time) *bucket.Bucket {
	key := bucketKey{seller, client, operation}
	b, ok := q.buckets[key]
	if !ok {
		plan := q.plan(seller, operation)
		b = bucket.New(plan.Rate, plan.Burst, now)
		q.buckets[key] = b
	}
	return b
}
