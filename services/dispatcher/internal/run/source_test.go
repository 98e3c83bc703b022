package run

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// shelf is a view in memory whose pages are as small as a test wants them.
type shelf struct {
	*world
	page int
}

func (s shelf) Queue(ctx context.Context, a shipment.AccountID, q shipment.Queue, after Place, limit int) ([]Item, Place, error) {
	return s.world.Queue(ctx, a, q, after, min(limit, s.page))
}

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// draw makes a random connection with random shipments in its queues.
func draw(t *rapid.T) (shelf, settings.Connection) {
	w := newWorld()
	w.conn.Accounts = nil
	for i := range rapid.IntRange(1, 4).Draw(t, "accounts") {
		w.conn.Accounts = append(w.conn.Accounts, settings.Account{ID: shipment.AccountID(rune('A' + i)),
			RejectedOrder: rapid.SampledFrom([]shipment.RejectedOrder{shipment.RejectedLast, shipment.RejectedFirst, shipment.RejectedAfterCorrection}).Draw(t, "rejected")})
	}
	for n := range rapid.IntRange(0, 40).Draw(t, "shipments") {
		w.put(n, item(t, w.conn))
	}
	return shelf{w, rapid.IntRange(1, 7).Draw(t, "page")}, w.conn
}

// item is a random shipment in some state.
func item(t *rapid.T, c settings.Connection) shipment.Shipment {
	s := shipment.Shipment{Account: rapid.SampledFrom(c.Accounts).Draw(t, "account").ID, AcceptedAt: start.Add(-time.Hour), Since: start.Add(-time.Minute),
		Data: shipment.Data{ShippedAt: start.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "hour")) * time.Hour)}}
	s.State = rapid.SampledFrom([]shipment.State{shipment.Pending, shipment.Pending, shipment.Deferred, shipment.Deferred, shipment.Confirmed}).Draw(t, "state")
	if s.State == shipment.Deferred {
		s.Kind = rapid.SampledFrom([]shipment.Kind{shipment.Transient, shipment.Rejected}).Draw(t, "kind")
		s.Changed = rapid.Bool().Draw(t, "changed")
	}
	return s
}

func (w *world) put(n int, s shipment.Shipment) {
	w.seq++
	s.Key = key(n)
	w.heads[s.Key] = shipment.Entry{Seq: w.seq, After: s}
}

func newPast() *past {
	return &past{runs: map[string]bool{"R": true}, seen: map[shipment.Key]struct{}{}}
}

// model is the order by the book: group after group, in each the accounts by turns, in each of them the nearest deadline.
func model(s shelf, c settings.Connection, tr job.Trigger) (out []shipment.Key) {
	groups := func(a settings.Account) []shipment.Queue {
		if tr.Scope == job.Listed {
			return []shipment.Queue{shipment.Again, shipment.Refused}
		}
		return shipment.Groups(a.RejectedOrder)
	}
	for rank := range 3 {
		var lanes [][]Item
		for _, a := range c.Accounts {
			if !tr.Scoped(a.ID) {
				continue
			}
			var lane []Item
			if g := groups(a); rank < len(g) {
				lane, _, _ = s.world.Queue(context.Background(), a.ID, g[rank], nil, 1<<20)
			}
			lanes = append(lanes, slices.DeleteFunc(lane, func(it Item) bool {
				return tr.Scope == job.Listed && it.Shipment.Since.After(tr.DeferredUntil)
			}))
		}
		for more := true; more; {
			more = false
			for i, lane := range lanes {
				if len(lane) > 0 {
					out, lanes[i], more = append(out, lane[0].Shipment.Key), lane[1:], true
				}
			}
		}
	}
	return out
}

func drain(t *rapid.T, src *source, q Queues, each func(Item)) (out []shipment.Key) {
	for range 10_000 {
		it, ok, err := src.next(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return out
		}
		out = append(out, it.Shipment.Key)
		if each != nil {
			each(it)
		}
	}
	t.Fatal("the source does not end")
	return nil
}

func TestTheOrderOfARun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, c := draw(t)
		tr := job.Trigger{RunID: "R", Scope: rapid.SampledFrom([]job.Scope{job.All, job.Listed}).Draw(t, "scope"),
			DeferredUntil: start.Add(time.Duration(rapid.IntRange(-2, 1).Draw(t, "until")) * time.Minute)}
		for _, a := range c.Accounts {
			if rapid.IntRange(0, 3).Draw(t, "scoped") == 0 {
				tr.Accounts = append(tr.Accounts, a.ID)
			}
		}
		want := model(s, c, tr)
		got := drain(t, newSource(tr, c, start, newPast(), time.Now), s, nil)
		if !slices.Equal(got, want) {
			t.Fatalf("order\n got %v\nwant %v", got, want)
		}
	})
}

func TestAListKeepsItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, c := draw(t)
		tr := job.Trigger{RunID: "R", Scope: job.Named}
		var want []shipment.Key
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 60), 0, 300).Draw(t, "keys") {
			tr.Keys = append(tr.Keys, key(n))
			if _, known := s.heads[key(n)]; known {
				want = append(want, key(n))
			}
		}
		if got := drain(t, newSource(tr, c, start, newPast(), time.Now), s, nil); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// While a run pages through its queues shipments leave and arrive, are corrected and fail. Each is handed out at most
// once, what nobody touched exactly once, and no group begins before the one ahead of it has ended.
func TestARunOverMovingQueues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, c := draw(t)
		touched, handed, rank := map[shipment.Key]bool{}, map[shipment.Key]int{}, 0
		waiting := map[shipment.Key]bool{}
		for k, e := range s.heads {
			a, _ := c.Account(e.After.Account)
			waiting[k] = slices.Contains(shipment.Groups(a.RejectedOrder), e.After.Queue())
		}
		p, next := newPast(), 1000
		drain(t, newSource(job.Trigger{RunID: "R", Scope: job.All}, c, start, p, time.Now), s, func(it Item) {
			k, a := it.Shipment.Key, it.Shipment.Account
			account, _ := c.Account(a)
			at := slices.Index(shipment.Groups(account.RejectedOrder), it.Shipment.Queue())
			if at < rank || at < 0 {
				t.Fatalf("%s of group %d after group %d", k, at, rank)
			}
			rank = at
			if s.heads[k].Seq == it.Seq { // the attempt wins its race
				if handed[k]++; handed[k] > 1 {
					t.Fatalf("%s is tried %d times", k, handed[k])
				}
				after := it.Shipment
				after.LastRun = "R"
				after.State = rapid.SampledFrom([]shipment.State{shipment.Confirmed, shipment.Deferred}).Draw(t, "outcome")
				if after.Kind = ""; after.State == shipment.Deferred {
					after.Kind = rapid.SampledFrom([]shipment.Kind{shipment.Transient, shipment.Rejected}).Draw(t, "why")
				}
				s.put(number(k), after)
			}
			for range rapid.IntRange(0, 2).Draw(t, "others") {
				n := rapid.IntRange(0, 45).Draw(t, "which")
				e, known := s.heads[key(n)]
				touched[key(n)] = true
				switch {
				case !known || rapid.Bool().Draw(t, "new"):
					s.put(next, item(t, c))
					touched[key(next)] = true
					next++
				case rapid.Bool().Draw(t, "leaves"):
					e.After.State, e.After.Kind = shipment.Excluded, ""
					s.put(n, e.After)
				default:
					e.After.Data.ShippedAt = e.After.Data.ShippedAt.Add(time.Duration(rapid.IntRange(-3, 3).Draw(t, "moves")) * time.Hour)
					e.After.Changed = e.After.State == shipment.Deferred
					s.put(n, e.After)
				}
			}
		})
		for k, w := range waiting {
			if w && !touched[k] && handed[k] != 1 {
				t.Fatalf("%s waited undisturbed and was tried %d times", k, handed[k])
			}
		}
	})
}

func number(k shipment.Key) (n int) {
	_, _ = fmt.Sscanf(k.Order, "302-%d-", &n)
	return n
}

// Pages grow while a run goes through them within the second, and begin short again when one has lasted.
func TestPagesAreLongOnlyInAQuickRun(t *testing.T) {
	l, now := &lane{}, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for i, step := range []struct {
		lasted time.Duration
		want   int
	}{{0, 100}, {quick / 2, 200}, {0, 400}, {0, 800}, {0, 1000}, {0, 1000}, {quick, 100}, {0, 200}, {time.Hour, 100}} {
		now = now.Add(step.lasted)
		if got := l.pageSize(now); got != step.want {
			t.Errorf("page %d: %d shipments, want %d", i, got, step.want)
		}
	}
}
