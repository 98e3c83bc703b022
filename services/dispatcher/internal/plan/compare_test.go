package plan

import (
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

func TestCompare(t *testing.T) {
	const lag = 10 * time.Minute
	later := noon.Add(lag)
	in := func(state shipment.State, edit ...func(*shipment.Shipment)) shipment.Shipment {
		s := doubtful()
		s.State, s.Since, s.Attempt, s.Inquiry = state, noon, nil, nil
		for _, e := range edit {
			e(&s)
		}
		return s
	}
	never := func(s *shipment.Shipment) { s.EverSent = false }
	reopened := func(s *shipment.Shipment) { s.Reopened = 1 }
	shown := func(f shipment.Finding, at time.Time) func(*shipment.Shipment) {
		return func(s *shipment.Shipment) { s.Shown = &shipment.Shown{Finding: f, At: at} }
	}
	ours, others := Package{Reference: "1", Tracking: "JD0001"}, Package{Reference: "2", Tracking: "JD0002"}
	for _, row := range []struct {
		name string
		s    shipment.Shipment
		o    Order
		read time.Time
		find shipment.Finding
		to   shipment.State
		kind shipment.Kind
	}{
		{"confirmed and shipped", in(shipment.Confirmed), shows("SHIPPED", ours), later, "", "", ""},
		{"confirmed, order unknown", in(shipment.Confirmed), Order{}, later, "", "", ""},
		{"confirmed, nothing there", in(shipment.Confirmed), shows("UNSHIPPED"), later, shipment.NoEffect, shipment.Deferred, shipment.Transient},
		{"confirmed, nothing there yet", in(shipment.Confirmed), shows("UNSHIPPED"), later.Add(-time.Second), "", "", ""},
		{"confirmed, only another package there", in(shipment.Confirmed), shows("PARTIALLY_SHIPPED", others), later, shipment.NoEffect, shipment.Deferred, shipment.Transient},
		{"confirmed, our package of several there", in(shipment.Confirmed), shows("PARTIALLY_SHIPPED", ours), later, "", "", ""},
		{"confirmed, the parcel there under another number", in(shipment.Confirmed), shows("PARTIALLY_SHIPPED", Package{Reference: "AMZ-1", Tracking: "jd0001"}), later, "", "", ""},
		{"confirmed, shipped by others", in(shipment.Confirmed), shows("SHIPPED", others), later, "", "", ""},
		{"confirmed again, nothing there again", in(shipment.Confirmed, reopened), shows("UNSHIPPED"), later, shipment.NoEffect, shipment.Deferred, shipment.Rejected},
		{"confirmed, cancelled there", in(shipment.Confirmed), shows("CANCELLED"), later, shipment.OnItsWay, shipment.Confirmed, ""},
		{"confirmed, cancelled there, told already", in(shipment.Confirmed, shown(shipment.OnItsWay, noon)), shows("CANCELLED"), later, "", "", ""},
		{"confirmed, Amazon ships itself", in(shipment.Confirmed), func() Order { o := shows("UNSHIPPED"); o.FulfilledBy = "AMAZON"; return o }(), later, "", "", ""},
		{"pending and open", in(shipment.Pending, never), shows("UNSHIPPED"), later, "", "", ""},
		{"pending, shipped by hand", in(shipment.Pending, never), shows("SHIPPED", others), later, shipment.ShippedThere, shipment.Confirmed, shipment.Elsewhere},
		{"deferred, cancelled", in(shipment.Deferred), shows("CANCELLED"), later, shipment.CancelledThere, shipment.Closed, shipment.Cancelled},
		{"deferred, our package is there", in(shipment.Deferred), shows("SHIPPED", ours), later, shipment.ShippedThere, shipment.Confirmed, ""},
		{"doubt, our package is there", doubtful(), shows("SHIPPED", ours), later, shipment.ShippedThere, shipment.Confirmed, ""},
		{"doubt, nothing there", doubtful(), shows("UNSHIPPED"), later, "", "", ""},
		{"expired, shipped by hand", in(shipment.Expired, never), shows("SHIPPED"), later, shipment.ShippedThere, shipment.Confirmed, shipment.Elsewhere},
		{"expired, Ship+", in(shipment.Expired, never), func() Order { o := shows("UNSHIPPED"); o.Programs = []string{"FBM_SHIP_PLUS"}; return o }(), later, "", "", ""},
		{"pending, Ship+", in(shipment.Pending, never), func() Order { o := shows("UNSHIPPED"); o.Programs = []string{"FBM_SHIP_PLUS"}; return o }(), later, shipment.NotOurs, shipment.NotRequired, ""},
		{"excluded, still open", in(shipment.Excluded), shows("UNSHIPPED"), later, shipment.StillOpen, shipment.Excluded, ""},
		{"excluded a moment ago", in(shipment.Excluded), shows("UNSHIPPED"), noon.Add(time.Minute), "", "", ""},
		{"excluded, still open, told already", in(shipment.Excluded, shown(shipment.StillOpen, noon)), shows("UNSHIPPED"), later, "", "", ""},
		{"excluded, told before it was taken in and out again", in(shipment.Excluded, shown(shipment.StillOpen, noon.Add(-time.Hour))), shows("UNSHIPPED"), later, shipment.StillOpen, shipment.Excluded, ""},
		{"excluded, reported by hand", in(shipment.Excluded, never), shows("SHIPPED", others), later, shipment.ShippedThere, shipment.Confirmed, shipment.Elsewhere},
		{"being sent", in(shipment.Transmitting), shows("SHIPPED", others), later, "", "", ""},
		{"closed", in(shipment.Closed), shows("SHIPPED", others), later, "", "", ""},
		{"not required", in(shipment.NotRequired), shows("UNSHIPPED"), later, "", "", ""},
		{"not required, a day later shipped", in(shipment.NotRequired), shows("SHIPPED", others), noon.Add(ByItself), "", "", ""},
		{"not required, a day later still open", in(shipment.NotRequired, never), shows("UNSHIPPED"), noon.Add(ByItself), shipment.StillOpen, shipment.NotRequired, ""},
		{"not required, still open, told already", in(shipment.NotRequired, shown(shipment.StillOpen, noon)), shows("UNSHIPPED"), noon.Add(2 * ByItself), "", "", ""},
		{"not required, told as open, shipped after all", in(shipment.NotRequired, never, shown(shipment.StillOpen, noon)), shows("SHIPPED", others), noon.Add(2 * ByItself), shipment.ShippedThere, shipment.Confirmed, shipment.Elsewhere},
		{"not required, Ship+ a day later", in(shipment.NotRequired), func() Order { o := shows("UNSHIPPED"); o.Programs = []string{"FBM_SHIP_PLUS"}; return o }(), noon.Add(ByItself), "", "", ""},
	} {
		got := Compare(row.s, row.o, row.read, lag)
		if got.Finding != row.find || got.To != row.to || got.Kind != row.kind || (got.Finding != "") != (got.Text != "") {
			t.Errorf("%s: %+v, want %s %s %s", row.name, got, row.find, row.to, row.kind)
		}
		if got.Finding != "" && !shipment.Allowed(shipment.Found, row.s.State, got.To) {
			t.Errorf("%s: the state table has no step from %s to %s", row.name, row.s.State, got.To)
		}
	}
}
