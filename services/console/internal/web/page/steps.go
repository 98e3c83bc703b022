package page

import (
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Steps tells a shipment's history, the newest first.
func Steps(history []shipment.Entry) []Step {
	out := make([]Step, 0, len(history))
	var before shipment.State
	for _, e := range history {
		s := Step{At: e.At, What: what(e), Tone: tone(e), Actor: e.Actor, Comment: e.Comment, Run: e.Run, Changes: e.Changes,
			Waiver: e.Waiver, Answer: e.Answer, State: e.After.State, Moved: e.After.State != before}
		switch e.Type {
		case shipment.Attempted:
			s.Attempt = e.After.Attempt
		case shipment.Outcome:
			s.Answer = e.After.Answer
		}
		if s.Answer != nil {
			if r, ok := outcome.Lookup(s.Answer.Rule); ok {
				s.Remedy = r.Remedy
			}
		}
		if s.Run == "" && s.Attempt != nil {
			s.Run = s.Attempt.Run
		}
		if s.Run != "" {
			s.RunURL = RunURL(s.Run)
		}
		before = e.After.State
		out = append(out, s)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// RunURL is the path of a run's page.
func RunURL(id string) string { return "/runs/" + id }

func what(e shipment.Entry) Sentence {
	if e.Shown != nil {
		return Say("step.found." + string(e.Shown.Finding))
	}
	switch e.Type {
	case shipment.Accepted:
		return Say("step.accepted", "door", door(e.After.Data.Source))
	case shipment.Attempted:
		key, n := "step.attempt", e.After.Attempts
		if a := e.After.Attempt; a != nil && a.Resend {
			key = "step.resend"
		}
		return Say(key, "n", n)
	case shipment.Outcome:
		if e.After.State == shipment.Confirmed || e.After.State == shipment.Deferred {
			return Say("step.outcome." + string(e.After.State))
		}
	case shipment.CloseEvent:
		if e.After.Kind == shipment.ByHand || e.After.Kind == shipment.Withdrawn {
			return Say("step.closed." + string(e.After.Kind))
		}
	}
	return Say("step." + string(e.Type))
}

func door(source string) any {
	switch source {
	case "service", "api", "hand", "import":
		return Say("door." + source)
	}
	return source
}

func tone(e shipment.Entry) Tone {
	switch e.Type {
	case shipment.Outcome, shipment.Found:
		switch e.After.State {
		case shipment.Confirmed:
			return Good
		case shipment.Deferred:
			return Bad
		case shipment.Doubt:
			return Warn
		}
	case shipment.Doubted, shipment.Aged:
		return Warn
	}
	return ""
}
