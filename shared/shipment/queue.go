package shipment

import "time"

// Queue is the group of a run a shipment waits in.
type Queue string

// The queues of an account. Again holds what failed for a passing reason or was corrected since; Refused what Amazon
// refused and nobody touched since.
const (
	NotQueued Queue = ""
	Again     Queue = "again"
	New       Queue = "new"
	Refused   Queue = "refused"
)

// Queue returns the group the shipment waits in, NotQueued when no run may attempt it.
func (s Shipment) Queue() Queue {
	switch {
	case !s.Sendable():
		return NotQueued
	case s.State == Pending:
		return New
	case s.State == Deferred && (s.Kind == Rejected || s.Kind == Incomplete) && !s.Changed:
		return Refused
	}
	return Again
}

// RejectedOrder is an account's setting for shipments that Amazon refused and nobody corrected.
type RejectedOrder string

// Where Refused shipments stand in a run.
const (
	RejectedLast            RejectedOrder = "last"
	RejectedFirst           RejectedOrder = "first" // as in the original: everything that failed goes first
	RejectedAfterCorrection RejectedOrder = "after_correction"
)

// Groups returns the queues of an account in the order a run works them off: failed ones first, then new ones.
func Groups(r RejectedOrder) []Queue {
	switch r {
	case RejectedFirst:
		return []Queue{Again, Refused, New}
	case RejectedAfterCorrection:
		return []Queue{Again, New}
	}
	return []Queue{Again, New, Refused}
}

// AgesAt returns the moment from which the shipment is too old to be sent, and false when it never is: the limit was
// waived, or it is not waiting to be sent. The limit counts from shippedAt.
func (s Shipment) AgesAt(limit time.Duration) (time.Time, bool) {
	if s.AgeWaiver || limit <= 0 || s.State != Pending && s.State != Deferred {
		return time.Time{}, false
	}
	return s.Data.ShippedAt.Add(limit), true
}
