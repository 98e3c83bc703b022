// Package control is what consoles ask dispatchers over core NATS: how a connection stands, whether its access works, and
// that the view be built anew. It owns the subjects and the wire form of the answers. Only the process that holds a
// connection's lease answers for it, so no answer within the caller's patience means that nobody holds it. Nothing here
// is kept or decides anything.
package control

import (
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Subjects. All matches every question; Rebuild asks whoever projects.
const (
	All     = "fertig.ctl.>"
	Rebuild = "fertig.ctl.view.rebuild"
)

// StatusOf is the subject to ask for a connection's Status.
func StatusOf(c shipment.ConnectionID) string { return "fertig.ctl." + string(c) + ".status" }

// TestOf is the subject to ask for a test of a connection's access; the answer is a list of Step, within 20 seconds.
func TestOf(c shipment.ConnectionID) string { return "fertig.ctl." + string(c) + ".test" }

// Status is how a connection stands.
type Status struct {
	Breaker      Breaker      `json:"breaker"`
	TokenBreaker Breaker      `json:"tokenBreaker"`
	Rate         float64      `json:"rate"` // confirmations per second
	Burst        int          `json:"burst"`
	Available    int          `json:"available"`
	PausedUntil  time.Time    `json:"pausedUntil,omitzero"` // throttled by Amazon until then
	TokenUntil   time.Time    `json:"tokenUntil,omitzero"`
	Halted       string       `json:"halted,omitempty"` // why Amazon refuses the connection
	Run          job.Progress `json:"run"`              // the run under way, or the last one
}

// Breaker is the state of a circuit breaker: closed (sending), open (waiting for NextProbe) or half-open (probing).
type Breaker struct {
	State     string    `json:"state"`
	Reason    string    `json:"reason,omitempty"`
	Since     time.Time `json:"since,omitzero"`
	NextProbe time.Time `json:"nextProbe,omitzero"`
}

// Step is one step of a test of access.
type Step struct {
	Name    string        `json:"name"` // token, region, role, or marketplace with its id
	OK      bool          `json:"ok"`
	Skipped bool          `json:"skipped,omitempty"` // not tried; Text says why
	Took    time.Duration `json:"took"`
	Rule    string        `json:"rule"` // id in the outcome catalogue, with the remedy
	Text    string        `json:"text,omitempty"`
}
