package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// TestAnEditReachesThePackage: what an operator edits after the confirmation changes the same package, also when the answer
// is lost, and a package that Amazon lets nobody edit any more stays confirmed.
func TestAnEditReachesThePackage(t *testing.T) {
	const n = 3
	b := newBed(t, redistest.Mini(t))
	b.dispatch("one")
	b.ship(n)
	b.run()
	b.until("all are confirmed", func(c map[shipment.State]int) bool { return c[shipment.Confirmed] == n })
	if err := b.sim.Inject(amazonsim.Fault{Kind: amazonsim.FaultErrorAfter, OrderID: shipped(2).Order, Times: 1}); err != nil {
		t.Fatal(err)
	}
	edit := func(k, times int) {
		d := b.state(k).Data
		d.Tracking = fmt.Sprintf("9%018d%d", k, times%10)
		b.append(shipped(k), shipment.Event{Type: shipment.Amended, Data: &d, Edit: true})
	}
	edit(1, 1)
	edit(2, 1)
	b.run()
	for k := 1; k <= 2; k++ {
		natstest.Until(t, time.Minute, fmt.Sprintf("package %d is edited at Amazon and here", k), func() bool {
			o, _ := b.sim.Order(shipped(k).Order)
			s := b.state(k)
			return len(o.Packages) == 1 && o.Packages[0].TrackingNumber == s.Data.Tracking && s.State == shipment.Confirmed && !s.Changed && s.Edits == 1
		})
	}
	for times := 1; ; times++ {
		edit(3, times)
		b.run()
		natstest.Until(t, time.Minute, "the edit is answered", func() bool { s := b.state(3); return s.State == shipment.Confirmed && !s.Changed })
		if s := b.state(3); s.Kind == shipment.EditRefused {
			if o, _ := b.sim.Order(shipped(3).Order); s.Edits != 10 || o.Packages[0].Edits != 10 || s.Answer == nil || s.Answer.Status != 400 {
				t.Errorf("refused after %d edits, Amazon took %d: %+v", s.Edits, o.Packages[0].Edits, s)
			}
			break
		}
		if times > 11 {
			t.Fatal("Amazon's limit is not met")
		}
	}
	books := audit.Books{Journal: b.journal, Calls: b.sim.Record(), Orders: b.sim.Orders()}
	if err := books.Read(t.Context(), b.js, b.ledger); err != nil {
		t.Fatal(err)
	}
	if got, why := audit.Settle(books); !got.Sound() || got.Confirmed != n {
		t.Errorf("accounts %+v\n%v", got, why)
	}
}
