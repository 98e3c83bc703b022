package plan

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

var (
	noon   = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	timing = Timing{After: 2 * time.Minute, Again: 5 * time.Minute}
)

// doubtful is a shipment whose request may have arrived at noon.
func doubtful(edit ...func(*shipment.Shipment)) shipment.Shipment {
	s := shipment.Shipment{Key: shipment.Key{Connection: "EU", Order: "302-0000001-0000001", Package: "1"}, State: shipment.Doubt, EverSent: true,
		Data:    shipment.Data{Tracking: "JD0001"},
		Attempt: &shipment.Attempt{ID: "a", At: noon, AnswerBy: noon.Add(12 * time.Second)},
		Inquiry: &shipment.Inquiry{Since: noon.Add(15 * time.Second)}}
	for _, e := range edit {
		e(&s)
	}
	return s
}

func shows(status string, packages ...Package) Order {
	return Order{Found: true, Status: status, FulfilledBy: "MERCHANT", Packages: packages}
}

func TestFacts(t *testing.T) {
	never := func(s *shipment.Shipment) { s.EverSent, s.Attempt, s.State = false, nil, shipment.Pending }
	with := func(o Order, edit func(*Order)) Order { edit(&o); return o }
	for _, row := range []struct {
		name string
		s    shipment.Shipment
		o    Order
		to   shipment.State
		kind shipment.Kind
	}{
		{"not found", doubtful(), Order{}, "", ""},
		{"nothing shipped", doubtful(), shows("UNSHIPPED"), "", ""},
		{"our package", doubtful(), shows("SHIPPED", Package{Reference: "1", Tracking: "JD0001"}), shipment.Confirmed, ""},
		{"our package, cancelled since", doubtful(), shows("CANCELLED", Package{Reference: "1"}), shipment.Confirmed, ""},
		{"our package among several", doubtful(), shows("PARTIALLY_SHIPPED", Package{Reference: "7"}, Package{Reference: "1"}), shipment.Confirmed, ""},
		{"our number, but never sent by us", doubtful(never), shows("PARTIALLY_SHIPPED", Package{Reference: "1", Tracking: "other"}), "", ""},
		{"our tracking under another number", doubtful(), shows("PARTIALLY_SHIPPED", Package{Reference: "AMZN-9", Tracking: "jd0001"}), shipment.Confirmed, shipment.Elsewhere},
		{"no tracking matches no tracking", doubtful(func(s *shipment.Shipment) { s.Data.Tracking = "" }), shows("PARTIALLY_SHIPPED", Package{Reference: "2"}), "", ""},
		{"shipped otherwise", doubtful(), shows("SHIPPED", Package{Reference: "2", Tracking: "X"}), shipment.Confirmed, shipment.Elsewhere},
		{"shipped without packages", doubtful(never), shows("SHIPPED"), shipment.Confirmed, shipment.Elsewhere},
		{"cancelled", doubtful(never), shows("CANCELLED"), shipment.Closed, shipment.Cancelled},
		{"Ship+", doubtful(never), with(shows("UNSHIPPED"), func(o *Order) { o.Programs = []string{"PRIME", "FBM_SHIP_PLUS"} }), shipment.NotRequired, ""},
		{"Prime alone is transmitted", doubtful(never), with(shows("UNSHIPPED"), func(o *Order) { o.Programs = []string{"PRIME"} }), "", ""},
		{"Easy Ship", doubtful(never), with(shows("UNSHIPPED"), func(o *Order) { o.Programs = []string{"AMAZON_EASY_SHIP"} }), shipment.NotRequired, ""},
		{"sent by Amazon", doubtful(never), with(shows("UNSHIPPED"), func(o *Order) { o.FulfilledBy = "AMAZON" }), shipment.NotRequired, ""},
		{"an edit that arrived", doubtful(func(s *shipment.Shipment) { s.Attempt.Correction = true }), shows("SHIPPED", Package{Reference: "1", Tracking: "jd0001"}), shipment.Confirmed, ""},
		{"an edit that did not arrive", doubtful(func(s *shipment.Shipment) { s.Attempt.Correction = true }), shows("SHIPPED", Package{Reference: "1", Tracking: "old"}), "", ""},
		{"payment pending", doubtful(never), shows("PENDING"), "", ""},
	} {
		got := Facts(row.s, row.o)
		if got.To != row.to || got.Kind != row.kind || (got.To != "") != (got.Text != "") {
			t.Errorf("%s: %+v, want %s %s", row.name, got, row.to, row.kind)
		}
	}
}

func TestReadSettlesADoubt(t *testing.T) {
	updated := func(at time.Time) Order { o := shows("UNSHIPPED"); o.LastUpdated = at; return o }
	asked := func(at time.Time) func(*shipment.Shipment) {
		return func(s *shipment.Shipment) { s.Inquiry.NotThere, s.Inquiry.LastAsked = at, at }
	}
	first := noon.Add(3 * time.Minute)
	for _, row := range []struct {
		name    string
		s       shipment.Shipment
		o       Order
		now     time.Time
		settled bool
	}{
		{"first reading", doubtful(), shows("UNSHIPPED"), first, false},
		{"first reading, order unknown", doubtful(), Order{}, first, false},
		{"second reading, too early", doubtful(asked(first)), shows("UNSHIPPED"), first.Add(5*time.Minute - time.Nanosecond), false},
		{"second reading", doubtful(asked(first)), shows("UNSHIPPED"), first.Add(5 * time.Minute), true},
		{"second reading, partly shipped", doubtful(asked(first)), shows("PARTIALLY_SHIPPED", Package{Reference: "2"}), first.Add(5 * time.Minute), true},
		{"second reading, order unknown", doubtful(asked(first)), Order{}, first.Add(time.Hour), true},
		{"unshipped, written after the attempt", doubtful(), updated(noon.Add(13 * time.Second)), first, true},
		{"unshipped, written while the answer was awaited", doubtful(), updated(noon.Add(12 * time.Second)), first, false},
		{"unshipped, written before", doubtful(), updated(noon.Add(-time.Hour)), first, false},
		{"partly shipped, written after: that may be another package", doubtful(), func() Order {
			o := updated(noon.Add(time.Minute))
			o.Status = "PARTIALLY_SHIPPED"
			return o
		}(), first, false},
		{"no inquiry on record", doubtful(func(s *shipment.Shipment) { s.Inquiry = nil }), updated(noon.Add(time.Hour)), first.Add(time.Hour), false},
	} {
		got := Read(row.s, row.o, row.now, timing)
		if got.To != "" || !got.Missing || got.Settled != row.settled || got.Text == "" {
			t.Errorf("%s: %+v, want settled %v", row.name, got, row.settled)
		}
		if row.settled != strings.Contains(got.Text, "may be sent again") {
			t.Errorf("%s: %q", row.name, got.Text)
		}
	}
}

func TestReadNeverResendsWhatWasRefusedWithWords(t *testing.T) {
	refused := func(status int, at time.Time) func(*shipment.Shipment) {
		return func(s *shipment.Shipment) { s.Answer = &shipment.Answer{At: at, Status: status} }
	}
	later := noon.Add(time.Hour)
	for _, row := range []struct {
		name string
		s    shipment.Shipment
		want Reading
	}{
		{"refused", doubtful(refused(400, noon.Add(time.Second))), Reading{To: shipment.Deferred, Kind: shipment.Rejected}},
		{"not found", doubtful(refused(404, noon)), Reading{To: shipment.Deferred, Kind: shipment.Rejected}},
		{"refused an attempt before", doubtful(refused(400, noon.Add(-time.Second))), Reading{Missing: true}},
		{"Amazon's fault", doubtful(refused(500, noon.Add(time.Second))), Reading{Missing: true}},
		{"no status", doubtful(refused(0, noon.Add(time.Second))), Reading{Missing: true}},
	} {
		got := Read(row.s, shows("UNSHIPPED"), later, timing)
		got.Text = ""
		if got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
	s := doubtful(refused(400, noon.Add(time.Second)))
	if got := Read(s, shows("SHIPPED", Package{Reference: "1"}), later, timing); got.To != shipment.Confirmed || got.Kind != "" {
		t.Errorf("refused, but the package is there: %+v", got)
	}
}

func TestDue(t *testing.T) {
	since, asked := noon, noon.Add(10*time.Minute)
	for _, row := range []struct {
		name string
		q    shipment.Inquiry
		want time.Time
	}{
		{"never asked", shipment.Inquiry{Since: since}, since.Add(2 * time.Minute)},
		{"asked, nothing learned", shipment.Inquiry{Since: since, LastAsked: asked}, asked.Add(2 * time.Minute)},
		{"not there once", shipment.Inquiry{Since: since, LastAsked: asked, NotThere: asked}, asked.Add(5 * time.Minute)},
		{"not there, asked since", shipment.Inquiry{Since: since, LastAsked: asked, NotThere: since}, asked.Add(5 * time.Minute)},
	} {
		if got := timing.Due(row.q); !got.Equal(row.want) {
			t.Errorf("%s: due at %s, want %s", row.name, got, row.want)
		}
	}
}

// From the doubt to "may be sent again" at least After plus Again pass, whatever the clock of the sweeps.
func TestTwoReadingsTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := doubtful()
		began := time.Now()
		s.Inquiry = &shipment.Inquiry{Since: began}
		readings := 0
		for !s.Inquiry.Settled {
			<-time.After(7 * time.Second)
			now := time.Now()
			if now.Before(timing.Due(*s.Inquiry)) {
				continue
			}
			readings++
			r := Read(s, shows("UNSHIPPED"), now, timing)
			var err error
			s, err = shipment.Apply(s, shipment.Event{ID: "x", Type: shipment.Found, At: now, Comment: r.Text, Missing: r.Missing, Settled: r.Settled})
			if err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < timing.After+timing.Again || took > timing.After+timing.Again+20*time.Second || readings != 2 {
			t.Errorf("settled after %s and %d readings", took, readings)
		}
	})
}

func TestWholeOrderTakesWhatIsLeft(t *testing.T) {
	o := Order{Items: []OrderItem{{ID: "a", Ordered: 3, Unfulfilled: 2}, {ID: "b", Ordered: 1}, {ID: "c", Ordered: 1, Unfulfilled: 1}}}
	got := WholeOrder(o)
	if len(got) != 2 || got[0].OrderItemID != "a" || got[0].Quantity != 2 || got[1].OrderItemID != "c" || got[1].Quantity != 1 {
		t.Errorf("left of the order: %+v", got)
	}
	if got := WholeOrder(Order{Items: []OrderItem{{ID: "a", Ordered: 1}}}); got != nil {
		t.Errorf("nothing is left, and yet %+v", got)
	}
}
