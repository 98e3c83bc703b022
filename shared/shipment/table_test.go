package shipment

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The transition table, typed a second time from the specification and not from the code. A row is a shipment with a
// past, a column an event type. A cell lists the states the event may lead to, or says why it is refused:
//
//	P pending  T transmitting  D deferred  ? doubt  C confirmed  E expired  X excluded  N not_required  Z closed
//	+ an edit of a confirmed package: doubt, or confirmed whatever Amazon says
//	- no such step from here   s being sent   u unanswered request   w answer of another attempt
const expected = `
                  accepted attempt outcome released doubt expired excluded included requeued amended note finding closed
unknown           PEN      -       -       -        -     -       -        -        -        -       -    -       -
pending           -        T       -       -        -     E       X        -        P        P       P    CDNZ    Z
deferred          -        T       -       -        -     E       X        -        D        D       D    CDNZ    Z
deferred_missing  -        T       -       -        -     E       X        -        D        D       D    CDNZ    Z
transmitting      s        s       CD?NZ   P        ?     s       s        s        s        s       T    s       s
transmitting_2nd  s        s       CD?NZ   D        ?     s       s        s        s        s       T    s       s
resending         s        s       CD?NZ   ?        ?     s       s        s        s        s       T    s       s
correcting        s        s       +       C        ?     s       s        s        s        s       T    s       s
doubt             -        u       CDNZ    -        -     -       X        -        -        u       ?    CD?NZ   Z
doubt_settled     -        T       CDNZ    -        -     -       X        -        -        u       ?    CD?NZ   Z
confirmed         -        T       -       -        -     -       -        -        -        -       C    CD      -
expired           -        -       -       -        -     -       X        -        P        E       E    CZ      Z
expired_tried     -        -       -       -        -     -       X        -        D        E       E    CZ      Z
excluded          -        -       -       -        -     -       -        P        -        X       X    CXZ     Z
excluded_tried    -        -       -       -        -     -       -        D        -        X       X    CXZ     Z
excluded_doubt    -        -       -       -        -     -       -        ?        -        u       X    CXZ     Z
not_required      -        -       -       -        -     -       -        -        P        N       N    CN      -
not_required_said -        -       -       -        -     -       -        -        D        N       N    CN      -
closed            -        -       -       -        -     -       -        -        P        -       Z    -       -
closed_tried      -        -       -       -        -     -       -        -        D        -       Z    -       -
closed_doubt      -        -       -       -        -     -       -        -        ?        -       Z    -       -
`

var letters = map[byte]State{'P': Pending, 'T': Transmitting, 'D': Deferred, '?': Doubt, 'C': Confirmed, 'E': Expired,
	'X': Excluded, 'N': NotRequired, 'Z': Closed}

var reasons = map[string]Why{"-": NotFromHere, "s": BeingSent, "u": Unanswered}

var (
	noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	key  = Key{Connection: "EU", Order: "302-1234567-1234567", Package: "1"}
)

func data() *Data {
	return &Data{ShippedAt: noon.Add(-time.Hour), Carrier: "DHL", Tracking: "00340434", LabelSource: LabelOwn, Source: "service"}
}

func report() Event {
	return Event{ID: "report", Type: Accepted, At: noon, Key: key, Account: "DE", Data: data(), To: Pending}
}

func try(id, hash string) Event {
	return Event{ID: id, Type: Attempted, At: noon, Run: "run-" + id, Attempt: &Attempt{ID: id, Run: "run-" + id, Hash: hash, Body: hash}}
}

func answer(id string, to State) Event {
	return Event{ID: "answer-" + id, Type: Outcome, At: noon, To: to, Attempt: &Attempt{ID: id}, Answer: &Answer{Status: 400}}
}

// plain is an event of type t that lacks nothing for any shipment of the table; its target, where it has one, is to.
func plain(t Type, s Shipment, to State) Event {
	e := Event{ID: "x", Type: t, At: noon.Add(time.Hour), Key: key, To: to}
	switch t {
	case Accepted:
		e.Account, e.Data = "DE", data()
	case Attempted:
		e.Attempt = &Attempt{ID: "x", Hash: "h", Correction: s.State == Confirmed}
	case Outcome, Released:
		e.Attempt = s.Attempt
		if e.Attempt == nil {
			e.Attempt = &Attempt{ID: "x"}
		}
	case Amended:
		d := s.Data
		d.Tracking += "9"
		e.Data = &d
	case CloseEvent:
		e.Kind = ByOperator
	}
	return e
}

func fold(t *testing.T, events ...Event) Shipment {
	t.Helper()
	var s Shipment
	for _, e := range events {
		next, err := Apply(s, e)
		if err != nil {
			t.Fatalf("%s: %v", e.Type, err)
		}
		s = next
	}
	return s
}

func pasts(t *testing.T) map[string]Shipment {
	ev := func(ty Type) Event { return Event{ID: string(ty), Type: ty, At: noon, Kind: ByOperator} }
	settled := Event{ID: "f", Type: Found, At: noon, Missing: true, Settled: true}
	missing := Event{ID: "f", Type: Found, At: noon, To: Deferred, Kind: Incomplete}
	refused := answer("1", Deferred)
	refused.Kind = Rejected
	edit := try("2", "h2")
	edit.Attempt.Correction = true
	label := report()
	label.To = NotRequired
	return map[string]Shipment{
		"unknown":           {},
		"pending":           fold(t, report()),
		"deferred":          fold(t, report(), try("1", "h"), refused),
		"deferred_missing":  fold(t, report(), missing),
		"transmitting":      fold(t, report(), try("1", "h")),
		"transmitting_2nd":  fold(t, report(), try("1", "h"), refused, try("2", "h2")),
		"resending":         fold(t, report(), try("1", "h"), ev(Doubted), settled, try("2", "h")),
		"correcting":        fold(t, report(), try("1", "h"), answer("1", Confirmed), edit),
		"doubt":             fold(t, report(), try("1", "h"), ev(Doubted)),
		"doubt_settled":     fold(t, report(), try("1", "h"), ev(Doubted), settled),
		"confirmed":         fold(t, report(), try("1", "h"), answer("1", Confirmed)),
		"expired":           fold(t, report(), ev(Aged)),
		"expired_tried":     fold(t, report(), try("1", "h"), refused, ev(Aged)),
		"excluded":          fold(t, report(), ev(Exclude)),
		"excluded_tried":    fold(t, report(), try("1", "h"), refused, ev(Exclude)),
		"excluded_doubt":    fold(t, report(), try("1", "h"), ev(Doubted), ev(Exclude)),
		"not_required":      fold(t, label),
		"not_required_said": fold(t, report(), try("1", "h"), answer("1", NotRequired)),
		"closed":            fold(t, report(), ev(CloseEvent)),
		"closed_tried":      fold(t, report(), try("1", "h"), refused, ev(CloseEvent)),
		"closed_doubt":      fold(t, report(), try("1", "h"), ev(Doubted), ev(CloseEvent)),
	}
}

func TestTable(t *testing.T) {
	past := pasts(t)
	rows := strings.Split(strings.TrimSpace(expected), "\n")
	types := strings.Fields(rows[0])
	if len(types) != len(Types) || len(rows)-1 != len(past) {
		t.Fatalf("the table has %d types and %d rows, want %d and %d", len(types), len(rows)-1, len(Types), len(past))
	}
	for _, row := range rows[1:] {
		cells := strings.Fields(row)
		before, ok := past[cells[0]]
		if !ok || len(cells) != len(types)+1 {
			t.Fatalf("row %q is malformed", row)
		}
		for i, cell := range cells[1:] {
			checkCell(t, cells[0], before, Type(types[i]), cell)
		}
	}
}

func checkCell(t *testing.T, row string, before Shipment, typ Type, cell string) {
	t.Helper()
	chooses := typ == Accepted || typ == Outcome || typ == Found // others say themselves where they lead
	for _, to := range States {
		if !chooses && to != States[0] {
			continue
		}
		after, err := Apply(before, plain(typ, before, to))
		if why, no := reasons[cell]; no {
			wantRefusal(t, row, before, after, typ, err, why)
			continue
		}
		if cell == "+" && Allowed(Outcome, Transmitting, to) {
			if want := map[bool]State{true: Doubt, false: Confirmed}[to == Doubt]; err == nil && after.State != want || err != nil {
				t.Errorf("%s + %s -> %s: %s, %v, want %s", row, typ, to, after.State, err, want)
			}
			continue
		}
		if cell == "+" {
			wantRefusal(t, row, before, after, typ, err, NotFromHere)
			continue
		}
		allowed := map[State]bool{}
		for i := range len(cell) {
			allowed[letters[cell[i]]] = true
		}
		switch {
		case chooses && !allowed[to]:
			wantRefusal(t, row, before, after, typ, err, NotFromHere)
		case err != nil:
			t.Errorf("%s + %s -> %s: %v", row, typ, to, err)
		case chooses && after.State != to || !allowed[after.State]:
			t.Errorf("%s + %s -> %s: state %s, want one of %s", row, typ, to, after.State, cell)
		}
	}
}

func wantRefusal(t *testing.T, row string, before, after Shipment, typ Type, err error, why Why) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || r.Why != why || r.Type != typ || r.State != before.State || r.Key != key {
		t.Errorf("%s + %s: got %+v (%v), want a refusal %s", row, typ, r, err, why)
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("%s + %s: refused, but the shipment changed", row, typ)
	}
}

func TestDemands(t *testing.T) {
	past := pasts(t)
	for _, c := range []struct {
		name, row string
		event     Event
		why       Why
		text      string
	}{
		{"report without data", "unknown", Event{Type: Accepted, Key: key, Account: "DE"}, Malformed, "lacks what it needs"},
		{"report without account", "unknown", Event{Type: Accepted, Key: key, Data: data()}, Malformed, "EU/302-1234567-1234567/1"},
		{"report without key", "unknown", Event{Type: Accepted, Account: "DE", Data: data()}, Malformed, "lacks"},
		{"correction of nothing", "unknown", Event{Type: Amended, Key: key, Data: data()}, NotFromHere, "EU/302-1234567-1234567/1 is not known"},
		{"attempt without record", "pending", Event{Type: Attempted}, Malformed, "lacks"},
		{"attempt without id", "pending", Event{Type: Attempted, Attempt: &Attempt{Hash: "h"}}, Malformed, "lacks"},
		{"attempt without hash", "pending", Event{Type: Attempted, Attempt: &Attempt{ID: "1"}}, Malformed, "lacks"},
		{"other body in doubt", "doubt", try("2", "other"), Unanswered, "is being checked with Amazon"},
		{"other body, doubt settled", "doubt_settled", try("2", "other"), Unanswered, "is being checked with Amazon"},
		{"second confirmation, no correction", "confirmed", try("2", "h"), NotFromHere, "is confirmed"},
		{"outcome without attempt", "transmitting", Event{Type: Outcome, To: Confirmed}, Malformed, "lacks"},
		{"outcome without target", "transmitting", answer("1", ""), Malformed, "lacks"},
		{"outcome of another attempt", "transmitting", answer("2", Confirmed), WrongAttempt, "another attempt"},
		{"outcome of another attempt in doubt", "doubt", answer("2", Confirmed), WrongAttempt, "another attempt"},
		{"release of another attempt", "transmitting", Event{Type: Released, Attempt: &Attempt{ID: "2"}}, WrongAttempt, "another attempt"},
		{"release without attempt", "transmitting", Event{Type: Released}, Malformed, "lacks"},
		{"correction without data", "pending", Event{Type: Amended}, Malformed, "lacks"},
		{"correction that changes nothing", "pending", Event{Type: Amended, Data: data()}, NothingNew, "changes nothing"},
		{"closing without reason", "pending", Event{Type: CloseEvent}, Malformed, "lacks"},
		{"anything while sending", "transmitting", Event{Type: Exclude}, BeingSent, "is being sent right now"},
		{"unknown type", "pending", Event{Type: "surprise"}, NotFromHere, "is pending"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := past[c.row]
			after, err := Apply(before, c.event)
			var r *Refusal
			if !errors.As(err, &r) || r.Why != c.why || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v, want %s with %q", err, c.why, c.text)
			}
			if !reflect.DeepEqual(before, after) {
				t.Fatal("refused, but the shipment changed")
			}
		})
	}
}

func TestFlagsAndEnds(t *testing.T) {
	flagged := map[State]bool{Pending: true, Transmitting: true, Deferred: true, Doubt: true, Expired: true}
	final := map[State]bool{Confirmed: true, NotRequired: true, Closed: true}
	for _, s := range States {
		if s.Flagged() != flagged[s] || s.Final() != final[s] {
			t.Errorf("%s: flagged %v, final %v", s, s.Flagged(), s.Final())
		}
	}
	if len(States) != 9 || State("").Flagged() || State("").Final() {
		t.Error("nine states, and an unknown shipment is neither flagged nor final")
	}
}
