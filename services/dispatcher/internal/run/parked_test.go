package run

import (
	"context"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/shipment"
)

// More shipments whose orders have to be read than may be parked: that is done one after the other, and whoever joins and can
// be sent, by name or not, does not wait for it.
func TestWhoWaitsForAReadingHoldsNobodyUp(t *testing.T) {
	for name, waiting := range map[string]func(*shipment.Event){
		"for its items": func(ev *shipment.Event) { ev.Data.Items = nil },
		"for its label": func(ev *shipment.Event) { ev.Data.LabelSource, ev.Data.Programs = "", []string{"PRIME"} },
	} {
		t.Run(name, func(t *testing.T) { holdsNobodyUp(t, waiting) })
	}
}

func holdsNobodyUp(t *testing.T, waiting func(*shipment.Event)) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 8
		w.read = func(string) (plan.Order, bool, error) {
			<-time.After(time.Minute) // four at once: four places a minute
			return plan.Order{Found: true, Status: "UNSHIPPED", FulfilledBy: "MERCHANT", Items: []plan.OrderItem{{ID: "i", Ordered: 1, Unfulfilled: 1}}}, true, nil
		}
		const many = maxParked + 500
		w.shipped(0, many, waiting)
		w.shipped(many, many+20, func(ev *shipment.Event) { ev.Account = "FR" })
		w.shipped(many+20, many+25, func(ev *shipment.Event) { ev.Account = "FR" })
		big, small := everything("BIG"), everything("SMALL")
		big.Accounts, small.Accounts = []shipment.AccountID{"DE"}, []shipment.AccountID{"FR"}
		w.ask(big)
		<-time.After(time.Minute)
		w.ask(list("NAMED", many+20, many+21, many+22, many+23, many+24))
		w.ask(small)
		<-time.After(time.Minute)
		sent := 0
		for n := many; n < many+25; n++ {
			if e, err := w.Last(context.Background(), key(n)); err == nil && e.After.State == shipment.Confirmed {
				sent++
			}
		}
		if sent != 25 {
			t.Errorf("%d of 25 were sent within a minute", sent)
		}
	})
}
