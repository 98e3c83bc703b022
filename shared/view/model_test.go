package view_test

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

// failer is what both testing.T and rapid.T offer.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// same checks every query against a plain loop over the heads.
func same(t failer, v *view.View, heads []shipment.Shipment, page int) {
	t.Helper()
	ctx := context.Background()
	c := must(v.Counts(ctx))
	accounts := map[shipment.AccountID]bool{}
	orders := map[shipment.AccountID]map[string]bool{}
	for _, s := range heads {
		accounts[s.Account] = true
		if s.State.Flagged() {
			if orders[s.Account] == nil {
				orders[s.Account] = map[string]bool{}
			}
			orders[s.Account][string(s.Connection)+s.Order] = true
		}
	}
	for a := range accounts {
		mine := func(s shipment.Shipment) bool { return s.Account == a }
		for _, q := range []shipment.Queue{shipment.Again, shipment.New, shipment.Refused} {
			want := pick(heads, view.ByShipBy, func(s shipment.Shipment) bool { return mine(s) && s.Queue() == q })
			equal(t, fmt.Sprint("queue ", a, q), want, drain(t, func(p view.Pos) ([]view.Item, view.Pos, error) { return v.Queue(ctx, a, q, p, page) }))
			if n := must(v.QueueLen(ctx, a, q)); n != len(want) {
				t.Fatalf("length of queue %s %s is %d, want %d", a, q, n, len(want))
			}
		}
		aged := pick(heads, view.ByShippedAt, func(s shipment.Shipment) bool {
			_, ok := s.AgesAt(1)
			return mine(s) && ok && !s.Data.ShippedAt.After(noon.Add(-7*time.Hour))
		})
		equal(t, "aged", aged, keys(must(v.Aged(ctx, a, noon.Add(-7*time.Hour), 0))))
		due := pick(heads, view.ByShipBy, func(s shipment.Shipment) bool {
			return mine(s) && s.State.Flagged() && !s.Data.ShipBy.IsZero() && !s.Data.ShipBy.After(noon)
		})
		equal(t, "due", due, keys(must(v.Due(ctx, a, noon, 0))))
		for _, st := range shipment.States {
			n := 0
			for _, s := range heads {
				if mine(s) && s.State == st {
					n++
				}
			}
			if got := c.Of(a, st, ""); got != n {
				t.Fatalf("%s %s counts %d, want %d", a, st, got, n)
			}
		}
		if got := c.FlaggedOrders(a); got != len(orders[a]) {
			t.Fatalf("%s has %d flagged orders, want %d", a, got, len(orders[a]))
		}
	}
	for _, conn := range []shipment.ConnectionID{"C0", "C1"} {
		late := noon.Add(10 * time.Minute)
		orphans := pick(heads, view.BySince, func(s shipment.Shipment) bool {
			return s.Connection == conn && s.State == shipment.Transmitting && (s.Attempt.Lease < 3 || s.Attempt.AnswerBy.Before(late))
		})
		got := keys(must(v.Orphans(ctx, conn, late, 3)))
		slices.Sort(orphans)
		slices.Sort(got)
		equal(t, "orphans", orphans, got)
		doubts := pick(heads, "", func(s shipment.Shipment) bool {
			return s.Connection == conn && s.State == shipment.Doubt && !s.Sendable()
		})
		equal(t, "doubts", doubts, drain(t, func(p view.Pos) ([]view.Item, view.Pos, error) { return v.Doubts(ctx, conn, p, page) }))
	}
	lists(t, v, heads, page)
}

// lists checks List for many filters.
func lists(t failer, v *view.View, heads []shipment.Shipment, page int) {
	t.Helper()
	yes, no := true, false
	filters := []view.Filter{
		{}, {Desc: true}, {Sort: view.ByShippedAt}, {Sort: view.ByShipBy, Desc: true}, {Flagged: &yes}, {Flagged: &no, Sort: view.ByShipBy},
		{Accounts: []shipment.AccountID{}}, {Accounts: []shipment.AccountID{"A1C1", "A2C0"}}, {States: []shipment.State{shipment.Deferred}, Kind: shipment.Rejected},
		{States: []shipment.State{shipment.Excluded, shipment.Confirmed}}, {Kind: shipment.Elsewhere}, {Fingerprint: "carrier|x"},
		{Fingerprint: "503", Kind: shipment.Transient, Sort: view.ByShippedAt}, {Fingerprint: "503", Flagged: &yes},
		{DeferredUntil: noon.Add(20 * time.Minute)}, {DeferredUntil: noon.Add(20 * time.Minute), Desc: true}, {DeferredUntil: noon.Add(20 * time.Minute), Sort: view.ByShipBy},
		{Search: " jd01"}, {Search: "R-1", Desc: true}, {Search: "302-0000002-0000001", Flagged: &yes}, {Search: "302-000"}, {Search: "302"}, {Search: "jd0"},
	}
	for _, f := range filters {
		if f.Sort == "" {
			f.Sort = view.BySince
		}
		want := pick(heads, f.Sort, func(s shipment.Shipment) bool { return wanted(f, s) })
		if f.Desc {
			slices.Reverse(want)
		}
		f.Limit = page
		var got []string
		for range 100 {
			p := must(v.List(context.Background(), f))
			if p.Total != len(want) {
				t.Fatalf("%+v: total %d, want %d", f, p.Total, len(want))
			}
			got = append(got, keys(p.Items)...)
			if f.After = p.Next; f.After == "" {
				break
			}
		}
		equal(t, fmt.Sprintf("list %+v", f), want, got)
	}
}

func wanted(f view.Filter, s shipment.Shipment) bool {
	if f.Search != "" {
		q := strings.ToUpper(strings.TrimSpace(f.Search))
		hit := strings.ToUpper(strings.TrimSpace(s.Data.Tracking)) == q || s.Data.Reference == q || len(q) >= 6 && strings.HasPrefix(s.Order, q)
		if !hit {
			return false
		}
	}
	return (f.Accounts == nil || slices.Contains(f.Accounts, s.Account)) && (f.States == nil || slices.Contains(f.States, s.State)) &&
		(f.Kind == "" || f.Kind == s.Kind) && (f.Flagged == nil || *f.Flagged == s.State.Flagged()) &&
		(f.Fingerprint == "" || f.Fingerprint == s.Fingerprint) &&
		(f.DeferredUntil.IsZero() || s.State == shipment.Deferred && !s.Since.After(f.DeferredUntil))
}

// pick filters and sorts; "" sorts by the last inquiry.
func pick(heads []shipment.Shipment, by view.Sort, ok func(shipment.Shipment) bool) []string {
	at := func(s shipment.Shipment) time.Time {
		switch {
		case by == view.BySince || by == "" && s.Inquiry == nil:
			return s.Since
		case by == view.ByShippedAt:
			return s.Data.ShippedAt
		case by == view.ByShipBy:
			return s.Deadline()
		case s.Inquiry.LastAsked.IsZero():
			return s.Inquiry.Since
		}
		return s.Inquiry.LastAsked
	}
	var hit []shipment.Shipment
	for _, s := range heads {
		if ok(s) {
			hit = append(hit, s)
		}
	}
	slices.SortFunc(hit, func(a, b shipment.Shipment) int {
		return cmp.Or(at(a).Compare(at(b)), strings.Compare(a.Key.String(), b.Key.String()))
	})
	var out []string
	for _, s := range hit {
		out = append(out, s.Key.String())
	}
	return out
}

func drain(t failer, page func(view.Pos) ([]view.Item, view.Pos, error)) []string {
	t.Helper()
	var out []string
	var pos view.Pos
	for range 10000 {
		items, next, err := page(pos)
		if err != nil {
			t.Fatalf("%v", err)
		}
		out = append(out, keys(items)...)
		if pos = next; pos.IsZero() {
			return out
		}
	}
	t.Fatalf("paging does not end")
	return nil
}

func keys(items []view.Item) []string {
	var out []string
	for _, it := range items {
		out = append(out, it.Shipment.Key.String())
	}
	return out
}

func equal(t failer, what string, want, got []string) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Fatalf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// must panics on an error, which a test reports as its failure; so a call can stand in one expression.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// dump reads everything the current image holds, without its name.
func dump(t failer, c redis.UniversalClient, v *view.View) map[string]string {
	t.Helper()
	ctx := context.Background()
	at := must(v.Position(ctx))
	prefix := "fertig:{view}:" + at.Prefix + ":"
	out := map[string]string{}
	for _, k := range must(c.Keys(ctx, "*").Result()) {
		name, ok := strings.CutPrefix(k, prefix)
		if !ok {
			continue
		}
		switch typ := must(c.Type(ctx, k).Result()); typ {
		case "hash":
			for f, val := range must(c.HGetAll(ctx, k).Result()) {
				out[name+" "+f] = val
			}
		case "zset":
			for _, z := range must(c.ZRangeWithScores(ctx, k, 0, -1).Result()) {
				out[name+" "+z.Member.(string)] = fmt.Sprint(z.Score)
			}
		default:
			t.Fatalf("%s is a %s", k, typ)
		}
	}
	return out
}

func sameDump(t failer, what string, want, got map[string]string) {
	t.Helper()
	if reflect.DeepEqual(want, got) {
		return
	}
	for k, w := range want {
		if got[k] != w {
			t.Fatalf("%s: %s is %q, want %q", what, k, got[k], w)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			t.Fatalf("%s: stale %s = %q", what, k, g)
		}
	}
}
