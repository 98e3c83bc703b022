// Package shipment is Fertig's domain: a shipment, the states it can be in, and the one function that moves it from
// one state to the next. It guarantees that every service agrees on what may follow what, because all of them (intake,
// runner, projector, console, tests) call Apply and nothing else changes a Shipment. It knows no clock, no network
// and no storage: whoever appends an Event to the ledger brings the time and the identifier along.
package shipment

import (
	"slices"
	"time"
)

// ConnectionID names one seller's authorisation of one application in one region: [A-Z0-9_-], immutable.
type ConnectionID string

// AccountID names one marketplace of a connection: [A-Z0-9_-], immutable.
type AccountID string

// Key identifies a shipment: one package of one Amazon order. An order id belongs to one connection, so the account is
// an attribute of the shipment and the same order under two accounts of a connection is refused at the door.
type Key struct {
	Connection ConnectionID `json:"connection"`
	Order      string       `json:"order"`   // Amazon order id, 3-7-7
	Package    string       `json:"package"` // packageReferenceId, a positive number as text; default "1"
}

func (k Key) String() string { return string(k.Connection) + "/" + k.Order + "/" + k.Package }

// Item is a number of units of one order item in this package.
type Item struct {
	OrderItemID       string   `json:"orderItemId"`
	Quantity          int      `json:"quantity"`
	TransparencyCodes []string `json:"transparencyCodes,omitempty"`
}

// LabelSource says who sold the shipping label. Amazon confirms orders with its own labels by itself.
type LabelSource string

// The label sources.
const (
	LabelOwn     LabelSource = "own"
	LabelAmazon  LabelSource = "amazon"
	LabelUnknown LabelSource = "unknown"
)

// Data is what the sender told us about the parcel, with the corrections made since. Carrier and Service stay in the
// sender's words; the account's mapping is applied at the attempt. It holds nothing about the buyer.
type Data struct {
	ShippedAt   time.Time   `json:"shippedAt"`
	ShipBy      time.Time   `json:"shipBy,omitzero"`
	ShipByFrom  string      `json:"shipByFrom,omitempty"` // who told ship-by where the sender did not
	Carrier     string      `json:"carrier,omitempty"`
	Service     string      `json:"service,omitempty"`
	Tracking    string      `json:"trackingNumber,omitempty"`
	Items       []Item      `json:"items,omitempty"` // empty: the whole order
	LabelSource LabelSource `json:"labelSource,omitempty"`
	Programs    []string    `json:"programs,omitempty"`
	Reference   string      `json:"reference,omitempty"` // the merchant's own order number
	Source      string      `json:"source,omitempty"`    // the door: service, api, hand, import
}

// State is where a shipment stands. Every shipment is in exactly one.
type State string

// The nine states.
const (
	Pending      State = "pending"
	Transmitting State = "transmitting"
	Deferred     State = "deferred"
	Doubt        State = "doubt"
	Confirmed    State = "confirmed"
	Expired      State = "expired"
	Excluded     State = "excluded"
	NotRequired  State = "not_required"
	Closed       State = "closed"
)

// States lists all nine in the order people read them.
var States = [...]State{Pending, Transmitting, Deferred, Doubt, Confirmed, Expired, Excluded, NotRequired, Closed}

// Flagged reports whether an order in this state still carries "order status not yet sent to marketplace".
func (s State) Flagged() bool {
	switch s {
	case Pending, Transmitting, Deferred, Doubt, Expired:
		return true
	}
	return false
}

// Final reports whether nothing more happens by itself.
func (s State) Final() bool { return s == Confirmed || s == NotRequired || s == Closed }

// Kind refines a state: why it was deferred, how it was confirmed, why it was closed.
type Kind string

// Kinds of deferred, of confirmed and of closed.
const (
	Transient  Kind = "transient"
	Throttled  Kind = "throttled"
	Rejected   Kind = "rejected"
	Incomplete Kind = "incomplete"

	Elsewhere   Kind = "elsewhere"    // confirmed, but not by us
	EditRefused Kind = "edit_refused" // confirmed, and Amazon has refused a later edit

	Cancelled  Kind = "cancelled"
	Returned   Kind = "returned"
	Withdrawn  Kind = "withdrawn"
	ByOperator Kind = "operator"
	ByHand     Kind = "by_hand" // reported at Amazon by hand
)

// Transport is the way an attempt takes to Amazon. Once a shipment was sent, it is fixed for ever.
type Transport string

// Confirm is the confirmShipment operation of the Orders API.
const Confirm Transport = "confirmShipment"

// Attempt is the write-ahead record of one request to Amazon.
type Attempt struct {
	ID         string    `json:"id"`
	N          int       `json:"n"` // 1 for the first
	Run        string    `json:"run"`
	Lease      uint64    `json:"lease"` // fencing token of the connection's lease
	Transport  Transport `json:"transport"`
	At         time.Time `json:"at"`
	AnswerBy   time.Time `json:"answerBy"` // an answer later than this will not come
	Body       string    `json:"body,omitempty"`
	Hash       string    `json:"hash"`                 // SHA-256 of Body, hex
	Resend     bool      `json:"resend,omitempty"`     // the recorded body again, after a settled doubt
	Correction bool      `json:"correction,omitempty"` // an explicit edit of a confirmed package
	SentBefore bool      `json:"sentBefore,omitempty"`
	Items      []Item    `json:"items,omitempty"` // items read from Amazon for this attempt
	From       State     `json:"from"`            // where the shipment was, and returns to when released
	FromKind   Kind      `json:"fromKind,omitempty"`
}

// Answer is what Amazon said, verbatim, and how it was understood.
type Answer struct {
	At        time.Time `json:"at"`
	Status    int       `json:"status,omitempty"` // HTTP status; 0 when none came
	Code      string    `json:"code,omitempty"`
	Message   string    `json:"message,omitempty"`
	RequestID string    `json:"requestId,omitempty"`
	Rule      string    `json:"rule,omitempty"` // id in the outcome catalogue
	Field     string    `json:"field,omitempty"`
}

// Inquiry is what was learned while a shipment was in doubt.
type Inquiry struct {
	Since     time.Time `json:"since"`              // when the doubt arose
	NotThere  time.Time `json:"notThere,omitzero"`  // first reading that did not show the package
	Settled   bool      `json:"settled,omitempty"`  // proven not there: the recorded body may be sent again
	LastAsked time.Time `json:"lastAsked,omitzero"` // last reading of any kind
	LastText  string    `json:"lastText,omitempty"` // what the last reading showed
}

// Finding says in what Amazon's truth differed from ours.
type Finding string

// The findings of a reconciliation.
const (
	NoEffect       Finding = "no_effect"  // confirmed here, not shipped there
	ShippedThere   Finding = "shipped"    // not confirmed by us, shipped there
	CancelledThere Finding = "cancelled"  // waiting here, cancelled there
	OnItsWay       Finding = "on_its_way" // confirmed here, cancelled there: the parcel is on its way for nothing
	StillOpen      Finding = "still_open" // to be reported by hand, or confirmed by Amazon itself, and nobody has
	NotOurs        Finding = "not_ours"   // Amazon confirms orders of this kind itself
)

// Print is the fingerprint of shipments the finding leaves for somebody to look at, "" for the others. What Amazon has
// cancelled has one, whether we had confirmed it or not: a parcel is on its way.
func (f Finding) Print() string {
	switch f {
	case NoEffect, StillOpen:
		return "finding:" + string(f)
	case OnItsWay, CancelledThere:
		return "finding:" + string(CancelledThere)
	}
	return ""
}

// Shown is what Amazon showed of the order when a reconciliation compared it with the ledger.
type Shown struct {
	At       time.Time `json:"at"` // of the reading
	Finding  Finding   `json:"finding"`
	Status   string    `json:"status"`             // the order's, in Amazon's words
	Packages []string  `json:"packages,omitempty"` // references of the packages Amazon knows
}

// Shipment is the fold of its ledger events and all that the next decision needs: the last event alone decides.
type Shipment struct {
	Key
	Account     AccountID `json:"account"`
	State       State     `json:"state"`
	Kind        Kind      `json:"kind,omitempty"`
	Data        Data      `json:"data"`
	AcceptedAt  time.Time `json:"acceptedAt"`
	Since       time.Time `json:"since"` // in this state since
	AgeWaiver   bool      `json:"ageWaiver,omitempty"`
	Attempts    int       `json:"attempts,omitempty"` // answered or unanswered requests; a released one does not count
	Answered    bool      `json:"answered,omitempty"` // some attempt was answered
	EverSent    bool      `json:"everSent,omitempty"` // a request may have reached Amazon
	Changed     bool      `json:"changed,omitempty"`  // data corrected since the last refusal, or since it was confirmed
	Edits       int       `json:"edits,omitempty"`    // how often Amazon has taken an edit of the confirmed package
	LastRun     string    `json:"lastRun,omitempty"`
	Resolved    []Item    `json:"resolved,omitempty"` // the order's items as read from Amazon, where the sender gave none
	Fingerprint string    `json:"fingerprint,omitempty"`
	Attempt     *Attempt  `json:"attempt,omitempty"` // the open one: transmitting, or in doubt (also while excluded or closed out of doubt)
	Answer      *Answer   `json:"answer,omitempty"`  // the last one
	Inquiry     *Inquiry  `json:"inquiry,omitempty"`
	Shown       *Shown    `json:"shown,omitempty"`    // what the last reconciliation that had something to say was shown
	Reopened    int       `json:"reopened,omitempty"` // how often a confirmation turned out to be without effect
	Taken       []string  `json:"taken,omitempty"`    // ids of the events that reported, corrected or closed it, newest last
	Shadow      string    `json:"shadow,omitempty"`   // hash of the request that shadow mode would have sent last
}

// keepTaken bounds Taken: an input older than that many later ones is no longer recognised.
const keepTaken = 32

// Took reports whether the event with this id is already part of the shipment, so that an input delivered again after
// later ones is not applied a second time.
func (s Shipment) Took(id string) bool { return slices.Contains(s.Taken, id) }

// Exists reports whether anything was ever recorded of the shipment.
func (s Shipment) Exists() bool { return s.State != "" }

// Sendable reports whether a run may attempt the shipment: pending, deferred, a doubt settled as "not there", or confirmed
// and edited since.
func (s Shipment) Sendable() bool {
	return s.State == Pending || s.Edited() || s.State == Deferred || s.State == Doubt && s.Inquiry != nil && s.Inquiry.Settled
}

// Edited reports whether an operator has edited what Amazon has confirmed, and Amazon does not know yet.
func (s Shipment) Edited() bool { return s.State == Confirmed && s.Changed }

// Unsettled reports whether a request may have reached Amazon without a known outcome. Such a shipment is never sent
// anything but its recorded body, whatever happened to its state in between.
func (s Shipment) Unsettled() bool { return s.Attempt != nil && s.State != Transmitting }

// Deadline is the moment that orders work inside a group: ship-by where it is known, else the time of shipping.
func (s Shipment) Deadline() time.Time {
	if !s.Data.ShipBy.IsZero() {
		return s.Data.ShipBy
	}
	return s.Data.ShippedAt
}
