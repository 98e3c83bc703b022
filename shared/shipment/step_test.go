package shipment

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestAttemptRemembersWhereItCameFrom(t *testing.T) {
	s := pasts(t)["transmitting_2nd"]
	a := s.Attempt
	if a.N != 2 || a.From != Deferred || a.FromKind != Rejected || !a.SentBefore || s.LastRun != "run-2" || !s.EverSent {
		t.Fatalf("attempt %+v of %+v", a, s)
	}
	first := pasts(t)["transmitting"].Attempt
	if first.N != 1 || first.From != Pending || first.SentBefore {
		t.Fatalf("first attempt %+v", first)
	}
}

func TestUnansweredRequestOutlivesExclusionAndClosing(t *testing.T) {
	for _, out := range []Event{{Type: Exclude}, {Type: CloseEvent, Kind: ByOperator}} {
		back := Event{Type: Include}
		if out.Type == CloseEvent {
			back.Type = Requeued
		}
		s := fold(t, report(), try("1", "h"), Event{Type: Doubted, At: noon}, out, back)
		if s.State != Doubt || s.Attempt == nil || s.Sendable() {
			t.Fatalf("after %s and %s: %s, sendable %v", out.Type, back.Type, s.State, s.Sendable())
		}
		if _, err := Apply(s, try("2", "h")); err == nil {
			t.Fatalf("after %s and %s: sent again without asking Amazon", out.Type, back.Type)
		}
	}
}

func TestFindingsAboutDoubt(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	s := fold(t, report(), try("1", "h"), Event{Type: Doubted, At: at(1)},
		Event{Type: Found, At: at(3), Missing: true, Comment: "not there"}, Event{Type: Found, At: at(5), Comment: "throttled"})
	want := Inquiry{Since: at(1), NotThere: at(3), LastAsked: at(5), LastText: "throttled"}
	if *s.Inquiry != want || s.Since != at(1) {
		t.Fatalf("inquiry %+v since %s, want %+v", *s.Inquiry, s.Since, want)
	}
	s = fold(t, report(), try("1", "h"), Event{Type: Doubted, At: at(1)}, Event{Type: Found, At: at(8), Missing: true, Settled: true},
		Event{Type: Found, At: at(9)})
	if !s.Sendable() || s.Queue() != Again {
		t.Fatal("a settled doubt stays settled when asked again")
	}
	again := fold(t, report(), try("1", "h"), Event{Type: Doubted, At: at(1)}, Event{Type: Found, At: at(8), Settled: true},
		try("2", "h"), Event{Type: Doubted, At: at(9)})
	if again.Sendable() || again.Inquiry.Since != at(9) {
		t.Fatalf("a second doubt starts from nothing: %+v", again.Inquiry)
	}
}

func TestFindingMayNotInventDoubt(t *testing.T) {
	if _, err := Apply(pasts(t)["deferred"], Event{Type: Found, To: Doubt}); err == nil {
		t.Fatal("a finding led from deferred to doubt without a request")
	}
}

func TestTakenKeepsTheNewest(t *testing.T) {
	s := fold(t, report())
	for i := range keepTaken + 5 {
		d := *data()
		d.Tracking = fmt.Sprint(i)
		s = func() Shipment { n, _ := Apply(s, Event{ID: fmt.Sprint("a", i), Type: Amended, Data: &d}); return n }()
	}
	if len(s.Taken) != keepTaken || s.Took("report") || s.Took("a4") || !s.Took("a5") || !s.Took(fmt.Sprint("a", keepTaken+4)) {
		t.Fatalf("taken %v", s.Taken)
	}
}

func TestCorrectionLifts(t *testing.T) {
	s := pasts(t)["deferred"]
	if s.Queue() != Refused {
		t.Fatalf("queue %q", s.Queue())
	}
	d := s.Data
	d.Tracking = "new"
	entry, err := Record(s, Event{ID: "fix", Type: Amended, Data: &d})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Change{{"trackingNumber", "00340434", "new"}}; !slices.Equal(entry.Changes, want) || entry.After.Queue() != Again {
		t.Fatalf("changes %v, queue %q", entry.Changes, entry.After.Queue())
	}
	again := fold(t, report(), try("1", "h"), answer("1", Deferred), Event{ID: "fix", Type: Amended, Data: &d}, try("2", "h2"), answer("2", Deferred))
	if again.Changed {
		t.Fatal("a refusal after the correction makes it untouched again")
	}
}

func TestQueue(t *testing.T) {
	for _, c := range []struct {
		s    Shipment
		want Queue
	}{
		{Shipment{State: Pending}, New},
		{Shipment{State: Pending, Changed: true}, New},
		{Shipment{State: Deferred, Kind: Transient}, Again},
		{Shipment{State: Deferred, Kind: Throttled}, Again},
		{Shipment{State: Deferred, Kind: Rejected}, Refused},
		{Shipment{State: Deferred, Kind: Rejected, Changed: true}, Again},
		{Shipment{State: Deferred, Kind: Incomplete}, Refused},
		{Shipment{State: Deferred, Kind: Incomplete, Changed: true}, Again},
		{Shipment{State: Doubt, Inquiry: &Inquiry{}}, NotQueued},
		{Shipment{State: Doubt, Inquiry: &Inquiry{Settled: true}}, Again},
		{Shipment{State: Transmitting}, NotQueued}, {Shipment{State: Confirmed}, NotQueued}, {Shipment{State: Expired}, NotQueued},
		{Shipment{State: Excluded}, NotQueued}, {Shipment{State: NotRequired}, NotQueued}, {Shipment{State: Closed}, NotQueued}, {Shipment{}, NotQueued},
	} {
		if got := c.s.Queue(); got != c.want {
			t.Errorf("%s %s changed %v: queue %q, want %q", c.s.State, c.s.Kind, c.s.Changed, got, c.want)
		}
	}
}

func TestGroups(t *testing.T) {
	for r, want := range map[RejectedOrder][]Queue{
		RejectedLast: {Again, New, Refused}, RejectedFirst: {Again, Refused, New}, RejectedAfterCorrection: {Again, New}, "": {Again, New, Refused},
	} {
		if got := Groups(r); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", r, got, want)
		}
	}
}

func TestAgesAt(t *testing.T) {
	week := 7 * 24 * time.Hour
	for _, c := range []struct {
		name  string
		s     Shipment
		limit time.Duration
		ages  bool
	}{
		{"pending", Shipment{State: Pending}, week, true},
		{"deferred", Shipment{State: Deferred}, week, true},
		{"waived", Shipment{State: Pending, AgeWaiver: true}, week, false},
		{"no limit", Shipment{State: Pending}, 0, false},
		{"transmitting", Shipment{State: Transmitting}, week, false},
		{"doubt", Shipment{State: Doubt, Inquiry: &Inquiry{Settled: true}}, week, false},
		{"excluded", Shipment{State: Excluded}, week, false},
		{"confirmed", Shipment{State: Confirmed}, week, false},
	} {
		c.s.Data.ShippedAt = noon
		at, ages := c.s.AgesAt(c.limit)
		if ages != c.ages || ages && !at.Equal(noon.Add(c.limit)) {
			t.Errorf("%s: %s %v", c.name, at, ages)
		}
	}
}

func TestDiffers(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Data)
		want []string
	}{
		{"nothing", func(*Data) {}, nil},
		{"another door", func(d *Data) { d.Source = "import" }, nil},
		{"reference on one side", func(d *Data) { d.Reference = "R-1" }, nil},
		{"service on one side", func(d *Data) { d.Service = "Paket" }, nil},
		{"ship-by on one side", func(d *Data) { d.ShipBy = noon }, nil},
		{"order of programs", func(d *Data) { d.Programs = []string{"B", "A"} }, nil},
		{"order of items and codes", func(d *Data) {
			d.Items = []Item{{"2", 1, nil}, {"1", 2, []string{"y", "x"}}}
		}, nil},
		{"same instant, other zone", func(d *Data) { d.ShippedAt = d.ShippedAt.In(time.FixedZone("CET", 3600)) }, nil},
		{"tracking and carrier", func(d *Data) { d.Tracking, d.Carrier = "x", "UPS" }, []string{"carrier", "trackingNumber"}},
		{"quantity", func(d *Data) { d.Items = []Item{{"1", 3, []string{"x", "y"}}, {"2", 1, nil}} }, []string{"items"}},
		{"whole order", func(d *Data) { d.Items = nil }, []string{"items"}},
		{"label", func(d *Data) { d.LabelSource = "" }, []string{"labelSource"}},
		{"time", func(d *Data) { d.ShippedAt = noon }, []string{"shippedAt"}},
	} {
		known := *data()
		known.Programs, known.Items = []string{"A", "B"}, []Item{{"1", 2, []string{"x", "y"}}, {"2", 1, nil}}
		reported := known
		c.edit(&reported)
		var got []string
		for _, ch := range Differs(known, reported) {
			got = append(got, ch.Field)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: differs in %v, want %v", c.name, got, c.want)
		}
	}
}

func TestIdentifiers(t *testing.T) {
	for in, want := range map[string]bool{
		"EU/302-1234567-1234567/1": true, "EU/S02-1234567-1234567/12": true, "eu/302-1234567-1234567/1": false,
		"EU/302-1234567-1234567/0": false, "EU/302-1234567-1234567/01": false, "EU/302-1234567-123456/1": false,
		"EU/302-123456a-1234567/1": false, "EU/302-1234567-1234567": false, "/302-1234567-1234567/1": false, "EU.X/302-1234567-1234567/1": false,
	} {
		k, err := ParseKey(in)
		if (err == nil) != want || want && k.String() != in {
			t.Errorf("%s: %v, %v", in, k, err)
		}
	}
}

// A confirmation without effect goes back into the queue ahead of new ones, and is counted; what only shows something
// changes nothing else.
func TestReconciliation(t *testing.T) {
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	shown := &Shown{At: at(9), Finding: NoEffect, Status: "UNSHIPPED"}
	s := fold(t, report(), try("1", "h"), answer("1", Confirmed), Event{Type: Found, At: at(9), To: Deferred, Kind: Transient, Shown: shown})
	if s.State != Deferred || s.Queue() != Again || s.Reopened != 1 || s.Shown != shown || s.Attempt != nil || s.Fingerprint != NoEffect.Print() || !s.EverSent || !s.Since.Equal(at(9)) {
		t.Errorf("reopened: %+v", s)
	}
	s = fold(t, report(), try("1", "h"), answer("1", Confirmed), Event{Type: Found, At: at(9), To: Confirmed, Shown: &Shown{Finding: OnItsWay}})
	if s.State != Confirmed || s.Reopened != 0 || s.Since.Equal(at(9)) || s.Shown.Finding != OnItsWay {
		t.Errorf("on its way: %+v", s)
	}
	s = fold(t, report(), try("1", "h"), Event{Type: Doubted, At: at(1)}, Event{Type: Exclude, At: at(2)}, Event{Type: Found, At: at(9), To: Excluded, Shown: &Shown{Finding: StillOpen}})
	if s.State != Excluded || s.Attempt == nil || s.Inquiry == nil || !s.Inquiry.LastAsked.Equal(at(9)) || s.Shown == nil {
		t.Errorf("a reminder touches what is unanswered: %+v", s)
	}
	if s, err := Apply(s, Event{Type: Include, At: at(10)}); err != nil || s.Fingerprint != "" {
		t.Errorf("included again, still grouped with those to be reported by hand: %+v, %v", s, err)
	}
}

// An edit of what Amazon has is explicit, is tried like anything that waits, and whatever comes of it the package stays
// confirmed.
func TestEditsOfAConfirmedPackage(t *testing.T) {
	d := *data()
	d.Tracking = "right"
	edit := Event{ID: "e", Type: Amended, At: noon.Add(time.Hour), Data: &d, Edit: true}
	confirmed := []Event{report(), try("1", "h"), answer("1", Confirmed)}
	s := fold(t, append(confirmed, edit)...)
	if s.State != Confirmed || !s.Edited() || !s.Sendable() || s.Queue() != Again || s.State.Flagged() || !s.Since.Equal(noon) || s.Data.Tracking != "right" {
		t.Fatalf("edited: %+v", s)
	}
	attempt := func(id, hash string) Event {
		e := try(id, hash)
		e.Attempt.Correction = true
		return e
	}
	refused, failed := answer("2", Deferred), answer("2", Deferred)
	refused.Kind, refused.Print, failed.Kind = Rejected, "cap", Transient
	doubt, there := answer("2", Doubt), Event{ID: "f", Type: Found, At: noon, To: Confirmed}
	for _, row := range []struct {
		name   string
		events []Event
		kind   Kind
		edits  int
		waits  bool
	}{
		{"taken", []Event{answer("2", Confirmed)}, "", 1, false},
		{"refused", []Event{refused}, EditRefused, 0, false},
		{"failed", []Event{failed}, "", 0, true},
		{"order cancelled meanwhile", []Event{answer("2", Closed)}, EditRefused, 0, false},
		{"in doubt, then seen", []Event{doubt, there}, "", 1, false},
		{"in doubt, sent again", []Event{doubt, {ID: "f", Type: Found, At: noon, Settled: true}, try("3", "h2"), answer("3", Confirmed)}, "", 1, false},
	} {
		s := fold(t, append(append(append([]Event{}, confirmed...), edit, attempt("2", "h2")), row.events...)...)
		if s.State != Confirmed || s.Kind != row.kind || s.Edits != row.edits || s.Edited() != row.waits || s.Attempt != nil || s.Inquiry != nil {
			t.Errorf("%s: %+v", row.name, s)
		}
	}
	for name, events := range map[string][]Event{
		"not explicit":      append(confirmed, Event{Type: Amended, Data: &d}),
		"shipped by others": {report(), {Type: Found, At: noon, To: Confirmed, Kind: Elsewhere}, edit},
	} {
		s := fold(t, events[:len(events)-1]...)
		if _, err := Apply(s, events[len(events)-1]); err == nil {
			t.Errorf("%s: edited all the same", name)
		}
	}
	same := edit
	same.Data = data()
	if s := fold(t, append(confirmed, same)...); !s.Edited() { // the mapping has changed, not the data
		t.Errorf("the same data again: %+v", s)
	}
}

// A label that turns out to be the seller's own has to be reported after all.
func TestOwnLabelIsQueued(t *testing.T) {
	later := noon.Add(time.Hour)
	amazons, said := report(), answer("1", NotRequired)
	amazons.To, amazons.Data.LabelSource = NotRequired, LabelAmazon
	own := Event{ID: "own", Type: Amended, At: later, Data: data()}
	other := *data()
	other.LabelSource, other.Carrier = LabelAmazon, "GLS"
	open := Event{Type: Found, At: later, To: NotRequired, Shown: &Shown{Finding: StillOpen}}
	for _, row := range []struct {
		name string
		past []Event
		want State
	}{
		{"never tried", []Event{amazons, own}, Pending},
		{"found open at Amazon", []Event{amazons, open, own}, Pending},
		{"another correction", []Event{amazons, {ID: "c", Type: Amended, At: later, Data: &other}}, NotRequired},
		{"said by Amazon, own all along", []Event{report(), try("1", "h"), said, {ID: "c", Type: Amended, At: later, Data: &Data{LabelSource: LabelOwn, Carrier: "GLS"}}}, NotRequired},
	} {
		s := fold(t, row.past...)
		if s.State != row.want || s.Fingerprint != "" || row.want == Pending && s.Since != later {
			t.Errorf("%s: %s since %s, fingerprint %q, want %s", row.name, s.State, s.Since, s.Fingerprint, row.want)
		}
	}
}
