package ops

import (
	"errors"
	"fmt"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// advised is an error together with what helps.
type advised struct {
	cause  *fault.Error
	remedy string
}

func (a *advised) Error() string { return a.cause.Error() + ": " + a.remedy }
func (a *advised) Unwrap() error { return a.cause }

// Advise adds a remedy to an error. fault.KindOf and errors.As find the error underneath as before.
func Advise(err *fault.Error, format string, args ...any) error {
	return &advised{cause: err, remedy: fmt.Sprintf(format, args...)}
}

// Remedy returns what helps against an error, "" when nothing is known beyond its text.
func Remedy(err error) string {
	var a *advised
	if errors.As(err, &a) {
		return a.remedy
	}
	switch fault.KindOf(err) {
	case fault.Unavailable:
		return "try again in a moment; if it stays, see the health page"
	case fault.Throttled:
		return "wait a moment and try again"
	case fault.Internal:
		return "try again; if it stays, tell support the time and the request"
	}
	return ""
}

// explain words what the state table refused.
func explain(err error) error {
	var r *shipment.Refusal
	if !errors.As(err, &r) {
		return err
	}
	e := fault.New(fault.Conflict, "%s", refusal(r))
	switch r.Why {
	case shipment.BeingSent:
		return Advise(e, "try again in a minute")
	case shipment.Unanswered:
		return Advise(e, "wait until that is settled; it is asked by itself")
	case shipment.NothingNew:
		return Advise(fault.New(fault.Invalid, "%s", refusal(r)), "change at least one value")
	}
	if r.State == "" {
		return unknown(r.Key)
	}
	return Advise(e, "%s", instead(r))
}

func refusal(r *shipment.Refusal) string {
	switch r.Why {
	case shipment.BeingSent:
		return fmt.Sprintf("shipment %s is being sent right now", r.Key)
	case shipment.Unanswered:
		return fmt.Sprintf("shipment %s is being checked with Amazon", r.Key)
	}
	return r.Error()
}

// instead says what can be done in a state that does not allow what was asked for.
func instead(r *shipment.Refusal) string {
	switch r.State {
	case shipment.Transmitting:
		return "try again in a minute"
	case shipment.Doubt:
		return "wait: Amazon is asked what became of it, and it goes on by itself"
	case shipment.Confirmed:
		return "nothing is to be done: Amazon has it; correct a wrong tracking number in Seller Central"
	case shipment.Excluded:
		return "include it again first"
	case shipment.Closed, shipment.NotRequired, shipment.Expired:
		return "send it again first"
	}
	return "look at its history to see what happened meanwhile"
}

func unknown(k shipment.Key) error {
	return Advise(fault.New(fault.NotFound, "shipment %s is not known", k), "check connection, order number and package number; a new shipment is reported first")
}
