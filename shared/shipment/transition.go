package shipment

import (
	"fmt"
	"slices"
)

// table says which states an event may find and which it may leave behind. It is the whole of what can happen.
var table = map[Type]map[State][]State{
	Accepted: {"": {Pending, Expired, NotRequired}},
	Attempted: {
		Pending: {Transmitting}, Deferred: {Transmitting},
		Doubt:     {Transmitting}, // the recorded body again, once proven not there
		Confirmed: {Transmitting}, // an explicit correction of the same package
	},
	Outcome: {
		Transmitting: {Confirmed, Deferred, Doubt, NotRequired, Closed},
		Doubt:        {Confirmed, Deferred, NotRequired, Closed}, // the answer came after all
	},
	Released: {Transmitting: {Pending, Deferred, Doubt, Confirmed}},
	Doubted:  {Transmitting: {Doubt}},
	Aged:     {Pending: {Expired}, Deferred: {Expired}},
	Exclude:  {Pending: {Excluded}, Deferred: {Excluded}, Doubt: {Excluded}, Expired: {Excluded}},
	Include:  {Excluded: {Pending, Deferred, Doubt}},
	Requeued: {
		Pending: {Pending}, Deferred: {Deferred}, // for the waiver of the age limit
		Expired: {Pending, Deferred}, NotRequired: {Pending, Deferred}, Closed: {Pending, Deferred, Doubt},
	},
	Amended: {
		Pending: {Pending}, Deferred: {Deferred}, Expired: {Expired}, Excluded: {Excluded},
		Confirmed:   {Confirmed},                      // an explicit edit of what Amazon has: see Event.Edit
		NotRequired: {NotRequired, Pending, Deferred}, // queued when the label turns out to be the seller's own
	},
	Noted: repeated(),
	Found: {
		Pending:   {Confirmed, NotRequired, Closed, Deferred}, // deferred: something Amazon needs is missing; no request was made
		Deferred:  {Confirmed, NotRequired, Closed, Deferred},
		Doubt:     {Doubt, Confirmed, Deferred, NotRequired, Closed},
		Expired:   {Confirmed, Closed},
		Excluded:  {Confirmed, Closed, Excluded},
		Confirmed: {Deferred, Confirmed}, // deferred: reopened, confirmed here and unshipped there
		// Amazon was to confirm it by itself: it has not, or it has after all.
		NotRequired: {NotRequired, Confirmed},
	},
	CloseEvent: {Pending: {Closed}, Deferred: {Closed}, Doubt: {Closed}, Expired: {Closed}, Excluded: {Closed}},
}

func repeated() map[State][]State {
	m := map[State][]State{}
	for _, s := range States {
		m[s] = []State{s}
	}
	return m
}

// Allowed reports whether an event of type t may lead from one state to another; from "" means nothing was recorded yet.
func Allowed(t Type, from, to State) bool {
	return slices.Contains(table[t][from], to)
}

// Why is the reason of a refusal, for programs.
type Why string

// Reasons why the transition function refuses an event.
const (
	NotFromHere  Why = "not_from_here" // the state table has no such step
	BeingSent    Why = "being_sent"    // a request is under way
	Unanswered   Why = "unanswered"    // a request may have arrived; only its recorded body may follow
	WrongAttempt Why = "wrong_attempt" // the answer belongs to another attempt
	NothingNew   Why = "nothing_new"   // a correction that changes nothing
	Malformed    Why = "malformed"     // the event lacks what its type needs
)

// Refusal is the error of a step the state table forbids. Nothing was changed.
type Refusal struct {
	Key   Key
	State State
	Type  Type
	Why   Why
}

func (r *Refusal) Error() string {
	switch r.Why {
	case BeingSent:
		return fmt.Sprintf("shipment %s is being sent right now: try again in a minute", r.Key)
	case Unanswered:
		return fmt.Sprintf("shipment %s is being checked with Amazon: try again when that is settled", r.Key)
	case WrongAttempt:
		return fmt.Sprintf("shipment %s: the answer belongs to another attempt", r.Key)
	case NothingNew:
		return fmt.Sprintf("shipment %s: the correction changes nothing", r.Key)
	case Malformed:
		return fmt.Sprintf("shipment %s: the event %q lacks what it needs", r.Key, r.Type)
	}
	if r.State == "" {
		return fmt.Sprintf("shipment %s is not known", r.Key)
	}
	return fmt.Sprintf("shipment %s is %s: %q is not possible there", r.Key, r.State, r.Type)
}

// Apply returns the shipment after e, or *Refusal. It is pure; before is not changed and may be shared.
func Apply(before Shipment, e Event) (Shipment, error) {
	refuse := func(w Why) (Shipment, error) {
		key := before.Key
		if !before.Exists() {
			key = e.Key
		}
		return before, &Refusal{Key: key, State: before.State, Type: e.Type, Why: w}
	}
	if _, ok := table[e.Type][before.State]; !ok {
		if before.State == Transmitting {
			return refuse(BeingSent)
		}
		if before.State == Doubt && e.Type == Amended {
			return refuse(Unanswered)
		}
		return refuse(NotFromHere)
	}
	if w := demands(before, e); w != "" {
		return refuse(w)
	}
	after := step(before, e)
	if !Allowed(e.Type, before.State, after.State) {
		return refuse(NotFromHere)
	}
	if after.State != before.State {
		after.Since = e.At
	}
	if e.Type == Accepted || e.Type == Amended || e.Type == CloseEvent {
		after.Taken = taken(before.Taken, e.ID)
	}
	return after, nil
}

// demands checks what an event must bring beyond a permitted state.
func demands(s Shipment, e Event) Why {
	switch e.Type {
	case Accepted:
		if e.Data == nil || e.Account == "" || e.Key == (Key{}) {
			return Malformed
		}
	case Attempted:
		switch {
		case e.Attempt == nil || e.Attempt.ID == "" || e.Attempt.Hash == "":
			return Malformed
		case s.Unsettled() && (!s.Sendable() || e.Attempt.Hash != s.Attempt.Hash):
			return Unanswered
		case s.State == Confirmed && !e.Attempt.Correction:
			return NotFromHere
		}
	case Outcome, Released:
		if e.Attempt == nil || e.To == "" && e.Type == Outcome {
			return Malformed
		}
		if s.Attempt == nil || s.Attempt.ID != e.Attempt.ID {
			return WrongAttempt
		}
	case Amended:
		switch {
		case e.Data == nil:
			return Malformed
		case s.Unsettled():
			return Unanswered
		case s.State == Confirmed && (!e.Edit || s.Kind == Elsewhere || !s.EverSent): // what others have told is not ours to edit
			return NotFromHere
		case len(Diff(s.Data, *e.Data)) == 0 && !e.Edit: // an edit may also be about the mapping
			return NothingNew
		}
	case CloseEvent:
		if e.Kind == "" {
			return Malformed
		}
	}
	return ""
}

// taken adds an id without touching the array that before may share with others.
func taken(ids []string, id string) []string {
	if len(ids) >= keepTaken {
		ids = ids[len(ids)-keepTaken+1:]
	}
	return append(slices.Clone(ids), id)
}

func step(s Shipment, e Event) Shipment {
	switch e.Type {
	case Accepted:
		return accepted(e)
	case Attempted:
		return attempted(s, e)
	case Outcome:
		return outcome(s, e)
	case Released:
		return released(s)
	case Doubted:
		s.State, s.Kind = Doubt, ""
		s.Inquiry = &Inquiry{Since: e.At}
	case Aged:
		s.State = Expired
	case Exclude:
		s.State = Excluded
	case Include, Requeued:
		s.AgeWaiver = s.AgeWaiver || e.Waiver
		if s.State != Pending && s.State != Deferred {
			return resting(s)
		}
		// Somebody who asks for it again has repaired something: data, or a mapping that decides about it.
		s.Changed = s.Changed || s.State == Deferred
	case Amended:
		return amended(s, e)
	case Noted:
		if e.Shadow != "" {
			s.Shadow = e.Shadow
		}
	case Found:
		return found(s, e)
	case CloseEvent:
		s.State, s.Kind = Closed, e.Kind
	}
	return s
}

func amended(s Shipment, e Event) Shipment {
	own := e.Data.LabelSource == LabelOwn && s.Data.LabelSource != LabelOwn
	s.Data, s.Changed = *e.Data, true
	if s.State == NotRequired && own {
		return resting(s)
	}
	return s
}

func accepted(e Event) Shipment {
	s := Shipment{Key: e.Key, Account: e.Account, State: e.To, Kind: e.Kind, Data: *e.Data, AcceptedAt: e.At}
	if s.State == "" {
		s.State = Pending
	}
	return s
}

func attempted(s Shipment, e Event) Shipment {
	a := *e.Attempt
	a.From, a.FromKind, a.SentBefore = s.State, s.Kind, s.EverSent
	a.Correction = s.State == Confirmed || s.Attempt != nil && s.Attempt.Correction
	s.Attempts++
	a.N = s.Attempts
	s.State, s.Kind, s.Attempt = Transmitting, "", &a
	s.LastRun, s.EverSent = a.Run, true
	if len(a.Items) > 0 {
		s.Resolved, a.Items = a.Items, nil
	}
	return s
}

func outcome(s Shipment, e Event) Shipment {
	if s.Attempt.Correction && e.To != Doubt && Allowed(Outcome, s.State, e.To) {
		s.Answered = s.Answered || e.Answer != nil && e.Answer.Status != 0
		return edited(s, e)
	}
	s.State, s.Kind, s.Answer, s.Fingerprint = e.To, e.Kind, e.Answer, e.Print
	s.Answered = s.Answered || e.Answer != nil && e.Answer.Status != 0
	if e.To == Doubt {
		s.Inquiry = &Inquiry{Since: e.At}
		return s
	}
	s.Attempt, s.Inquiry, s.Changed = nil, nil, false
	return s
}

// edited is what becomes of a package that Amazon has, after an attempt to edit it: it stays confirmed whatever Amazon says.
// A refused edit is not tried again by itself, one that merely failed is.
func edited(s Shipment, e Event) Shipment {
	s.State, s.Kind, s.Attempt, s.Inquiry = Confirmed, "", nil, nil
	if e.Answer != nil {
		s.Answer = e.Answer
	}
	switch {
	case e.To == Confirmed:
		s.Edits, s.Changed, s.Fingerprint = s.Edits+1, false, ""
	case e.To == Deferred && (e.Kind == Transient || e.Kind == Throttled):
	default:
		s.Kind, s.Changed, s.Fingerprint = EditRefused, false, e.Print
	}
	return s
}

// released puts the shipment back where the attempt found it. Out of a settled doubt it stays one: the body that may be
// sent is still the recorded one.
func released(s Shipment) Shipment {
	a := s.Attempt
	s.State, s.Kind, s.EverSent = a.From, a.FromKind, a.SentBefore
	s.Attempts--
	if a.From != Doubt {
		s.Attempt = nil
	}
	return s
}

// resting is where a shipment waits that is taken back into the queue. An unanswered request outlives exclusion and
// closing, otherwise taking a shipment out and in again would send it blindly a second time.
func resting(s Shipment) Shipment {
	if s.Shown != nil && s.Fingerprint == s.Shown.Finding.Print() {
		s.Fingerprint = ""
	}
	switch {
	case s.Unsettled():
		s.State, s.Kind = Doubt, ""
	case s.Answered:
		s.State = Deferred
		if !s.Kind.deferral() {
			s.Kind = Transient
		}
	default:
		s.State, s.Kind = Pending, ""
	}
	return s
}

func (k Kind) deferral() bool {
	return k == Transient || k == Throttled || k == Rejected || k == Incomplete
}

func found(s Shipment, e Event) Shipment {
	if e.Shown != nil {
		s.Shown, s.Fingerprint = e.Shown, e.Shown.Finding.Print()
	}
	if s.Inquiry != nil {
		q := *s.Inquiry
		q.LastAsked, q.Settled = e.At, q.Settled || e.Settled
		if e.Missing && q.NotThere.IsZero() {
			q.NotThere = e.At
		}
		q.LastText = e.Comment
		s.Inquiry = &q
	}
	if e.To == "" || e.To == s.State && s.State != Deferred { // nothing but what was shown
		return s
	}
	if s.Attempt != nil && s.Attempt.Correction && Allowed(Found, s.State, e.To) {
		return edited(s, e)
	}
	if s.State == Confirmed {
		s.Reopened++
	}
	s.State, s.Kind = e.To, e.Kind
	if e.To == Deferred {
		if s.Changed = false; e.Shown == nil {
			s.Fingerprint = e.Print
		}
		if e.Run != "" {
			s.LastRun = e.Run
		}
	}
	if e.Answer != nil {
		s.Answer = e.Answer
	}
	s.Attempt, s.Inquiry = nil, nil
	return s
}
