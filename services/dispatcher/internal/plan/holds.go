package plan

import (
	"strings"

	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Of the last holdWindow answers, holdCount with one fingerprint show one defect, not many orders' bad luck. Shipments not
// tried yet have no fingerprint; they belong to the group if they share what holdCause of these refusals have in common.
const (
	holdWindow = 30
	holdCount  = 20
	holdCause  = 3
)

// Holds remembers a run's latest answers and says which shipments would only meet the same refusal again. The zero value
// is ready; it is not safe for concurrent use.
type Holds struct {
	recent []answer
	prints map[string]bool
	causes map[string]bool
}

// answer is one answer: the fingerprint of the failure and, where the carrier mapping is to blame, which line of it.
type answer struct{ print, cause string }

// Answer records one answer: the fingerprint of the failure ("" for none), the field it blames and the shipment it was
// about. It reports whether this answer made a group held, or more shipments part of it.
func (h *Holds) Answer(s shipment.Shipment, print, field string) bool {
	a := answer{print: print}
	if field == outcome.FieldCarrier || field == outcome.FieldMethod {
		a.cause = cause(s)
	}
	if h.recent = append(h.recent, a); len(h.recent) > holdWindow {
		h.recent = h.recent[1:]
	}
	if print == "" {
		return false
	}
	count, causes := 0, map[string]int{}
	for _, r := range h.recent {
		if r.print == print {
			count++
			causes[r.cause]++
		}
	}
	if h.prints == nil {
		h.prints, h.causes = map[string]bool{}, map[string]bool{}
	}
	grown := false
	if count >= holdCount && !h.prints[print] {
		h.prints[print], grown = true, true
	}
	if !h.prints[print] {
		return false
	}
	for c, n := range causes {
		if c != "" && n >= holdCause && !h.causes[c] {
			h.causes[c], grown = true, true
		}
	}
	return grown
}

// Held reports whether the shipment belongs to a group that is held for the rest of the run. A corrected shipment is only
// held if what was corrected is not what the group has in common.
func (h *Holds) Held(s shipment.Shipment) bool {
	return s.Fingerprint != "" && !s.Changed && h.prints[s.Fingerprint] || h.causes[cause(s)]
}

// cause groups shipments that one line of the carrier mapping decides about.
func cause(s shipment.Shipment) string {
	return string(s.Account) + "\x00" + strings.ToLower(s.Data.Carrier) + "\x00" + strings.ToLower(s.Data.Service)
}
