// Package job is what is said about runs: the trigger that asks for one, the log that records it, and the progress it
// tells. It owns their wire form and guarantees that a trigger with a given run id exists once, however many schedulers
// publish it. It does not decide when a run is due (the scheduler does) or what a run does (the dispatcher does).
package job

import (
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Kind says who asked for a run.
type Kind string

// The kinds of triggers.
const (
	Schedule Kind = "schedule"
	Manual   Kind = "manual"
	Message  Kind = "message" // the button of a maintenance message
	Replay   Kind = "replay"  // named shipments; waives the age limit
	Deadline Kind = "deadline"
)

// Scope says which shipments a run is about.
type Scope string

// The scopes: everything queued, what a message listed, or named shipments.
const (
	All     Scope = "all"
	Listed  Scope = "message"
	Named   Scope = "list"
	MaxKeys       = 5000 // of one trigger; more are split
)

// Trigger asks for a run of a connection.
type Trigger struct {
	RunID         string                `json:"runId"`
	Connection    shipment.ConnectionID `json:"connection"`
	Accounts      []shipment.AccountID  `json:"accounts,omitempty"` // empty: all of the connection
	Kind          Kind                  `json:"kind"`
	Scope         Scope                 `json:"scope"`
	Keys          []shipment.Key        `json:"keys,omitempty"`         // scope list
	DeferredUntil time.Time             `json:"deferredUntil,omitzero"` // scope message: deferred no later than this
	Held          []Line                `json:"held,omitempty"`         // scope message: also what was held back for these, accepted no later than that
	Slot          time.Time             `json:"slot,omitzero"`          // kind schedule: the time it was due
	Until         time.Time             `json:"until,omitzero"`         // end of the time budget; zero: the connection's
	OpID          string                `json:"opId,omitempty"`
	Actor         string                `json:"actor"`
	Reason        string                `json:"reason,omitempty"`
	At            time.Time             `json:"at"`

	// Settled takes the place of a run: nobody is to carry the trigger out. It is Missed for a slot that fell due when no
	// scheduler was running and was found too late, Joined for one that CoveredBy, a later run of everything, makes up for.
	Settled   Phase  `json:"settled,omitempty"`
	CoveredBy string `json:"coveredBy,omitempty"`
}

// Line is what a line of an account's carrier mapping decides about, in the sender's words.
type Line struct {
	Account shipment.AccountID `json:"account"`
	Carrier string             `json:"carrier"`
	Service string             `json:"service,omitempty"`
}

// Covers reports whether a shipment belongs to the line.
func (l Line) Covers(s shipment.Shipment) bool {
	return l.Account == s.Account && strings.EqualFold(l.Carrier, s.Data.Carrier) && strings.EqualFold(l.Service, s.Data.Service)
}

// Phase is a step of a run's log.
type Phase string

// The phases. A trigger is done when its log says finished, joined or missed.
const (
	Started  Phase = "started"
	Finished Phase = "finished"
	Joined   Phase = "joined"
	Missed   Phase = "missed" // a slot that did not run and will not
)

// Ended reports whether nothing more happens in a run in this phase.
func (p Phase) Ended() bool { return p == Finished || p == Joined || p == Missed }

// Counts adds up what a run did.
type Counts struct {
	Attempts    int `json:"attempts"`
	Confirmed   int `json:"confirmed"`
	Deferred    int `json:"deferred"`
	Doubt       int `json:"doubt"`
	NotRequired int `json:"notRequired"`
	Closed      int `json:"closed"`
	Expired     int `json:"expired"`
	Released    int `json:"released"`  // provably not processed; will be tried again
	Skipped     int `json:"skipped"`   // changed by somebody else meanwhile
	Throttled   int `json:"throttled"` // answers 429
}

// Log is one entry of a run's log.
type Log struct {
	RunID      string                        `json:"runId"`
	Connection shipment.ConnectionID         `json:"connection"`
	Phase      Phase                         `json:"phase"`
	At         time.Time                     `json:"at"`
	Trigger    Trigger                       `json:"trigger"`
	Snapshot   uint64                        `json:"snapshot,omitempty"` // last ledger sequence when the run began
	StartedAt  time.Time                     `json:"startedAt,omitzero"`
	JoinedTo   string                        `json:"joinedTo,omitempty"`
	Counts     Counts                        `json:"counts,omitzero"`
	Left       map[string]int                `json:"left,omitempty"` // why -> how many were not tried
	ByAccount  map[shipment.AccountID]Counts `json:"byAccount,omitempty"`
}

// Progress is where a run stands. It is told, not kept.
type Progress struct {
	RunID      string                `json:"runId"`
	Connection shipment.ConnectionID `json:"connection"`
	At         time.Time             `json:"at"`
	Done       int                   `json:"done"`
	Total      int                   `json:"total"`
	Confirmed  int                   `json:"confirmed"`
	Deferred   int                   `json:"deferred"`
	PerSecond  float64               `json:"perSecond"`
	ETA        time.Time             `json:"eta,omitzero"`
	Waiting    string                `json:"waiting,omitempty"` // why nothing moves: breaker, paused, halted
	WaitUntil  time.Time             `json:"waitUntil,omitzero"`
	Ended      bool                  `json:"ended,omitempty"`
}

// Scoped reports whether the trigger is about a, one of its connection's accounts.
func (t Trigger) Scoped(a shipment.AccountID) bool {
	if len(t.Accounts) == 0 {
		return true
	}
	for _, x := range t.Accounts {
		if x == a {
			return true
		}
	}
	return false
}

// ValidRun reports whether s can be a run id, which is one token of a subject: 1 to 100 letters, digits, _ : + and -.
func ValidRun(s string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:+-"
	return len(s) > 0 && len(s) <= 100 && strings.Trim(s, allowed) == ""
}
