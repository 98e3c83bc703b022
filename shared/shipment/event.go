package shipment

import "time"

// Type says what a ledger event records.
type Type string

// The event types. Those that change no state repeat it.
const (
	Accepted   Type = "accepted" // a sender's report was taken in
	Attempted  Type = "attempt"  // write-ahead: a request is about to leave
	Outcome    Type = "outcome"  // Amazon's answer, understood
	Released   Type = "released" // the request provably was not processed; burns no attempt
	Doubted    Type = "doubt"    // the request may or may not have arrived
	Aged       Type = "expired"  // older than the account's age limit
	Exclude    Type = "excluded" // taken out of automatic transmission
	Include    Type = "included" // taken back in
	Requeued   Type = "requeued" // put in the queue again, by hand
	Amended    Type = "amended"  // data corrected
	Noted      Type = "note"     // for the record
	Found      Type = "finding"  // what Amazon showed when asked
	CloseEvent Type = "closed"   // ended without transmission
)

// Types lists every event type.
var Types = [...]Type{Accepted, Attempted, Outcome, Released, Doubted, Aged, Exclude, Include, Requeued, Amended, Noted, Found, CloseEvent}

// Change is one corrected field with its old and new value.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old"`
	New   string `json:"new"`
}

// Event asks for one step in a shipment's life. ID makes the append recognisable after a lost race or a time-out. Which
// of the optional fields count depends on Type; see Apply.
type Event struct {
	ID      string
	Type    Type
	At      time.Time
	Actor   string // a service or a person
	Run     string
	Comment string

	Key     Key       // accepted
	Account AccountID // accepted
	Data    *Data     // accepted, amended: the whole new data
	To      State     // accepted (pending, expired, not_required), outcome, finding
	Kind    Kind      // accepted, outcome, finding, closed
	Attempt *Attempt  // attempt; outcome and released name theirs
	Answer  *Answer   // outcome, finding, note
	Print   string    // outcome, finding: fingerprint of the failure
	Edit    bool      // amended: an operator edits what Amazon has confirmed already
	Waiver  bool      // requeued: the age limit is waived
	Missing bool      // finding: a reading that did not show the package
	Settled bool      // finding: enough readings; it is not there
	Shown   *Shown    // finding of a reconciliation: what Amazon showed
	Shadow  string    // note: hash of the request that shadow mode would have sent
}

// Entry is a ledger event as recorded: what happened, and the shipment after it.
type Entry struct {
	Seq     uint64    `json:"-"` // stream sequence; the version for the next compare-and-set
	ID      string    `json:"id"`
	Type    Type      `json:"type"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor,omitempty"`
	Run     string    `json:"run,omitempty"`
	Comment string    `json:"comment,omitempty"`
	Changes []Change  `json:"changes,omitempty"`
	Waiver  bool      `json:"waiver,omitempty"`
	Answer  *Answer   `json:"answer,omitempty"` // of a note or a finding; an outcome's is in After
	Shown   *Shown    `json:"shown,omitempty"`  // of a finding of a reconciliation
	After   Shipment  `json:"after"`
}

// Record applies e to before and returns the entry to append. It fails with *Refusal when the state table forbids it.
func Record(before Shipment, e Event) (Entry, error) {
	after, err := Apply(before, e)
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{ID: e.ID, Type: e.Type, At: e.At, Actor: e.Actor, Run: e.Run, Comment: e.Comment, Waiver: e.Waiver, After: after}
	if e.Type == Amended {
		entry.Changes = Diff(before.Data, after.Data)
	}
	if e.Type == Noted || e.Type == Found {
		entry.Answer, entry.Shown = e.Answer, e.Shown
	}
	return entry, nil
}
