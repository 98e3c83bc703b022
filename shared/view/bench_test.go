package view_test

import (
	"context"
	"strconv"
	"strings"
	"syscall"
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

// BenchmarkAttempts reports what the projection of an attempt costs in processor time, of this process and of Redis, when
// attempt and outcome arrive in the same batch and when they do not.
func BenchmarkAttempts(b *testing.B) {
	const shipments, batch = 4000, 500
	for name, apart := range map[string]bool{"together": false, "apart": true} {
		b.Run(name, func(b *testing.B) {
			bench(b, func(b *testing.B, c redis.UniversalClient) {
				ctx := context.Background()
				var own, theirs time.Duration
				n := 0
				for b.Loop() {
					b.StopTimer()
					must(c.FlushAll(ctx).Result())
					v := view.New(c, view.Options{})
					h := large(shipments)
					at := must(v.Rebuild(ctx, "e", noon, h.feed))
					batches := attempts(h, shipments, batch, apart)
					b.StartTimer()
					o, t := used(c)
					for _, entries := range batches {
						at = must(v.Apply(ctx, at, entries))
					}
					o2, t2 := used(c)
					own, theirs, n = own+o2-o, theirs+t2-t, n+shipments
				}
				b.ReportMetric(float64(own.Microseconds())/float64(n), "own-µs/attempt")
				b.ReportMetric(float64(theirs.Microseconds())/float64(n), "redis-µs/attempt")
			})
		})
	}
}

// attempts lets every shipment be attempted and confirmed and returns the entries in batches. Apart, the outcomes come one
// batch after their attempts.
func attempts(h *history, n, batch int, apart bool) [][]shipment.Entry {
	var out [][]shipment.Entry
	for from := 0; from < n; from += batch / 2 {
		var tried, done []shipment.Entry
		for i := from; i < min(n, from+batch/2); i++ {
			k := h.entries[i].After.Key
			h.now = h.now.Add(time.Millisecond)
			a := &shipment.Attempt{ID: "0190b1d2-7c9b-7000-8000-000000000001", Run: "run", Lease: 3, Transport: shipment.Confirm, At: h.now,
				AnswerBy: h.now.Add(12 * time.Second), Body: strings.Repeat("b", 400), Hash: strings.Repeat("0", 64)}
			e, _ := h.add(k, shipment.Event{Type: shipment.Attempted, Attempt: a})
			tried = append(tried, e)
			e, _ = h.add(k, shipment.Event{Type: shipment.Outcome, Attempt: e.After.Attempt, To: shipment.Confirmed,
				Answer: &shipment.Answer{At: h.now, Status: 204, RequestID: "0123456789abcdef", Rule: "ok"}})
			done = append(done, e)
		}
		if apart {
			out = append(out, tried, done)
		} else {
			out = append(out, append(tried, done...))
		}
	}
	// The sequences must rise as a ledger's do.
	seq := uint64(n)
	for _, entries := range out {
		for i := range entries {
			seq++
			entries[i].Seq = seq
		}
	}
	return out
}

// used is the processor time this process and a redis-server have used; miniredis is part of this process.
func used(c redis.UniversalClient) (own, redis time.Duration) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	own = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	for line := range strings.Lines(c.Info(context.Background(), "cpu").Val()) {
		for _, name := range []string{"used_cpu_sys:", "used_cpu_user:"} {
			if s, ok := strings.CutPrefix(strings.TrimSpace(line), name); ok {
				redis += time.Duration(must(strconv.ParseFloat(s, 64)) * float64(time.Second))
			}
		}
	}
	return own, redis
}
