package spapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
)

// Certainty says how far a request got.
type Certainty string

// The certainties.
const (
	NotSent   Certainty = "no"       // provably nothing that Amazon could process has left
	MaybeSent Certainty = "maybe"    // the request may have reached Amazon, no answer came
	Answered  Certainty = "answered" // Amazon answered with Status
)

// Answer is what became of one request. Rule is always set. Code, Message and Details are Amazon's words, verbatim up to
// the size limit; Err is set when the network, the body or the caller's patience failed, and contains no secrets.
type Answer struct {
	Sent      Certainty
	Status    int // 0 unless Answered
	Code      string
	Message   string
	Details   string
	RequestID string // x-amzn-RequestId, for Amazon's support
	At        time.Time
	Took      time.Duration
	Rule      outcome.Rule
	Err       error
}

// Text is Amazon's text in one piece, empty if there is none.
func (a Answer) Text() string {
	return strings.TrimSpace(strings.TrimSpace(a.Message) + " " + strings.TrimSpace(a.Details))
}

// Fingerprint groups equal failures, see outcome.Fingerprint.
func (a Answer) Fingerprint() string { return outcome.Fingerprint(a.Rule.ID, a.Text()) }

// OpenError says that nothing can be sent before Until: a breaker is open, its probe is under way, or no access token is
// to be had for the moment. It is no order's fault; wait and ask again.
type OpenError struct {
	Until  time.Time
	Reason string
}

func (e *OpenError) Error() string {
	return fmt.Sprintf("amazon is not available before %s: %s", e.Until.UTC().Format(time.RFC3339), e.Reason)
}

// AccountError says that Amazon refuses the connection as a whole until somebody acts on Rule.Remedy.
type AccountError struct {
	Rule    outcome.Rule
	Code    string
	Message string
}

func (e *AccountError) Error() string {
	return strings.TrimRight(fmt.Sprintf("amazon refuses the connection (%s): %s %s", e.Rule.ID, e.Code, e.Message), ": ")
}

// maxText bounds what is kept of a body that is not Amazon's error list, a proxy's page for instance.
const maxText = 2 << 10

// readErrors takes Amazon's error list apart. A body of another form becomes the message, so that no text is lost.
// Several errors are joined, the first one's code counts. Source: ErrorList in Amazon's Orders models.
func readErrors(body []byte) (code, message, details string) {
	var list struct {
		Errors []struct {
			Code    text `json:"code"`
			Message text `json:"message"`
			Details text `json:"details"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(body, &list); err != nil || len(list.Errors) == 0 {
		return "", clip(string(body)), ""
	}
	for i, e := range list.Errors {
		if i == 0 {
			code, message, details = string(e.Code), string(e.Message), string(e.Details)
			continue
		}
		message += "\n" + strings.TrimSpace(string(e.Code)+" "+string(e.Message))
		details = strings.TrimSpace(details + "\n" + string(e.Details))
	}
	return code, message, details
}

// text takes any JSON value: strings as they are, others as written, so that a surprise in one field loses no other.
type text string

func (t *text) UnmarshalJSON(raw []byte) error {
	var s string
	if err := json.Unmarshal(raw, &s); err == nil {
		*t = text(s)
	} else {
		*t = text(raw)
	}
	return nil
}

func clip(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + " …"
	}
	return strings.TrimSpace(s)
}
