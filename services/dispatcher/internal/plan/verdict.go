package plan

import (
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Certainty says how far a request got.
type Certainty string

// The certainties.
const (
	NotSent   Certainty = "no"
	MaybeSent Certainty = "maybe"
	Answered  Certainty = "answered"
)

// MaxRefusals is how often a shipment may be refused by the quota, or not reach Amazon at all, within one run before it
// is deferred.
const MaxRefusals = 4

// Verdict is what an answer makes of an attempt.
type Verdict struct {
	Type   shipment.Type // Outcome or Released
	To     shipment.State
	Kind   shipment.Kind
	Again  bool // released: try it again in this run
	Halt   bool // the connection as a whole is refused
	Reason string
}

// Judge decides what becomes of an attempt. refusals counts how often this run has already released the shipment.
func Judge(sent Certainty, rule outcome.Rule, refusals int) Verdict {
	defer4 := func(kind shipment.Kind, why string) Verdict {
		if refusals+1 >= MaxRefusals {
			return Verdict{Type: shipment.Outcome, To: shipment.Deferred, Kind: kind, Reason: why}
		}
		return Verdict{Type: shipment.Released, Again: true, Reason: why}
	}
	switch sent {
	case NotSent:
		return defer4(shipment.Transient, "not sent")
	case MaybeSent:
		return Verdict{Type: shipment.Outcome, To: shipment.Doubt, Reason: "no answer"}
	}
	switch rule.Class {
	case outcome.OK:
		return Verdict{Type: shipment.Outcome, To: shipment.Confirmed, Reason: "confirmed"}
	case outcome.Throttled:
		return defer4(shipment.Throttled, "throttled")
	case outcome.Auth:
		return defer4(shipment.Transient, "access token refused")
	case outcome.Account:
		return Verdict{Type: shipment.Released, Halt: true, Reason: "connection refused"}
	case outcome.Retry:
		return Verdict{Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Transient, Reason: "Amazon disturbed"}
	case outcome.Ambiguous:
		return Verdict{Type: shipment.Outcome, To: shipment.Doubt, Reason: "answer does not tell"}
	case outcome.Already, outcome.Order:
		// Amazon's word is verified by a reading before anything is concluded from it.
		return Verdict{Type: shipment.Outcome, To: shipment.Doubt, Reason: "to be verified"}
	case outcome.Skip:
		return Verdict{Type: shipment.Outcome, To: shipment.NotRequired, Reason: "needs no confirmation"}
	}
	return Verdict{Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Rejected, Reason: "refused"}
}
