package run

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// told is what is known of orders without asking Amazon.
type told struct {
	items func(shipment.Key) ([]shipment.Item, bool)
	about func(shipment.Key) plan.About
}

func (k told) Items(_ context.Context, of shipment.Key, _ time.Time) ([]shipment.Item, bool) {
	if k.items == nil {
		return nil, false
	}
	return k.items(of)
}

func (k told) Label(_ context.Context, of shipment.Key) plan.About {
	if k.about == nil {
		return plan.About{}
	}
	return k.about(of)
}

// Whole orders whose items are known cost no reading, and go at the pace of the others.
func TestKnownOrdersAreNotRead(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Limits.InFlight = 4
		w.known = told{items: func(k shipment.Key) ([]shipment.Item, bool) {
			return []shipment.Item{{OrderItemID: "known", Quantity: 2}}, k != key(7)
		}}
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

// Prime orders whose sender does not tell who sold the label go by the rules, and where those say nothing Amazon is asked.
func TestLabelsOfPrimeOrdersAreDecided(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Accounts[0].Labels = settings.Labels{Version: 4, Rules: []settings.LabelRule{{ServiceLevel: "NEXT_DAY", Label: settings.LabelByAmazon}, {ServiceLevel: "STANDARD", Label: settings.LabelByOwn}}}
		w.known = told{about: func(k shipment.Key) plan.About {
			about := plan.About{Known: k != key(4) && k != key(5), Programs: []string{"PRIME"}, ServiceLevel: "NEXT_DAY"}
			switch k {
			case key(1):
				about.ServiceLevel = "STANDARD"
			case key(2), key(3):
				about.ServiceLevel = "EXPEDITED"
			case key(7):
				about.Programs = nil
			}
			return about
		}}
		w.read = func(order string) (plan.Order, bool, error) {
			o := plan.Order{Found: true, Status: "UNSHIPPED", FulfilledBy: "MERCHANT", Programs: []string{"PRIME"}, ServiceLevel: "STANDARD",
				Items: []plan.OrderItem{{ID: "read", Ordered: 9, Unfulfilled: 9}}}
			switch order {
			case key(2).Order:
				o.Status = "SHIPPED"
			case key(5).Order:
				o.ServiceLevel = "NEXT_DAY"
			}
			return o, true, nil
		}
		w.shipped(0, 8, func(ev *shipment.Event) {
			ev.Data.LabelSource = shipment.LabelUnknown
			if ev.Key == key(6) {
				ev.Data.LabelSource = shipment.LabelOwn
			}
		})
		w.ask(everything("R"))
		w.finished(t, "R")
		for n, want := range []shipment.State{
			shipment.NotRequired, // known, rule 1
			shipment.Confirmed,   // known, rule 2
			shipment.Confirmed,   // known, no rule: asked, shipped by itself
			shipment.Confirmed,   // known, no rule: asked, open
			shipment.Confirmed,   // unknown: asked, then rule 2
			shipment.NotRequired, // unknown: asked, then rule 1
			shipment.Confirmed,   // told as the seller's own
			shipment.Confirmed,   // no Prime order
		} {
			if s := w.state(n); s.State != want || (s.Kind == shipment.Elsewhere) != (n == 2) {
				t.Errorf("shipment %d is %s %s, want %s", n, s.State, s.Kind, want)
			}
		}
		if w.readings() != 4 {
			t.Errorf("%d readings, want 4", w.readings())
		}
		if got := w.state(3).Data.Items; len(got) != 1 || got[0].OrderItemID == "read" {
			t.Errorf("items the sender had given became %v", got)
		}
		if why := w.why(5); !strings.Contains(why, "rule 1 of version 4") || !strings.Contains(why, "NEXT_DAY: amazon") {
			t.Errorf("not required because: %q", why)
		}
	})
}

// why is the comment of a shipment's last event.
func (w *world) why(n int) string {
	e, _ := w.Last(context.Background(), key(n))
	return e.Comment
}
