package page

import (
	"errors"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Situation is what the explanation of a shipment needs beyond the shipment.
type Situation struct {
	Zone    *time.Location
	AgeDays int
	Next    time.Time // the account's next run; zero: it has no schedule
}

// Explain says in sentences where a shipment stands and what happens next by itself.
func Explain(s shipment.Shipment, at Situation) []Sentence {
	out := []Sentence{explain(s, at)}
	if s.AgeWaiver && s.State.Flagged() {
		out = append(out, Say("explain.waiver"))
	}
	return out
}

func explain(s shipment.Shipment, at Situation) Sentence {
	next := At{Time: at.Next, Zone: at.Zone}
	switch s.State {
	case shipment.Pending:
		if at.Next.IsZero() {
			return Say("explain.pending_off")
		}
		return Say("explain.pending", "time", next)
	case shipment.Transmitting:
		a := At{Zone: at.Zone, Clock: true}
		if s.Attempt != nil {
			a.Time = s.Attempt.AnswerBy
		}
		return Say("explain.transmitting", "time", a)
	case shipment.Deferred:
		switch {
		case s.Kind == shipment.Incomplete:
			return Say("explain.deferred.incomplete", "field", Say("field."+MissingField(s)))
		case noEffect(s) && s.Kind == shipment.Rejected && !s.Changed:
			return Say("explain.deferred.no_effect_again")
		case noEffect(s) && !at.Next.IsZero():
			return Say("explain.deferred.no_effect", "time", next)
		case s.Kind == shipment.Rejected && !s.Changed:
			return Say("explain.deferred.rejected")
		case at.Next.IsZero():
			return Say("explain.pending_off")
		case s.Kind == shipment.Rejected:
			return Say("explain.deferred.rejected_changed", "time", next)
		}
		return Say("explain.deferred."+string(s.Kind), "time", next)
	case shipment.Doubt:
		if s.Inquiry != nil && s.Inquiry.Settled {
			return Say("explain.doubt_settled")
		}
		return Say("explain.doubt", "time", At{Time: s.Since, Zone: at.Zone})
	case shipment.Confirmed:
		switch {
		case s.Kind == shipment.Elsewhere:
			return Say("explain.confirmed.elsewhere")
		case s.Edited() && !at.Next.IsZero():
			return Say("explain.edited", "time", next)
		case s.Kind == shipment.EditRefused:
			return Say("explain.edit_refused")
		}
		return Say("explain.confirmed", "time", At{Time: s.Since, Zone: at.Zone})
	case shipment.Expired:
		return Say("explain.expired", "days", at.AgeDays)
	case shipment.Closed:
		return Say("explain.closed", "why", Say("detail."+string(s.Kind)))
	}
	return Say("explain." + string(s.State))
}

// noEffect reports whether a confirmation of the shipment turned out to be without effect.
func noEffect(s shipment.Shipment) bool { return s.Fingerprint == shipment.NoEffect.Print() }

// Lead is the catalogue key of a remedy in Fertig's own words; empty where Amazon's answer has one, or none is needed.
func Lead(s shipment.Shipment) string {
	switch {
	case s.State == shipment.Expired:
		return "lead.expired"
	case s.State == shipment.Deferred && s.Kind == shipment.Incomplete:
		return "lead.incomplete"
	}
	return ""
}

// Remedy is what the outcome catalogue says about a shipment's last answer while that still matters.
func Remedy(s shipment.Shipment) outcome.Text {
	if s.Shown != nil && s.Fingerprint != "" && s.Fingerprint == s.Shown.Finding.Print() && (s.Kind != shipment.Transient || !noEffect(s)) {
		return outcome.RemedyFor(s.Shown.Finding) // the first time without effect it is sent once more by itself
	}
	if s.Answer == nil || s.State != shipment.Deferred && s.State != shipment.Doubt && s.Kind != shipment.EditRefused {
		return outcome.Text{}
	}
	r, _ := outcome.Lookup(s.Answer.Rule)
	return r.Remedy
}

// BlamedField is the form field that Amazon's answer blames; empty when there is none to correct.
func BlamedField(s shipment.Shipment) string {
	if s.State != shipment.Deferred {
		return ""
	}
	if s.Kind == shipment.Incomplete {
		return MissingField(s)
	}
	if s.Answer != nil {
		return FormField(s.Answer.Field)
	}
	return ""
}

// due is how near a deadline counts as soon.
const due = 3 * time.Hour

// NewRow prepares a shipment for a list.
func NewRow(s shipment.Shipment, now time.Time, zone *time.Location, ageDays int) Row {
	r := Row{Shipment: s, Zone: zone, URL: OrderURL(s.Key), AgeDays: ageDays, Lead: Lead(s), Remedy: Remedy(s)}
	if s.State.Flagged() {
		r.Due = nearness(s.Data.ShipBy, now)
	}
	return r
}

// nearness is "late" or "soon" for a ship-by that is past or near.
func nearness(by, now time.Time) string {
	switch {
	case by.IsZero():
		return ""
	case by.Before(now):
		return "late"
	case by.Before(now.Add(due)):
		return "soon"
	}
	return ""
}

// OrderURL is the path of a shipment's page. Keys hold nothing that a path must escape.
func OrderURL(k shipment.Key) string { return "/orders/" + k.String() }

// Allowed says why an event cannot happen to a shipment now, in the words of the state table; an empty sentence when it can.
func Allowed(s shipment.Shipment, e shipment.Event) Sentence {
	_, err := shipment.Apply(s, e)
	var r *shipment.Refusal
	if !errors.As(err, &r) {
		return Sentence{}
	}
	switch {
	case r.Why == shipment.BeingSent, s.State == shipment.Transmitting:
		return Say("why.transmitting")
	case r.Why == shipment.Unanswered, s.State == shipment.Doubt:
		return Say("why.doubt")
	case s.State == shipment.Confirmed:
		return Say("why.confirmed")
	}
	return Say("why.final", "state", Say("state."+string(s.State)))
}

// Editable says why a shipment's data cannot be corrected by the role; an empty sentence when they can.
func Editable(role Role, s shipment.Shipment) Sentence {
	if !role.Acts() {
		return Say("why.viewer")
	}
	other := s.Data
	other.Reference += "x"
	return Allowed(s, shipment.Event{Type: shipment.Amended, Data: &other, Edit: s.State == shipment.Confirmed})
}

// OrderActions are the buttons of a shipment's page.
func OrderActions(role Role, s shipment.Shipment) []Action {
	requeue := shipment.Event{Type: shipment.Requeued, Waiver: true}
	ends := shipment.Event{Type: shipment.CloseEvent, Kind: shipment.ByOperator}
	send := Action{ID: "replay", Label: "action.replay", Why: Allowed(s, requeue), Main: true}
	if s.State == shipment.Expired {
		send.Label = "action.replay_old"
	}
	take := Action{ID: "exclude", Label: "action.exclude", Why: Allowed(s, shipment.Event{Type: shipment.Exclude})}
	if s.State == shipment.Excluded {
		take = Action{ID: "include", Label: "action.include", Why: Allowed(s, shipment.Event{Type: shipment.Include}), Main: true}
	}
	actions := []Action{send, take,
		{ID: "reported", Label: "action.reported", Why: Allowed(s, ends)},
		{ID: "close", Label: "action.close", Why: Allowed(s, ends)},
	}
	for i := range actions {
		actions[i].URL, actions[i].Comment = OrderURL(s.Key)+"/"+actions[i].ID, true
		if !role.Acts() {
			actions[i].Why, actions[i].Main = Say("why.viewer"), false
		}
	}
	return actions
}

// BulkActions are the buttons under a list.
func BulkActions(role Role) []Action {
	actions := []Action{
		{ID: "bulk-replay", Label: "action.replay", URL: "/orders/bulk/replay", Main: true},
		{ID: "bulk-exclude", Label: "action.exclude", URL: "/orders/bulk/exclude"},
		{ID: "bulk-include", Label: "action.include", URL: "/orders/bulk/include"},
		{ID: "bulk-close", Label: "action.close", URL: "/orders/bulk/close"},
	}
	for i := range actions {
		actions[i].Comment = true
		if !role.Acts() {
			actions[i].Why, actions[i].Main = Say("why.viewer"), false
		}
	}
	return actions
}
