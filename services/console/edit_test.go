package console_test

import (
	"testing"

	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// A clerk corrects on the page what Amazon has already: the page says so and how often it was done, the shipment stays confirmed
// and goes first in the next run.
func TestEditWhatAmazonHas(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.confirm(k, "r1")
	v := b.visitor(operator)
	at := "/orders/" + k.String()
	v.get(at).has(t, test("edit"), "bisher 0 Mal")
	form := []string{"carrier", "Post", "service", "", "tracking", "T1-NEW", "shipped_at", b.head(k).Data.ShippedAt.In(berlin(t)).Format("2006-01-02T15:04"), "comment", "neu gedruckt"}
	v.post(at+"/correct", append(form, "then", "replay")...).has(t, "wird jetzt übermittelt")
	s := b.head(k)
	if s.State != shipment.Confirmed || !s.Edited() || s.Data.Tracking != "T1-NEW" || s.Queue() == "" {
		t.Errorf("after the edit: %s, edited %v, %+v", s.State, s.Edited(), s.Data)
	}
	b.caughtUp()
	v.get(at).has(t, "<del>T1</del>", "<ins>T1-NEW</ins>", "neu gedruckt", test("state-confirmed"))
	elsewhere := b.accept("DE", 2)
	b.step(elsewhere, shipment.Event{Type: shipment.Found, To: shipment.Confirmed, Kind: shipment.Elsewhere})
	v.get("/orders/"+elsewhere.String()).has(t, test("why-correct"))
}
