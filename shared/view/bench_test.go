package view_test

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

func bench(b *testing.B, run func(b *testing.B, c redis.UniversalClient)) {
	b.Run("miniredis", func(b *testing.B) { run(b, redistest.Mini(b)) })
	b.Run("redis-server", func(b *testing.B) { run(b, redistest.Real(b)) })
}

// large is a ledger of n open shipments with everything that is indexed.
func large(n int) *history {
	h := newHistory()
	for i := range n {
		k := key(i+1, 1)
		k.Connection = "C1"
		at := noon.Add(-time.Duration(i) * time.Second)
		h.add(k, shipment.Event{Type: shipment.Accepted, Key: k, Account: "A1", To: shipment.Pending, Data: &shipment.Data{
			ShippedAt: at, ShipBy: at.Add(24 * time.Hour), Carrier: "DHL", Tracking: "0034" + k.Order, Reference: "R" + k.Order}})
	}
	return h
}

// BenchmarkRebuild reports the time to rebuild a view of 100 000 open shipments.
func BenchmarkRebuild(b *testing.B) {
	h := large(100_000)
	bench(b, func(b *testing.B, c redis.UniversalClient) {
		for b.Loop() {
			must(view.New(c, view.Options{}).Rebuild(context.Background(), "e", noon, h.feed))
		}
	})
}

// BenchmarkApply reports the time per batch of 100 entries on a view of 10 000.
func BenchmarkApply(b *testing.B) {
	bench(b, func(b *testing.B, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := large(10_000)
		at := must(v.Rebuild(ctx, "e", noon, h.feed))
		for b.Loop() {
			from := len(h.entries)
			for _, e := range h.entries[:100] {
				what := shipment.Exclude
				if h.heads[e.After.Key].After.State == shipment.Excluded {
					what = shipment.Include
				}
				h.add(e.After.Key, shipment.Event{Type: what})
			}
			at = must(v.Apply(ctx, at, h.entries[from:]))
		}
	})
}

// BenchmarkQueue reports the time per page of 200 in the middle of a queue of 10 000.
func BenchmarkQueue(b *testing.B) {
	bench(b, func(b *testing.B, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		must(v.Rebuild(ctx, "e", noon, large(10_000).feed))
		_, pos, err := v.Queue(ctx, "A1", shipment.New, view.Pos{}, 1000)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if items, _, err := v.Queue(ctx, "A1", shipment.New, pos, 200); err != nil || len(items) != 200 {
				b.Fatal(len(items), err)
			}
		}
	})
}
