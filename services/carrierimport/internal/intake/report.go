package intake

import (
	"time"

	"github.com/fertig-project/fertig/shared/door"
)

// Outcome says what became of a row: one of the door's results, or one of those below.
type Outcome string

// Outcomes beside the door's results.
const (
	Unusable Outcome = "unusable"       // a cell or the line itself cannot be used
	Waiting  Outcome = "waiting"        // the own number is in no order list yet; the row can be matched later
	Further  Outcome = "further_parcel" // another parcel of an order, and the profile does not number parcels
	Repeated Outcome = "repeated"       // the same parcel stands further up in the file
)

// Quarantined reports whether rows with this outcome are kept for people to mend.
func (o Outcome) Quarantined() bool {
	switch o {
	case Unusable, Waiting, Further, Outcome(door.Refused), Outcome(door.Differs):
		return true
	}
	return false
}

// Row is what became of one row.
type Row struct {
	Line      int            `json:"line"`
	Outcome   Outcome        `json:"outcome"`
	Order     string         `json:"amazonOrderId,omitempty"`
	Package   string         `json:"packageReferenceId,omitempty"`
	Reference string         `json:"reference,omitempty"`
	Tracking  string         `json:"trackingNumber,omitempty"`
	Problems  []door.Problem `json:"problems,omitempty"`
	Warnings  []door.Problem `json:"warnings,omitempty"`

	matched bool // by its own number

	// Text is the row as it stood in the file. It may hold an address, so it goes to the quarantine folder and nowhere else.
	Text string `json:"-"`
}

// Report is what became of one file.
type Report struct {
	Account  string          `json:"account"`
	File     string          `json:"file"`
	Hash     string          `json:"hash"` // SHA-256 of the content
	At       time.Time       `json:"at"`
	Refused  string          `json:"refused,omitempty"` // why nothing of the file could be used
	Warnings []string        `json:"warnings,omitempty"`
	Counts   map[Outcome]int `json:"counts"`
	Rows     []Row           `json:"rows"`

	Header     string `json:"-"` // the header line as it stood in the file
	HeaderLine int    `json:"-"`
}

// Waits is how many rows may be matched later.
func (r Report) Waits() int { return r.Counts[Waiting] }

// Quarantined returns the rows kept for people to mend.
func (r Report) Quarantined() []Row {
	var out []Row
	for _, row := range r.Rows {
		if row.Outcome.Quarantined() {
			out = append(out, row)
		}
	}
	return out
}
