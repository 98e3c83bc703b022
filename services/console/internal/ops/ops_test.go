package ops

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestRolesInclude(t *testing.T) {
	for i, a := range Roles {
		for j, b := range Roles {
			if a.Includes(b) != (i >= j) {
				t.Errorf("%s includes %s: %v", a, b, a.Includes(b))
			}
		}
		if Role("").Includes(a) || Role("boss").Includes(a) {
			t.Errorf("an unknown role includes %s", a)
		}
	}
}

func TestComment(t *testing.T) {
	for in, ok := range map[string]bool{"": false, " \n": false, " why ": true, strings.Repeat("ä", 500): true, strings.Repeat("ä", 501): false, "a\x00b": false, "two\nlines": true} {
		got, err := reason(in)
		if (err == nil) != ok || ok && got != strings.TrimSpace(in) {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if err != nil && (!fault.Is(err, fault.Invalid) || Remedy(err) == "") {
			t.Errorf("%q: %v has no remedy", in, err)
		}
	}
}

func TestWithRule(t *testing.T) {
	rule := func(carrier, service, code string) settings.MapRule {
		return settings.MapRule{Carrier: carrier, Service: service, CarrierCode: code}
	}
	old := []settings.MapRule{rule("DHL", "", "DHL"), rule("DHL*", "", "DHL")}
	for _, c := range []struct {
		name string
		new  settings.MapRule
		want []string
	}{
		{"new ones go first", rule("UPS", "", "x"), []string{"UPS", "DHL", "DHL*"}},
		{"patterns go last", rule("U*", "", "x"), []string{"DHL", "DHL*", "U*"}},
		{"the same left side is replaced where it stands", rule("dhl*", "", "x"), []string{"DHL", "dhl*"}},
		{"another service is another rule", rule("DHL", "Express", "x"), []string{"DHL", "DHL", "DHL*"}},
	} {
		var got []string
		for _, r := range withRule(old, c.new) {
			got = append(got, r.Carrier)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What was mapped without patterns is what its sender gets, whatever came before.
func TestWithRuleMakesTheRuleCount(t *testing.T) {
	words := rapid.SampledFrom([]string{"DHL", "dhl", "UPS", "Post", "D*", "*"})
	rapid.Check(t, func(t *rapid.T) {
		var rules []settings.MapRule
		for i := range rapid.IntRange(0, 8).Draw(t, "before") {
			rules = withRule(rules, settings.MapRule{Carrier: words.Draw(t, "carrier"), Service: rapid.SampledFrom([]string{"", "Express"}).Draw(t, "service"), CarrierCode: fmt.Sprint("old", i)})
		}
		mine := settings.MapRule{Carrier: "GLS", Service: rapid.SampledFrom([]string{"", "Express"}).Draw(t, "mine"), CarrierCode: "new"}
		got, ok := settings.Mapping{Rules: withRule(rules, mine)}.Map("gls", "Express", "DE")
		if !ok || got.CarrierCode != "new" {
			t.Fatalf("%+v maps GLS to %+v", withRule(rules, mine), got)
		}
	})
}

func TestTakes(t *testing.T) {
	l := settings.Limits{ConfirmRate: 2, ConfirmBurst: 10}
	for n, want := range map[int]time.Duration{1: time.Second, 9: time.Second, 10: 1500 * time.Millisecond, 1009: 501 * time.Second} {
		if got := takes(n, l); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestPreviewText(t *testing.T) {
	at := time.Date(2026, 11, 20, 13, 0, 0, 0, time.UTC)
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	p := Preview{Count: 312, DoneBy: at.Add(153 * time.Second), LastRun: at.Add(-47 * time.Minute), At: at, Zone: berlin}
	for lang, want := range map[string]string{
		"de": "Dieser Lauf würde 312 Aufträge übermitteln, fertig etwa 14:02. Letzter Lauf vor 47 Minuten. Zu häufiges Ausführen kann zur Drosselung durch Amazon führen; die Übermittlung dauert dann insgesamt länger.",
		"en": "This run would send 312 orders, done by about 14:02. Last run 47 minutes ago. Running it too often can make Amazon throttle you, and sending then takes longer overall.",
	} {
		if got := p.Text(lang); got != want {
			t.Errorf("%s: %s", lang, got)
		}
	}
	if got := (Preview{At: at, Zone: berlin}).Text("en"); strings.Contains(got, "Last run") || !strings.Contains(got, "done by about –") {
		t.Errorf("without a run before and nothing to send: %s", got)
	}
}

// Whatever the state table refuses becomes an error with a kind people can act on and a remedy.
func TestRefusalsAreExplained(t *testing.T) {
	k := shipment.Key{Connection: "EU", Order: "302-1234567-1234567", Package: "1"}
	for _, s := range append([]shipment.State{""}, shipment.States[:]...) {
		for _, typ := range shipment.Types {
			for _, why := range []shipment.Why{shipment.NotFromHere, shipment.BeingSent, shipment.Unanswered, shipment.NothingNew} {
				err := explain(&shipment.Refusal{Key: k, State: s, Type: typ, Why: why})
				if kind := fault.KindOf(err); Remedy(err) == "" || kind != fault.Conflict && kind != fault.Invalid && kind != fault.NotFound {
					t.Errorf("%s in %q (%s): %s, %v", typ, s, why, kind, err)
				}
			}
		}
	}
}

// asked is a board that notes what it is asked for.
type asked struct {
	Board
	triggers []job.Trigger
}

func (b *asked) Ask(_ context.Context, t job.Trigger) (bool, error) {
	b.triggers = append(b.triggers, t)
	return true, nil
}

func TestReplaySplitsOver5000(t *testing.T) {
	var keys []shipment.Key
	for i := range 2*job.MaxKeys + 1 {
		keys = append(keys, shipment.Key{Connection: "EU", Order: fmt.Sprintf("302-0000000-%07d", i), Package: "1"})
	}
	keys = append(keys, shipment.Key{Connection: "UK", Order: "302-0000000-0000000", Package: "1"})
	board := &asked{}
	o := New(Config{Board: board})
	for _, op := range []string{"op", "op", "other"} {
		if _, err := o.send(t.Context(), Actor{Name: "anna", Role: Operator}, keys, "why", op); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	seen := map[shipment.Key]bool{}
	ids := map[string]bool{}
	for _, tr := range board.triggers[:4] {
		sizes = append(sizes, len(tr.Keys))
		ids[tr.RunID] = true
		for _, k := range tr.Keys {
			if seen[k] || k.Connection != tr.Connection {
				t.Fatalf("%s is twice in the runs or in one of %s", k, tr.Connection)
			}
			seen[k] = true
		}
	}
	if !slices.Equal(sizes, []int{job.MaxKeys, job.MaxKeys, 1, 1}) || len(seen) != len(keys) || len(ids) != 4 {
		t.Errorf("runs of %v shipments, %d ids", sizes, len(ids))
	}
	for i, tr := range board.triggers[4:] {
		if same := ids[tr.RunID]; same != (i < 4) {
			t.Errorf("trigger %d: the same run %v", i+4, same)
		}
	}
}

// forgetful is a ledger that appends and then does not say so.
type forgetful struct {
	Ledger
	heads   map[shipment.Key]shipment.Entry
	appends int
}

func (l *forgetful) LastMany(_ context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	return maps.Clone(l.heads), nil
}

func (l *forgetful) AppendAll(_ context.Context, drafts []ledger.Draft) []ledger.Result {
	var out []ledger.Result
	for _, d := range drafts {
		l.heads[d.Entry.After.Key] = d.Entry
		l.appends++
		out = append(out, ledger.Result{Err: fault.New(fault.Unavailable, "no answer")})
	}
	return out
}

func (l *forgetful) Change(_ context.Context, k shipment.Key, decide func(shipment.Entry) (shipment.Event, error)) (shipment.Entry, error) {
	last := l.heads[k]
	ev, err := decide(last)
	if err != nil || ev.Type == "" {
		return last, err
	}
	e, err := shipment.Record(last.After, ev)
	if err == nil {
		l.heads[k] = e
		l.appends++
	}
	return e, err
}

// A change whose answer was lost is recognised by its id and not made twice.
func TestALostAnswerIsNoSecondChange(t *testing.T) {
	k := shipment.Key{Connection: "EU", Order: "302-1234567-1234567", Package: "1"}
	first, err := shipment.Record(shipment.Shipment{}, shipment.Event{ID: "1", Type: shipment.Accepted, Key: k, Account: "DE", Data: &shipment.Data{ShippedAt: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	l := &forgetful{heads: map[shipment.Key]shipment.Entry{k: first}}
	b, err := New(Config{Ledger: l}).Exclude(t.Context(), Actor{Name: "anna", Role: Operator}, Selection{Keys: []shipment.Key{k}}, "why")
	if err != nil || b.Done != 1 || b.Items[0].State != shipment.Excluded || l.appends != 1 {
		t.Errorf("%+v, %v, %d appends", b, err, l.appends)
	}
}
