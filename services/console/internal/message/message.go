// Package message is the maintenance messages as they are kept: one subject per message, its newest entry saying whether
// it is raised or cleared. It owns their form and guarantees by compare-and-set that several consoles raise a message
// once and clear it once. It does not decide when there is reason for one (notify does) or what its button does (ops).
package message

import (
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Kind says what a message is about.
type Kind string

// The kinds of messages.
const (
	TransmissionFailed Kind = "transmission_failed" // has the button
	Expired            Kind = "expired"
	Differs            Kind = "differs"
	ImportRows         Kind = "import_rows"
	Halted             Kind = "halted"
	SlotMissed         Kind = "slot_missed"  // has the button: the whole job of the account
	NoEffect           Kind = "no_effect"    // confirmed here, not shipped at Amazon
	OnItsWay           Kind = "on_its_way"   // cancelled at Amazon, the parcel is on its way
	StillOpen          Kind = "still_open"   // left to others to report, and nobody has
	AccessEnds         Kind = "access_ends"  // authorisation or secret: Count days are left
	EditRefused        Kind = "edit_refused" // confirmed, and Amazon has refused a later edit
)

// Phase is where a message stands.
type Phase string

// The phases. A cleared message is never raised again; a new one has a new id.
const (
	Raised  Phase = "raised"
	Cleared Phase = "cleared"
)

// Message is a maintenance message in its present phase.
type Message struct {
	ID         string                `json:"id"`
	Kind       Kind                  `json:"kind"`
	Phase      Phase                 `json:"phase"`
	Connection shipment.ConnectionID `json:"connection,omitempty"`
	Account    shipment.AccountID    `json:"account,omitempty"`
	Run        string                `json:"run,omitempty"`    // the run after which it was raised
	At         time.Time             `json:"at"`               // when it was raised
	Count      int                   `json:"count"`            // shipments, rows or reports it was raised for
	Detail     string                `json:"detail,omitempty"` // file, or why a connection is halted
	Held       int                   `json:"held,omitempty"`   // transmission_failed: how many more the run held back for the same reason
	Slot       time.Time             `json:"slot,omitzero"`    // slot_missed: the newest slot that did not run
	Slots      int                   `json:"slots,omitempty"`  // slot_missed: how many did not since the last run
	ClearedAt  time.Time             `json:"clearedAt,omitzero"`
	ClearedFor string                `json:"clearedFor,omitempty"` // why it was cleared

	Revision uint64 `json:"-"` // for the next compare-and-set
}

// Button reports whether the message offers to send what it lists, or to run the job that did not.
func (m Message) Button() bool {
	return (m.Kind == TransmissionFailed || m.Kind == SlotMissed) && m.Phase == Raised
}
