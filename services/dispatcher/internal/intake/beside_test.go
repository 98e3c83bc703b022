package intake

import (
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
				if err := b.intake.take(t.Context(), msgs); err != nil {
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
	if err := b.intake.take(t.Context(), []Message{young, old}); err != nil {
		t.Fatal(err)
	}
	if young.later != 1 || young.acked != 0 || old.acked != 1 || len(b.rejected) != 1 {
		t.Errorf("young: %d later, %d acked; old: %d acked; rejected %+v", young.later, young.acked, old.acked, b.rejected)
	}
}
