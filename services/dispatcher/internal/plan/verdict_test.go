package plan

import (
	"testing"

	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

var classes = []outcome.Class{outcome.OK, outcome.Already, outcome.Throttled, outcome.Retry, outcome.Ambiguous, outcome.Auth,
	outcome.Account, outcome.Data, outcome.Order, outcome.Skip, outcome.Unknown, "something new"}

// What an answer makes of an attempt, without its reason.
var answered4 = map[outcome.Class]Verdict{
	outcome.OK:        {Type: shipment.Outcome, To: shipment.Confirmed},
	outcome.Already:   {Type: shipment.Outcome, To: shipment.Doubt},
	outcome.Retry:     {Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Transient},
	outcome.Ambiguous: {Type: shipment.Outcome, To: shipment.Doubt},
	outcome.Account:   {Type: shipment.Released, Halt: true},
	outcome.Data:      {Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Rejected},
	outcome.Order:     {Type: shipment.Outcome, To: shipment.Doubt},
	outcome.Skip:      {Type: shipment.Outcome, To: shipment.NotRequired},
	outcome.Unknown:   {Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Rejected},
	"something new":   {Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Rejected},
}

// Refusals that say nothing about the shipment, and what it is deferred as when they do not end.
var patient = map[outcome.Class]shipment.Kind{outcome.Throttled: shipment.Throttled, outcome.Auth: shipment.Transient}

func TestJudge(t *testing.T) {
	again := Verdict{Type: shipment.Released, Again: true}
	for _, c := range classes {
		for refusals := range 6 {
			for _, sent := range []Certainty{NotSent, MaybeSent, Answered} {
				want := answered4[c]
				kind, waits := patient[c]
				switch {
				case sent == MaybeSent: // whatever else is claimed: it may have arrived
					want = Verdict{Type: shipment.Outcome, To: shipment.Doubt}
				case sent == NotSent:
					kind, waits = shipment.Transient, true
				}
				if sent != MaybeSent && waits {
					want = again
					if refusals >= 3 {
						want = Verdict{Type: shipment.Outcome, To: shipment.Deferred, Kind: kind}
					}
				}
				got := Judge(sent, outcome.Rule{Class: c}, refusals)
				if got.Reason == "" {
					t.Errorf("%s %s: no reason", c, sent)
				}
				got.Reason = ""
				if got != want {
					t.Errorf("%s %s after %d refusals: %+v, want %+v", c, sent, refusals, got, want)
				}
			}
		}
	}
}

// Whatever the catalogue says, the state table takes the verdict.
func TestEveryVerdictIsAStepTheStateTableKnows(t *testing.T) {
	for _, r := range outcome.All() {
		for refusals := range 5 {
			for _, sent := range []Certainty{NotSent, MaybeSent, Answered} {
				v := Judge(sent, r, refusals)
				to := v.To
				if v.Type == shipment.Released {
					to = shipment.Pending
				}
				if !shipment.Allowed(v.Type, shipment.Transmitting, to) {
					t.Errorf("rule %s, %s: %s to %q", r.ID, sent, v.Type, v.To)
				}
				if v.Type == shipment.Released && v.Again == v.Halt {
					t.Errorf("rule %s, %s: released, and then?", r.ID, sent)
				}
				if sent == Answered && !r.BurnsAttempt && r.Class != outcome.OK && v.To == shipment.Doubt {
					t.Errorf("rule %s: provably not processed and in doubt", r.ID)
				}
			}
		}
	}
}
