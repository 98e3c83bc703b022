// Package door is what every way into Fertig has in common: the web-service API, the console, carrier files and upstream
// services. It owns the one function that says what becomes of a reported event, which the doors call to tell the
// sender at once and intake calls to decide, so that both say the same; and the publishing of accepted events and of
// rejected input. It does not parse files or HTTP, and it never answers "accepted" before the event is stored.
package door

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Result says what became of a reported event.
type Result string

// The results. Those up to Withdrawn change the ledger; the rest leave it as it is and say why.
const (
	Accepted    Result = "accepted"
	TooOld      Result = "expired"      // accepted, but older than the age limit: not sent unless somebody asks for it
	NotRequired Result = "not_required" // accepted; Amazon sold the label and knows already
	Amended     Result = "amended"
	Withdrawn   Result = "withdrawn"

	AlreadyKnown Result = "already_known"
	Differs      Result = "differs"
	Refused      Result = "refused" // unusable or impossible; Problems say why
	Later        Result = "later"   // being sent or in doubt right now: the same event will be taken up later
)

// Taken reports whether the sender may consider the event delivered for good.
func (r Result) Taken() bool {
	switch r {
	case Accepted, TooOld, NotRequired, Amended, Withdrawn, Later:
		return true
	}
	return false
}

// Problem is one reason why an event was refused, with the field to mend.
type Problem struct {
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}

// Verdict is the answer to a sender, per event.
type Verdict struct {
	Result   Result            `json:"result"`
	Key      shipment.Key      `json:"key"`
	Account  string            `json:"account"`
	State    shipment.State    `json:"state,omitempty"` // of the shipment, as known at that moment
	Problems []Problem         `json:"problems,omitempty"`
	Warnings []Problem         `json:"warnings,omitempty"`
	Changes  []shipment.Change `json:"changes,omitempty"` // differs: known and reported values; amended: old and new
}

// FutureTolerance is how far a sender's clock may be ahead.
const FutureTolerance = 10 * time.Minute

// KeyOf returns the shipment an event is about. The account decides the connection where the event names none.
func KeyOf(set settings.Set, e event.Event) (shipment.Key, error) {
	conn, _, ok := set.Account(shipment.AccountID(e.Data.Account))
	if !ok {
		return shipment.Key{}, fault.Field("account", "%q is not configured: see the list of accounts", e.Data.Account)
	}
	if e.Data.Connection != "" && e.Data.Connection != string(conn.ID) {
		return shipment.Key{}, fault.Field("connection", "account %s belongs to connection %s, not %s", e.Data.Account, conn.ID, e.Data.Connection)
	}
	return shipment.Key{Connection: conn.ID, Order: e.Data.Order, Package: e.Data.Package}, nil
}

// EventID is the id of the ledger event an input event leads to: the same input always leads to the same id, so that a
// redelivered input is recognised. The content is part of it, so that a sender who uses an id twice loses nothing.
func EventID(e event.Event) string {
	name := make([]byte, 0, 640)
	for _, s := range []string{e.Source, e.ID, e.Type} {
		name = append(append(name, s...), '\n')
	}
	content, err := e.Data.Append(name)
	if err != nil {
		content = name // unreadable times, which no checked event has
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, content).String()
}

// Judge says what becomes of a decoded event, given the shipment's last ledger entry (Seq 0: unknown) at time now, and
// returns the ledger event to append on top of it; its Type is empty when there is nothing to append. It is pure.
func Judge(set settings.Set, now time.Time, e event.Event, last shipment.Entry) (Verdict, shipment.Event) {
	v, ev := judge(set, now, e, last)
	if ev.Type != "" && ev.ID == "" {
		ev.ID = EventID(e)
	}
	return v, ev
}

// judge leaves out the id of a first report, which costs as much as all the rest and tells nothing about the verdict.
func judge(set settings.Set, now time.Time, e event.Event, last shipment.Entry) (Verdict, shipment.Event) {
	v := Verdict{Account: e.Data.Account, State: last.After.State}
	key, err := KeyOf(set, e)
	if err != nil {
		return v.refuse(err), shipment.Event{}
	}
	v.Key = key
	_, account, _ := set.Account(shipment.AccountID(e.Data.Account))
	if last.After.Exists() && last.After.Account != account.ID {
		return v.refuse(fault.Field("account", "order %s is already known under account %s: an order belongs to one account", key.Order, last.After.Account)), shipment.Event{}
	}
	ev := shipment.Event{At: now, Actor: e.Source, Key: key, Account: account.ID}
	if last.After.Exists() {
		ev.ID = EventID(e)
	}
	// Delivered again, perhaps after later corrections that it must neither undo nor be held to contradict.
	if last.After.Took(ev.ID) {
		v.Result = AlreadyKnown
		return v, shipment.Event{}
	}
	if e.Type == event.TypeWithdrawn {
		return withdraw(v, ev, last)
	}
	data := e.Data.ToData(account.Schedule.Location())
	if err := future(e.Data, data, now, account.Schedule.Location()); err != nil {
		return v.refuse(err), shipment.Event{}
	}
	v.Warnings = warnings(data)
	do := report
	if e.Type == event.TypeAmended {
		do = amend
	}
	v, ev = do(v, ev, data, last, account)
	if v.Result.Taken() && data.LabelSource != shipment.LabelAmazon {
		v.Warnings = append(v.Warnings, carrierWarnings(data, account)...)
	}
	return v, ev
}

func future(s event.Shipped, d shipment.Data, now time.Time, zone *time.Location) error {
	if s.ShippedAt.DateOnly {
		if s.ShippedAt.Format(time.DateOnly) > now.In(zone).Format(time.DateOnly) {
			return fault.Field("shippedAt", "%s lies in the future", s.ShippedAt.Format(time.DateOnly))
		}
		return nil
	}
	if d.ShippedAt.After(now.Add(FutureTolerance)) {
		return fault.Field("shippedAt", "%s lies in the future", d.ShippedAt.Format(time.RFC3339))
	}
	return nil
}

func warnings(d shipment.Data) []Problem {
	var w []Problem
	if d.LabelSource == shipment.LabelAmazon {
		return nil
	}
	if d.Tracking == "" {
		w = append(w, Problem{"trackingNumber", "is missing: Amazon refuses a confirmation without one, so the shipment will be set back until it is added"})
	}
	if d.Carrier == "" {
		w = append(w, Problem{"carrier", "is missing: Amazon refuses a confirmation without one, so the shipment will be set back until it is added"})
	}
	return w
}

func report(v Verdict, ev shipment.Event, data shipment.Data, last shipment.Entry, a settings.Account) (Verdict, shipment.Event) {
	if last.After.Exists() {
		if v.Changes = shipment.Differs(last.After.Data, data); len(v.Changes) == 0 {
			v.Result = AlreadyKnown
		} else {
			v.Result = Differs
		}
		return v, shipment.Event{}
	}
	ev.Type, ev.Data = shipment.Accepted, &data
	switch {
	case data.LabelSource == shipment.LabelAmazon:
		v.Result, ev.To, ev.Comment = NotRequired, shipment.NotRequired, "label bought from Amazon"
	case !ev.At.Before(data.ShippedAt.Add(a.AgeLimit())):
		v.Result, ev.To = TooOld, shipment.Expired
	default:
		v.Result, ev.To = Accepted, shipment.Pending
	}
	v.State = ev.To
	return v, ev
}

func amend(v Verdict, ev shipment.Event, data shipment.Data, last shipment.Entry, _ settings.Account) (Verdict, shipment.Event) {
	data.Source = last.After.Data.Source
	ev.Type, ev.Data = shipment.Amended, &data
	return v.try(ev, last, Amended)
}

func withdraw(v Verdict, ev shipment.Event, last shipment.Entry) (Verdict, shipment.Event) {
	if last.After.State == shipment.Closed && last.After.Kind == shipment.Withdrawn {
		v.Result = AlreadyKnown
		return v, shipment.Event{}
	}
	if last.After.State == shipment.Doubt { // "withdrawn" may turn out to be too late
		return v.later(&shipment.Refusal{Key: ev.Key, State: last.After.State, Type: shipment.CloseEvent, Why: shipment.Unanswered}), shipment.Event{}
	}
	if last.After.State == shipment.Confirmed {
		return v.refuse(fault.New(fault.Conflict, "too late: sent at %s, and Amazon has confirmed it", last.After.Since.Format(time.RFC3339))), shipment.Event{}
	}
	ev.Type, ev.Kind = shipment.CloseEvent, shipment.Withdrawn
	return v.try(ev, last, Withdrawn)
}

// try asks the state table and words its refusal.
func (v Verdict) try(ev shipment.Event, last shipment.Entry, ok Result) (Verdict, shipment.Event) {
	after, err := shipment.Apply(last.After, ev)
	var r *shipment.Refusal
	if errors.As(err, &r) {
		switch r.Why {
		case shipment.BeingSent, shipment.Unanswered:
			return v.later(r), shipment.Event{}
		case shipment.NothingNew:
			v.Result = AlreadyKnown
			return v, shipment.Event{}
		}
		return v.refuse(err), shipment.Event{}
	}
	v.Result, v.State = ok, after.State
	v.Changes = shipment.Diff(last.After.Data, after.Data)
	return v, ev
}

func (v Verdict) later(why error) Verdict {
	v.Result, v.Warnings = Later, append(v.Warnings, Problem{Text: why.Error()})
	return v
}

func (v Verdict) refuse(err error) Verdict {
	v.Result, v.Problems = Refused, Problems(err)
	return v
}

// Problems takes a possibly joined error apart into what people read.
func Problems(err error) []Problem {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []Problem
		for _, e := range j.Unwrap() {
			out = append(out, Problems(e)...)
		}
		return out
	}
	var f *fault.Error
	if errors.As(err, &f) {
		text := f.Text
		if f.Cause != nil {
			text = fmt.Sprintf("%s: %v", f.Text, f.Cause)
		}
		return []Problem{{Field: f.Field, Text: text}}
	}
	return []Problem{{Text: fmt.Sprint(err)}}
}
