package shipment

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model is what a test remembers of a history, counted from the events and not from the shipment.
type model struct {
	attempts int      // made and not released
	answered bool     // an answer with a status came
	open     string   // hash of a request without a known outcome
	settled  bool     // its absence at Amazon was proven since it came into doubt
	before   Shipment // what the last attempt found
}

func (m *model) note(before, after Shipment, e Event) {
	switch e.Type {
	case Attempted:
		m.attempts, m.open, m.before = m.attempts+1, e.Attempt.Hash, before
	case Released:
		m.attempts--
		if after.State != Doubt {
			m.open = ""
		}
	case Doubted:
		m.settled = false
	case Outcome:
		m.answered = m.answered || e.Answer.Status != 0
		if e.To == Doubt {
			m.settled = false
			return
		}
		m.open = ""
	case Found:
		if e.To != "" && e.To != Doubt && e.To != Excluded {
			m.open = ""
		}
		m.settled = m.settled || e.Settled
	}
}

func randomEvent(t *rapid.T, s Shipment, i int) Event {
	id := fmt.Sprint(i)
	e := Event{ID: id, Type: rapid.SampledFrom(Types[:]).Draw(t, "type"), At: noon.Add(time.Duration(i) * time.Second), Key: key,
		Actor: "test", Comment: "c" + id, Kind: rapid.SampledFrom([]Kind{Transient, Throttled, Rejected, Incomplete, ByOperator}).Draw(t, "kind")}
	// Most histories should get somewhere, so what happens often is drawn more often.
	if rapid.IntRange(0, 2).Draw(t, "guide") > 0 {
		likely := map[State][]Type{"": {Accepted}, Pending: {Attempted, Exclude, Amended}, Deferred: {Attempted, Requeued}, Confirmed: {Attempted, Found},
			Transmitting: {Outcome, Released, Doubted}, Doubt: {Found, Attempted, Exclude, CloseEvent}, Excluded: {Include}, Closed: {Requeued}, Expired: {Requeued}}
		if l := likely[s.State]; len(l) > 0 {
			e.Type = rapid.SampledFrom(l).Draw(t, "likely")
		}
	}
	if rapid.Bool().Draw(t, "has target") {
		e.To = rapid.SampledFrom(States[:]).Draw(t, "to")
	}
	if e.Type == Outcome {
		e.Answer = &Answer{Status: rapid.SampledFrom([]int{0, 200, 400, 500}).Draw(t, "status")}
	}
	if e.Type == Accepted || e.Type == Amended {
		d := data()
		d.Tracking = rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "tracking")
		e.Account, e.Data = "DE", d
	}
	switch e.Type {
	case Attempted:
		e.Attempt = &Attempt{ID: id, Hash: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "hash"), Correction: rapid.Bool().Draw(t, "correction")}
	case Outcome, Released:
		if e.Attempt = s.Attempt; rapid.IntRange(0, 9).Draw(t, "other attempt") == 0 {
			e.Attempt = &Attempt{ID: "other"}
		}
	}
	e.Missing, e.Settled, e.Waiver = rapid.Bool().Draw(t, "missing"), rapid.Bool().Draw(t, "settled"), rapid.Bool().Draw(t, "waiver")
	return e
}

func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Shipment
		var m model
		for i := range rapid.IntRange(1, 60).Draw(t, "length") {
			e := randomEvent(t, s, i)
			kept := clone(t, s)
			entry, err := Record(s, e)
			if !reflect.DeepEqual(s, kept) {
				t.Fatalf("%s changed the shipment it was given", e.Type)
			}
			if err != nil {
				var r *Refusal
				if !errors.As(err, &r) || r.Why == "" {
					t.Fatalf("%s: %v is not a refusal with a reason", e.Type, err)
				}
				continue
			}
			if e.Type == Attempted && m.open != "" && (e.Attempt.Hash != m.open || !m.settled) {
				t.Fatalf("attempt with body %s although %s is unanswered (settled: %v)", e.Attempt.Hash, m.open, m.settled)
			}
			m.note(s, entry.After, e)
			if e.Type == Released {
				sameButForTime(t, m.before, entry.After)
			}
			s = entry.After
			consistent(t, s, m)
			roundTrip(t, entry)
		}
	})
}

func consistent(t *rapid.T, s Shipment, m model) {
	if !slices.Contains(States[:], s.State) {
		t.Fatalf("state %q is none of the nine", s.State)
	}
	if s.Attempts != m.attempts || s.Answered != m.answered || s.EverSent != (m.attempts > 0) {
		t.Fatalf("attempts %d, answered %v, ever sent %v; want %d, %v, %v", s.Attempts, s.Answered, s.EverSent, m.attempts, m.answered, m.attempts > 0)
	}
	if (s.Attempt != nil) != (m.open != "") || s.Attempt != nil && s.Attempt.Hash != m.open {
		t.Fatalf("open attempt %+v, want body %q", s.Attempt, m.open)
	}
	if (s.State == Transmitting || s.State == Doubt) && s.Attempt == nil || s.State == Doubt && s.Inquiry == nil {
		t.Fatalf("%s without its attempt or inquiry", s.State)
	}
	if s.Unsettled() && s.State != Doubt && s.State != Excluded && s.State != Closed {
		t.Fatalf("%s with an unanswered request", s.State)
	}
	if (s.Queue() != NotQueued) != s.Sendable() {
		t.Fatalf("queue %q, sendable %v", s.Queue(), s.Sendable())
	}
	if len(s.Taken) == 0 || len(s.Taken) > keepTaken {
		t.Fatalf("%d ids of taken events", len(s.Taken))
	}
}

// sameButForTime checks that a released attempt left no trace but the run that made it and, out of doubt, its own name on
// the body that is still unanswered.
func sameButForTime(t *rapid.T, before, after Shipment) {
	if before.State == Doubt && after.Attempt.Hash != before.Attempt.Hash {
		t.Fatalf("released into doubt with body %s, want %s", after.Attempt.Hash, before.Attempt.Hash)
	}
	after.Since, after.LastRun, after.Attempt = before.Since, before.LastRun, before.Attempt
	if !reflect.DeepEqual(before, after) {
		t.Fatalf("released: got %+v, want %+v", after, before)
	}
}

func clone(t *rapid.T, s Shipment) Shipment {
	var out Shipment
	copyJSON(t, s, &out)
	return out
}

func roundTrip(t *rapid.T, e Entry) {
	var back Entry
	copyJSON(t, e, &back)
	if !reflect.DeepEqual(e, back) {
		t.Fatalf("JSON round trip: got %+v, want %+v", back, e)
	}
}

func copyJSON(t *rapid.T, from, to any) {
	b, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
}
