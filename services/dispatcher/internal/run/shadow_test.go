package run

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Shadow mode does everything but the sending, says in each history what it would have sent, and says it once.
func TestShadowModeSendsNothing(t *testing.T) {
	in(t, func(t *testing.T, w *world, _ func() error) {
		w.conn.Mode = settings.ModeShadow
		w.shipped(0, 20, func(ev *shipment.Event) {
			switch ev.Key {
			case key(1):
				ev.Data.Tracking = ""
			case key(2):
				ev.Data.LabelSource = shipment.LabelAmazon
			case key(3):
				ev.Data.ShippedAt = time.Now().Add(-8 * 24 * time.Hour)
			case key(4):
				ev.Data.Items = nil // read from Amazon
			}
		})
		for _, run := range []string{"R1", "R2"} {
			w.ask(everything(run))
			w.finished(t, run)
			if l := w.log(run); l.Left[leftShadow] != 17 || l.Counts.Attempts != 0 {
				t.Errorf("%s: left %v, %+v", run, l.Left, l.Counts)
			}
		}
		w.change(key(5), func(d *shipment.Data) { d.Tracking = "T-NEW" }, shipment.Event{Type: shipment.Amended})
		w.ask(everything("R3"))
		w.finished(t, "R3")
		if len(w.sent) != 0 || w.in(shipment.Pending) != 17 || w.in(shipment.Deferred) != 1 || w.in(shipment.NotRequired) != 1 || w.in(shipment.Expired) != 1 {
			t.Errorf("%d sent, %d pending, %d deferred, %d not required, %d expired", len(w.sent), w.in(shipment.Pending), w.in(shipment.Deferred), w.in(shipment.NotRequired), w.in(shipment.Expired))
		}
		notes := map[shipment.Key][]string{}
		for _, e := range w.history {
			if e.Type == shipment.Noted {
				notes[e.After.Key] = append(notes[e.After.Key], e.Comment)
			}
		}
		if len(notes) != 17 || len(notes[key(6)]) != 1 || len(notes[key(5)]) != 2 || !strings.Contains(notes[key(5)][1], "T-NEW") || !strings.HasPrefix(notes[key(4)][0], "shadow mode, not sent: ") {
			t.Errorf("notes of %d shipments, one unchanged %v, one corrected %v", len(notes), notes[key(6)], notes[key(5)])
		}
		w.conn.Mode = settings.ModeLive
		w.ask(everything("R4"))
		w.finished(t, "R4")
		if w.in(shipment.Confirmed) != 17 {
			t.Errorf("live: %d confirmed", w.in(shipment.Confirmed))
		}
	})
}
