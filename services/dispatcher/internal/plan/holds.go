package plan

import (
	"strings"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Of the last holdWindow answers, holdCount with one fingerprint show one defect, not many orders' bad luck.
const (
	holdWindow = 30
	holdCount  = 20
)

// Holds remembers a run's latest answers and says which shipments would only meet the same refusal again. The zero value
// is ready; it is not safe for concurrent use.
type Holds struct {
	recent []string
	prints map[string]bool
	causes map[string]bool
	seen   map[string]string // fingerprint -> cause of its latest refusal
}

// Answer records one answer: the fingerprint of the failure ("" for none) and the shipment it was about. It reports
// whether this answer made a group held.
func (h *Holds) Answer(s shipment.Shipment, print, field string) bool {
	if h.prints == nil {
		h.prints, h.causes, h.seen = map[string]bool{}, map[string]bool{}, map[string]string{}
	}
	h.recent = append(h.recent, print)
	if len(h.recent) > holdWindow {
		h.recent = h.recent[1:]
	}
	if print == "" || h.prints[print] {
		return false
	}
	if field == "carrier" || field == "method" {
		h.seen[print] = cause(s)
	}
	n := 0
	for _, p := range h.recent {
		if p == print {
			n++
		}
	}
	if n < holdCount {
		return false
	}
	h.prints[print] = true
	if c, ok := h.seen[print]; ok {
		h.causes[c] = true
	}
	return true
}

// Held reports whether the shipment belongs to a group that is held for the rest of the run.
func (h *Holds) Held(s shipment.Shipment) bool {
	return s.Fingerprint != "" && !s.Changed && h.prints[s.Fingerprint] || h.causes[cause(s)]
}

// cause groups shipments that one line of the carrier mapping decides about.
func cause(s shipment.Shipment) string {
	return string(s.Account) + "\x00" + strings.ToLower(s.Data.Carrier) + "\x00" + strings.ToLower(s.Data.Service)
}
