package amazonsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fertig-project/fertig/services/amazonsim"
	"pgregory.net/rapid"
)

// Whatever is sent: no line is filled beyond what was ordered, the status follows from the units, and the
// record accounts for every package and every edit.
func TestOrdersAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), Quotas: wide(), EditCap: 3,
			Faults: []amazonsim.Fault{{Kind: amazonsim.FaultErrorAfter, Share: 0.2}, {Kind: amazonsim.FaultSilentDrop, Share: 0.1}}})
		for range rapid.IntRange(1, 25).Draw(rt, "calls") {
			item := rapid.SampledFrom([]string{itemA, itemB, "99999999999999"}).Draw(rt, "item")
			b.confirm(orderA, body(pack{
				ref:      fmt.Sprint(rapid.IntRange(0, 4).Draw(rt, "ref")),
				tracking: fmt.Sprint(rapid.IntRange(1, 3).Draw(rt, "tracking")),
				items:    units(item, rapid.IntRange(0, 3).Draw(rt, "units")),
			}))
		}
		o, _ := b.sim.Order(orderA)
		inPackages, edits := map[string]int{}, 0
		for _, p := range o.Packages {
			edits += p.Edits
			for _, i := range p.Items {
				inPackages[i.ItemID] += i.Quantity
			}
		}
		all, some := true, false
		for _, i := range o.Items {
			if i.Fulfilled > i.Quantity || i.Fulfilled != inPackages[i.ID] {
				rt.Fatalf("item %+v, in packages %d", i, inPackages[i.ID])
			}
			all, some = all && i.Fulfilled == i.Quantity, some || i.Fulfilled > 0
		}
		want := amazonsim.Unshipped
		if all {
			want = amazonsim.Shipped
		} else if some {
			want = amazonsim.PartiallyShipped
		}
		committed := 0
		for _, c := range b.sim.Record() {
			if c.Committed {
				committed++
			}
		}
		if o.Status != want || committed != len(o.Packages)+edits {
			rt.Fatalf("%s, want %s; %d committed for %d packages and %d edits", o.Status, want, committed, len(o.Packages), edits)
		}
	})
}

// Many clients at once: every order is confirmed once, and every request has a number and an id of its own.
func TestConcurrentClients(t *testing.T) {
	const n, clients = 200, 8
	b := newBench(t, amazonsim.Scenario{Generate: []amazonsim.Generate{{Count: n}}, Quotas: wide()})
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for k := 1; k <= n; k++ {
				w := b.confirm(fmt.Sprintf("900-0000000-%07d", k), body(pack{
					tracking: fmt.Sprint(k), items: units(fmt.Sprintf("900%08d001", k), 1)}))
				if w.Code != http.StatusNoContent {
					t.Errorf("order %d: %d %s", k, w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	if c := b.sim.Counts(); c.Packages != n || c.Edits != n*(clients-1) || c.Calls != n*clients {
		t.Fatalf("counts: %+v", c)
	}
	seen := map[string]bool{}
	for i, c := range b.sim.Record() {
		if c.Seq != uint64(i+1) || seen[c.RequestID] || strings.Count(c.RequestID, "-") != 4 {
			t.Fatalf("call %d: %+v", i, c)
		}
		seen[c.RequestID] = true
	}
}
