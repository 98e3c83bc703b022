package intake

import (
	"fmt"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/shipment"
)

// A second package that takes the whole order would be confirmed by the first one's request and its number never told.
func TestPackagesOfOneOrder(t *testing.T) {
	second := func(s *event.Shipped) { s.Package, s.Tracking = "2", "T2" }
	items := func(s *event.Shipped) { s.Items = []shipment.Item{{OrderItemID: "i1", Quantity: 1}} }
	french := func(s *event.Shipped) { s.Account = "FR" }
	for name, row := range map[string]struct {
		first, other [](func(*event.Shipped))
		taken        uint64
	}{
		"both whole":          {nil, []func(*event.Shipped){second}, 1},
		"one names its items": {nil, []func(*event.Shipped){second, items}, 2},
		"two accounts":        {[]func(*event.Shipped){items}, []func(*event.Shipped){second, items, french}, 1},
	} {
		for _, together := range []bool{true, false} {
			b := newBench(t)
			one := &message{data: report(event.TypeShipped, "s1", 1, row.first...)}
			two := &message{data: report(event.TypeShipped, "s2", 1, row.other...)}
			batches := [][]Message{{one}, {two}}
			if together {
				batches = [][]Message{{one, two}}
			}
			for _, msgs := range batches {
				if err := b.run(msgs); err != nil {
					t.Fatal(err)
				}
			}
			if s := b.intake.Stats(); s.Accepted != row.taken || s.Invalid != 2-row.taken || one.acked+two.acked != 2 {
				t.Errorf("%s, together %v: %+v, rejected %+v", name, together, s, b.rejected)
			}
		}
	}
}

func TestUnknownAccountIsKeptForAWhile(t *testing.T) {
	b := newBench(t)
	young := &message{data: report(event.TypeShipped, "s1", 1, func(s *event.Shipped) { s.Account = "NEW" }), since: now.Add(-time.Minute)}
	old := &message{data: young.data, since: now.Add(-time.Hour)}
	if err := b.run([]Message{young, old}); err != nil {
		t.Fatal(err)
	}
	if young.later != 1 || young.acked != 0 || old.acked != 1 || len(b.rejected) != 1 {
		t.Errorf("young: %d later, %d acked; old: %d acked; rejected %+v", young.later, young.acked, old.acked, b.rejected)
	}
}

// A sender that nobody has configured must not fill the server's hands: what waits is bounded, the rest is told to be unusable,
// and there is room again when what waited has come again.
func TestUnknownAccountsWaitInBoundedNumber(t *testing.T) {
	b := newBench(t)
	at := now
	b.intake.Now = func() time.Time { return at }
	deliver := func(from, to int) (later, acked int) {
		var msgs []Message
		for n := from; n < to; n++ {
			data := report(event.TypeShipped, fmt.Sprint("s", n), n, func(s *event.Shipped) { s.Account = "NEW" })
			msgs = append(msgs, &message{data: data, at: uint64(n + 1), since: at})
		}
		if err := b.run(msgs); err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			later, acked = later+m.(*message).later, acked+m.(*message).acked
		}
		return later, acked
	}
	if later, acked := deliver(0, mostUnknown+200); later != mostUnknown || acked != 200 || len(b.rejected) != 200 {
		t.Errorf("%d wait, %d were acknowledged and %d rejected", later, acked, len(b.rejected))
	}
	at = at.Add(heldLater)
	if later, acked := deliver(5000, 5100); later != 100 || acked != 0 {
		t.Errorf("after a while: %d wait, %d were acknowledged", later, acked)
	}
}
