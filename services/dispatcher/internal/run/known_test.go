package run

import (
	"context"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Whole orders whose items are known cost no reading, and go at the pace of the others.
func TestKnownOrdersAreNotRead(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 4
		w.known = func(_ context.Context, k shipment.Key, _ time.Time) ([]shipment.Item, bool) {
			return []shipment.Item{{OrderItemID: "known", Quantity: 2}}, k != key(7)
		}
		w.shipped(0, 20, func(ev *shipment.Event) { ev.Data.Items = nil })
		w.ask(everything("R"))
		w.finished(t, "R")
		if w.in(shipment.Confirmed) != 20 || w.readings() != 1 {
			t.Errorf("%d confirmed after %d readings, want 20 after 1", w.in(shipment.Confirmed), w.readings())
		}
		if got := w.state(3).Resolved; len(got) != 1 || got[0].OrderItemID != "known" {
			t.Errorf("sent with %v", got)
		}
	})
}
