// Package audit proves exactly-once from the outside: it compares what senders were told, by their own journals, with the
// ledger, with what was rejected, and with what Amazon's side recorded. It guarantees that a shipment a sender was told
// was accepted is counted as lost unless the ledger gives it a state and, when confirmed, Amazon has its package; and
// that two effective confirmations of one shipment are found unless something between them asked for the second. It
// trusts no counter and no view: every figure is derived from records. It changes nothing. Used by the demo and by tests.
package audit

import (
	"fmt"
	"sort"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Stored is what a sender is told that publishes on the stream directly: the event is kept, the verdict comes later.
const Stored door.Result = "stored"

// Line is one report in a sender's journal with the answer it got.
type Line struct {
	Door    string
	Key     shipment.Key
	EventID string      // of the ledger event it would lead to, see door.EventID; empty for a row of a file
	Told    door.Result // Stored, or the verdict
	Place   string      // of a Stored event: stream and sequence, as rejected input refers to it
}

// Books is everything the audit looks at.
type Books struct {
	Journal  []Line
	Ledger   []shipment.Entry // every entry, oldest first
	Rejected []door.Rejected
	Calls    []amazonsim.Call // Amazon's record, oldest first
	Orders   []amazonsim.Order
}

// Accounts are the figures, named as in the demo's last line.
type Accounts struct {
	Accepted        int     `json:"accepted"`
	Pending         int     `json:"pending"`
	Transmitting    int     `json:"transmitting"`
	Deferred        int     `json:"deferred"`
	Doubt           int     `json:"doubt"`
	Confirmed       int     `json:"confirmed"`
	Expired         int     `json:"expired"`
	Excluded        int     `json:"excluded"`
	NotRequired     int     `json:"not_required"`
	Closed          int     `json:"closed"`
	Invalid         int     `json:"invalid"`
	Differs         int     `json:"differs"`
	AlreadyKnown    int     `json:"already_known"`
	Lost            int     `json:"lost"`
	ConfirmedTwice  int     `json:"confirmed_twice"`
	ResentIdentical int     `json:"resent_identical"`
	ElapsedS        float64 `json:"elapsed_s"`
}

// States adds the nine states up.
func (a Accounts) States() int {
	return a.Pending + a.Transmitting + a.Deferred + a.Doubt + a.Confirmed + a.Expired + a.Excluded + a.NotRequired + a.Closed
}

// Sound reports whether everything accepted is in exactly one state, nothing is lost and nothing was confirmed twice.
func (a Accounts) Sound() bool {
	return a.Accepted == a.States() && a.Lost == 0 && a.ConfirmedTwice == 0
}

// Finding says why a shipment counts as lost or confirmed twice.
type Finding struct {
	Key shipment.Key
	Why string
}

func (f Finding) String() string { return f.Key.String() + ": " + f.Why }

// Settle does the accounts. ElapsedS is left to the caller.
func Settle(b Books) (Accounts, []Finding) {
	s := &settling{heads: map[shipment.Key]shipment.Entry{}, history: map[shipment.Key][]shipment.Entry{}, events: map[string]bool{}}
	s.read(b.Ledger)
	s.states()
	s.rejected(b.Rejected)
	s.journal(b.Journal)
	s.amazon(b.Calls, b.Orders)
	sort.Slice(s.findings, func(i, j int) bool { return s.findings[i].String() < s.findings[j].String() })
	return s.out, s.findings
}

type settling struct {
	heads    map[shipment.Key]shipment.Entry
	history  map[shipment.Key][]shipment.Entry
	events   map[string]bool
	differed map[string]int  // key -> records of differing reports
	refused  map[string]bool // key or place -> a report was refused
	out      Accounts
	findings []Finding
}

func (s *settling) read(entries []shipment.Entry) {
	for _, e := range entries {
		k := e.After.Key
		s.heads[k] = e
		s.history[k] = append(s.history[k], e)
		s.events[e.ID] = true
		if e.Type == shipment.Attempted && e.After.Attempt != nil && e.After.Attempt.Resend {
			s.out.ResentIdentical++
		}
	}
}

func (s *settling) states() {
	count := map[shipment.State]*int{
		shipment.Pending: &s.out.Pending, shipment.Transmitting: &s.out.Transmitting, shipment.Deferred: &s.out.Deferred,
		shipment.Doubt: &s.out.Doubt, shipment.Confirmed: &s.out.Confirmed, shipment.Expired: &s.out.Expired,
		shipment.Excluded: &s.out.Excluded, shipment.NotRequired: &s.out.NotRequired, shipment.Closed: &s.out.Closed,
	}
	for k, e := range s.heads {
		if n := count[e.After.State]; n != nil {
			*n++
		} else {
			s.lost(k, fmt.Sprintf("its state %q is none of the nine", e.After.State))
		}
	}
}

func (s *settling) rejected(records []door.Rejected) {
	s.differed, s.refused = map[string]int{}, map[string]bool{}
	for _, r := range records {
		switch r.Reason {
		case door.Differs:
			s.out.Differs++
			s.differed[r.Key]++
		default:
			s.out.Invalid++
			s.refused[r.Key], s.refused[r.Original] = true, true
		}
	}
}

func (s *settling) journal(lines []Line) {
	accepted := map[shipment.Key]bool{}
	for _, l := range lines {
		if l.Told == door.Differs {
			s.differed[l.Key.String()]-- // its record is spoken for
		}
	}
	for _, l := range lines {
		_, known := s.heads[l.Key]
		switch {
		case l.Told == door.AlreadyKnown:
			s.out.AlreadyKnown++
		case l.Told == Stored && !known && (s.refused[l.Key.String()] || l.Place != "" && s.refused[l.Place]):
		case l.Told == Stored && known && l.EventID != "" && !s.events[l.EventID]:
			s.repeated(l)
		case l.Told == Stored || l.Told.Taken():
			accepted[l.Key] = true
			if !known {
				s.lost(l.Key, fmt.Sprintf("the sender at door %s was told %q, and the ledger does not know it", l.Door, l.Told))
			}
		}
	}
	s.out.Accepted = len(accepted)
}

// repeated settles a stored event that led to no ledger event, though its shipment is known: it contradicted what was
// known, and then there is a record of it, or it repeated it.
func (s *settling) repeated(l Line) {
	if s.differed[l.Key.String()] > 0 {
		s.differed[l.Key.String()]--
		return
	}
	s.out.AlreadyKnown++
}

func (s *settling) lost(k shipment.Key, why string) {
	s.out.Lost++
	s.findings = append(s.findings, Finding{k, "lost: " + why})
}

func (s *settling) twice(k shipment.Key, why string) {
	s.out.ConfirmedTwice++
	s.findings = append(s.findings, Finding{k, "confirmed twice: " + why})
}
