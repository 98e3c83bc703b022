package publish

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Word is what an event says of a shipment.
type Word string

// The words, of which each is an event type fertig.shipment.<word>.v1.
const (
	Accepted  Word = "accepted"
	Refused   Word = "refused"
	Confirmed Word = "confirmed"
	Deferred  Word = "deferred"
	Doubt     Word = "doubt"
	Expired   Word = "expired"
	Excluded  Word = "excluded"
	Closed    Word = "closed"
	Reopened  Word = "reopened"
)

// Words lists all of them.
var Words = [...]Word{Accepted, Refused, Confirmed, Deferred, Doubt, Expired, Excluded, Closed, Reopened}

// Type is the CloudEvents type of the word.
func (w Word) Type() string { return "fertig.shipment." + string(w) + ".v1" }

// WordFor says what a ledger entry is told as, "" for those that are nobody's business outside: attempts, notes,
// corrections, and what repeats a state.
func WordFor(e shipment.Entry) Word {
	moved := e.After.Since.Equal(e.At) // into this state
	switch e.Type {
	case shipment.Accepted, shipment.Outcome:
		return plain(e)
	case shipment.Doubted, shipment.Aged, shipment.Exclude, shipment.CloseEvent:
		return plain(e)
	case shipment.Include, shipment.Requeued:
		if moved {
			return Reopened
		}
	case shipment.Found:
		switch {
		case e.Shown != nil && e.Shown.Finding == shipment.NoEffect && moved:
			return Reopened
		case moved, e.After.State == shipment.Deferred && e.Answer != nil: // refused for another reason than before
			return plain(e)
		}
	}
	return ""
}

// plain is the word for the state a shipment is in.
func plain(e shipment.Entry) Word {
	switch e.After.State {
	case shipment.Pending:
		return Accepted
	case shipment.Confirmed, shipment.NotRequired:
		return Confirmed
	case shipment.Deferred:
		if e.After.Kind == shipment.Rejected || e.After.Kind == shipment.Incomplete {
			return Refused
		}
		return Deferred
	case shipment.Doubt:
		return Doubt
	case shipment.Expired:
		return Expired
	case shipment.Excluded:
		return Excluded
	case shipment.Closed:
		return Closed
	}
	return ""
}

// event is a CloudEvent about a shipment. Nothing about people is in it, neither buyers nor operators.
type event struct {
	SpecVersion     string    `json:"specversion"`
	ID              string    `json:"id"` // the ledger entry's: the same however often it is published
	Source          string    `json:"source"`
	Type            string    `json:"type"`
	Subject         string    `json:"subject"`
	Time            time.Time `json:"time"`
	DataContentType string    `json:"datacontenttype"`
	Data            data      `json:"data"`
}

type data struct {
	Connection string           `json:"connection"`
	Account    string           `json:"account"`
	Order      string           `json:"amazonOrderId"`
	Package    string           `json:"packageReferenceId"`
	Reference  string           `json:"reference,omitempty"` // the sender's, echoed
	State      shipment.State   `json:"state"`
	Kind       shipment.Kind    `json:"kind,omitempty"`
	Sequence   uint64           `json:"ledgerSequence"`
	Attempts   int              `json:"attempts"`
	Run        string           `json:"run,omitempty"`
	Carrier    string           `json:"carrier,omitempty"`
	Service    string           `json:"service,omitempty"`
	Tracking   string           `json:"trackingNumber,omitempty"`
	ShippedAt  time.Time        `json:"shippedAt"`
	ShipBy     time.Time        `json:"shipBy,omitzero"`
	Answer     *answer          `json:"answer,omitempty"` // Amazon's, of a refusal or a confirmation
	Remedy     *outcome.Text    `json:"remedy,omitempty"`
	Finding    shipment.Finding `json:"finding,omitempty"`
}

type answer struct {
	Status    int    `json:"status,omitempty"`
	Code      string `json:"code,omitempty"`
	Message   string `json:"message,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	Rule      string `json:"rule,omitempty"`
	Field     string `json:"field,omitempty"`
}

// Encode writes the event that tells of an entry as w.
func Encode(w Word, e shipment.Entry) ([]byte, error) {
	s := e.After
	d := data{Connection: string(s.Connection), Account: string(s.Account), Order: s.Order, Package: s.Package, Reference: s.Data.Reference, State: s.State, Kind: s.Kind,
		Sequence: e.Seq, Attempts: s.Attempts, Run: e.Run, Carrier: s.Data.Carrier, Service: s.Data.Service, Tracking: s.Data.Tracking, ShippedAt: s.Data.ShippedAt, ShipBy: s.Data.ShipBy}
	if e.Shown != nil {
		d.Finding = e.Shown.Finding
	}
	said := e.Answer
	if e.Type == shipment.Outcome {
		said = s.Answer
	}
	if a := said; a != nil {
		d.Answer = &answer{a.Status, a.Code, a.Message, a.RequestID, a.Rule, a.Field}
		if r, ok := outcome.Lookup(a.Rule); ok && (w == Refused || w == Deferred || w == Doubt) {
			d.Remedy = &r.Remedy
		}
	}
	out, err := json.Marshal(event{SpecVersion: "1.0", ID: e.ID, Source: "/fertig/" + string(s.Connection), Type: w.Type(), Subject: s.Order + "/" + s.Package, Time: e.At.UTC(),
		DataContentType: "application/json", Data: d})
	if err != nil {
		return nil, fmt.Errorf("encode event of %s: %w", s.Key, err)
	}
	return out, nil
}
