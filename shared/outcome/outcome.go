// Package outcome is the catalogue of Amazon's answers: it turns what Amazon (or the network) said about one request
// into a rule that names the class of the outcome, its effect on the circuit breaker, whether it counts as an attempt,
// which field a clerk has to correct and the remedy in German and English. The catalogue is data: Classify walks the
// rules in order, the first match wins, and every answer matches some rule; an unknown 400 goes to the operator.
// It is pure and safe for concurrent use. It does not send anything, does not decide about retries or pauses, and never
// replaces Amazon's own text, which travels verbatim beside the rule.
package outcome

import "strings"

//go:generate go run ./cmd/page ../../docs/outcomes.md

// Class says what an outcome means for the shipment.
type Class string

// The classes. Ambiguous is the only one after which Amazon may or may not have processed the request.
const (
	OK        Class = "ok"        // done
	Already   Class = "already"   // Amazon knows the shipment: success once a reading has verified it
	Throttled Class = "throttled" // over quota, not processed: slow down
	Retry     Class = "retry"     // transient, not processed
	Ambiguous Class = "ambiguous" // perhaps processed: ask Amazon before anything is sent again
	Auth      Class = "auth"      // the access token was refused, not processed: renew it once, then treat as Account
	Account   Class = "account"   // the whole connection is refused: no order is to blame
	Data      Class = "data"      // an operator has to correct the shipment or a mapping
	Order     Class = "order"     // the order can no longer be confirmed
	Skip      Class = "skip"      // the order needs no confirmation
	Unknown   Class = "unknown"   // refused with a text the catalogue does not know: to the operator
)

// Effect is what an outcome tells the circuit breaker about Amazon's health.
type Effect string

// The effects. Excluded says nothing about health and frees a probe's place.
const (
	Success  Effect = "success"
	Failure  Effect = "failure"
	Excluded Effect = "excluded"
)

// The kinds of deferral a rule leads to; empty when the shipment is not deferred because of it.
const (
	KindTransient = "transient"
	KindThrottled = "throttled"
	KindRejected  = "rejected"
)

// The fields a remedy may point at; empty when no single field is to blame.
const (
	FieldCarrier          = "carrier"
	FieldTracking         = "tracking"
	FieldMethod           = "method"
	FieldShipDate         = "shipDate"
	FieldItems            = "items"
	FieldPackageReference = "packageReferenceId"
	FieldOrder            = "order"
)

// Operation is the request an answer belongs to. A rule with an empty operation holds for every Orders call,
// never for the token endpoint, whose statuses mean something else.
type Operation string

// The operations the catalogue knows.
const (
	Confirm Operation = "confirm" // POST /orders/v0/orders/{id}/shipmentConfirmation
	Read    Operation = "read"    // GET /orders/2026-01-01/orders/{id}
	Token   Operation = "token"   // POST /auth/o2/token of Login with Amazon
)

// Codes for outcomes that have no code of Amazon's. All but CodeUnreadable come with status 0.
const (
	CodeNotSent     = "NotSent"     // provably nothing of the request reached Amazon
	CodeNoAnswer    = "NoAnswer"    // the request may have reached Amazon; connection lost or timed out
	CodeHeld        = "Held"        // not sent: the breaker is open or no token is to be had now
	CodeWithdrawn   = "Withdrawn"   // not sent: the caller gave up first
	CodeStopped     = "Stopped"     // may have been sent: the caller gave up while waiting for the answer
	CodeUnreadable  = "Unreadable"  // a status came, but its body was cut off or is not what it must be
	CodeCredentials = "Credentials" // our own credentials could not be read or are incomplete
)

// Answer is what is classified. Status is the HTTP status, 0 without one. For the token endpoint Code and Message are
// OAuth's error and error_description.
type Answer struct {
	Operation Operation
	Status    int
	Code      string
	Message   string
	Details   string
}

// Text is a sentence in both languages of the console.
type Text struct {
	DE string `json:"de"`
	EN string `json:"en"`
}

// Rule is one row of the catalogue. Operation, Status, Code and Fragments select answers; the rest is the verdict.
// ID is stable and may be stored.
type Rule struct {
	ID        string
	Operation Operation
	Status    int      // exact; 1 to 5 stand for a whole hundred; 0 for no answer; AnyStatus for all
	Code      string   // exact but for case; empty matches every code
	Fragments []string // all must occur in message and details, whatever their case

	Class        Class
	Breaker      Effect
	BurnsAttempt bool // false only if Amazon provably did not process the request
	Kind         string
	Field        string
	Remedy       Text
}

// AnyStatus in Rule.Status matches every answer.
const AnyStatus = -1

// Classify returns the first rule that matches; it always finds one.
func Classify(a Answer) Rule {
	text := strings.ToLower(a.Message + "\n" + a.Details)
	for _, r := range catalogue {
		if r.matches(a, text) {
			return r.clone()
		}
	}
	return catalogue[len(catalogue)-1].clone()
}

// Lookup returns the rule with the id, as found in a ledger for instance.
func Lookup(id string) (Rule, bool) {
	for _, r := range catalogue {
		if r.ID == id {
			return r.clone(), true
		}
	}
	return Rule{}, false
}

// All returns the catalogue in its order of precedence. The slice is the caller's.
func All() []Rule {
	rules := make([]Rule, len(catalogue))
	for i, r := range catalogue {
		rules[i] = r.clone()
	}
	return rules
}

func (r Rule) matches(a Answer, text string) bool {
	if !r.holdsFor(a.Operation) || !r.covers(a.Status) {
		return false
	}
	if r.Code != "" && !strings.EqualFold(r.Code, a.Code) {
		return false
	}
	for _, fragment := range r.Fragments {
		if !strings.Contains(text, strings.ToLower(fragment)) {
			return false
		}
	}
	return true
}

func (r Rule) holdsFor(op Operation) bool {
	return r.Operation == op || r.Operation == "" && op != Token
}

func (r Rule) covers(status int) bool {
	switch {
	case r.Status == AnyStatus:
		return true
	case r.Status >= 1 && r.Status <= 5:
		return status/100 == r.Status
	default:
		return status == r.Status
	}
}

func (r Rule) clone() Rule {
	r.Fragments = append([]string(nil), r.Fragments...)
	return r
}
