// Package attempt is one request to Amazon for one shipment, step by step: the write-ahead record, the single request,
// the outcome. It guarantees that a request never leaves without its record in the ledger, that the record is made on
// top of exactly the state the run had seen, and that a stop or crash after any step leaves a ledger from which the next
// holder of the lease goes on: what was not sent is released, what may have been sent is in doubt. It does not choose
// which shipment is tried, and it never sends twice: whoever wants another request makes another attempt.
package attempt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Margin is what an answer may take beyond the request's deadline before nobody waits for it any more, and what a lease
// must last beyond it.
const Margin = 2 * time.Second

// Pauses between tries to record an outcome.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = time.Second
)

// Ledger is what an attempt needs of the ledger.
type Ledger interface {
	Step(ctx context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error)
	Last(ctx context.Context, k shipment.Key) (shipment.Entry, error)
}

// Permit is the right to send one request now: access token, quota and breaker place in hand.
type Permit interface {
	Confirm(ctx context.Context, order string, body []byte) Answer
	Cancel()
}

// Answer is what became of a request.
type Answer struct {
	Sent        plan.Certainty
	Rule        outcome.Rule
	Fingerprint string
	Said        shipment.Answer // Amazon's words; Status 0 without an answer
}

// Lease is the right to speak for a connection.
type Lease interface {
	Token() uint64
	Remaining() time.Duration
}

// Step names a point of the attempt, for tests that stop there.
type Step string

// The steps, each named by what has just happened.
const (
	AfterReady   Step = "ready"    // permit in hand, nothing recorded
	AfterRecord  Step = "recorded" // write-ahead done, nothing sent
	AfterRequest Step = "sent"     // answered, nothing recorded of it
	AfterOutcome Step = "outcome"  // complete
)

// Wire bounds how many requests are under way at once. Attempts whose record or outcome is being written do not count:
// while the ledger is busy with theirs, others use the wire.
type Wire chan struct{}

// NewWire returns a wire for n requests at once.
func NewWire(n int) Wire { return make(Wire, n) }

// enter waits for room and reports whether it came in time.
func (w Wire) enter(most time.Duration) bool {
	select {
	case w <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(most)
	defer patience.Stop()
	select {
	case w <- struct{}{}:
		return true
	case <-patience.C:
		return false
	}
}

// Attempter makes attempts for one connection under one lease. It is safe for concurrent use.
type Attempter struct {
	Ledger  Ledger
	Lease   Lease
	Timeout time.Duration // of one request
	Wire    Wire
	Now     func() time.Time
	Actor   string

	// Stopped, where set, ends the attempt after a step as a crash would: it is nil outside tests.
	Stopped func(Step, shipment.Key) bool
}

// Job is one shipment to be attempted, as the view shows it, with the body that would be sent.
type Job struct {
	Seq      uint64
	Shipment shipment.Shipment
	Body     []byte
	Items    []shipment.Item // read from Amazon for this body, where the sender gave none
	Run      string
	Refusals int // how often this run has released the shipment
}

// Result says what became of a job.
type Result struct {
	Verdict plan.Verdict // Type "" when no request was made
	Skipped bool         // somebody else had changed the shipment: Entry is what stands there now, if it is known
	Entry   shipment.Entry
	Answer  Answer
}

// ErrLeaseEnding says that the lease may not last until an answer; nothing was sent.
var ErrLeaseEnding = errors.New("the lease of the connection is ending")

// errStopped ends an attempt at a step a test has chosen.
var errStopped = errors.New("stopped by test")

// Try makes one attempt and uses up or gives back the permit. An error means that the ledger could not be reached or the
// lease is ending; the shipment is then as it was, or found in doubt by the next orphan sweep. Once begun it outlives a
// stop of the run, within the request's deadline: half an attempt is a doubt, a whole one is an outcome.
func (a *Attempter) Try(ctx context.Context, p Permit, j Job) (Result, error) {
	defer p.Cancel()
	ctx = context.WithoutCancel(ctx)
	if a.stop(AfterReady, j) {
		return Result{}, errStopped
	}
	if a.Lease.Remaining() < a.Timeout+Margin {
		return Result{}, ErrLeaseEnding
	}
	recorded, err := a.record(ctx, j)
	var lost *ledger.LostRace
	var refused *shipment.Refusal
	switch {
	case errors.As(err, &lost):
		return Result{Skipped: true, Entry: lost.Current}, nil
	case errors.As(err, &refused):
		return Result{Skipped: true}, nil
	case err != nil:
		return Result{}, fmt.Errorf("record attempt on %s: %w", j.Shipment.Key, err)
	case a.stop(AfterRecord, j):
		return Result{}, errStopped
	}
	answer := a.send(ctx, p, recorded, j)
	if a.stop(AfterRequest, j) {
		return Result{}, errStopped
	}
	v := plan.Judge(answer.Sent, answer.Rule, j.Refusals)
	entry, err := a.conclude(ctx, recorded, answer, v, j.Run)
	if err != nil {
		return Result{}, fmt.Errorf("record outcome of %s: %w", j.Shipment.Key, err)
	}
	a.stop(AfterOutcome, j)
	return Result{Verdict: v, Entry: entry, Answer: answer}, nil
}

func (a *Attempter) stop(s Step, j Job) bool { return a.Stopped != nil && a.Stopped(s, j.Shipment.Key) }

// record writes the attempt ahead of the request, on top of exactly the state the run has seen.
func (a *Attempter) record(ctx context.Context, j Job) (shipment.Entry, error) {
	now := a.Now()
	sum := sha256.Sum256(j.Body)
	return a.Ledger.Step(ctx, shipment.Entry{Seq: j.Seq, After: j.Shipment}, shipment.Event{
		ID: newID(), Type: shipment.Attempted, At: now, Actor: a.Actor, Run: j.Run,
		Attempt: &shipment.Attempt{
			ID: newID(), Run: j.Run, Lease: a.Lease.Token(), Transport: shipment.Confirm, At: now,
			AnswerBy: now.Add(a.Timeout + Margin), Body: string(j.Body), Hash: hex.EncodeToString(sum[:]), Items: j.Items,
			Resend: j.Shipment.State == shipment.Doubt, Correction: j.Shipment.State == shipment.Confirmed,
		},
	})
}

// send makes the one request, as soon as the wire has room for it. Waiting for that counts as part of the request's time;
// when it takes half of it, Amazon is too slow for what has been begun, and the request does not leave.
func (a *Attempter) send(ctx context.Context, p Permit, e shipment.Entry, j Job) Answer {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	if !a.Wire.enter(a.Timeout / 2) {
		return withdrawn()
	}
	defer func() { <-a.Wire }()
	if a.Lease.Remaining() < a.Timeout {
		return withdrawn()
	}
	return p.Confirm(ctx, e.After.Order, j.Body)
}

// withdrawn is the answer for a request that never left.
func withdrawn() Answer {
	return Answer{Sent: plan.NotSent, Rule: outcome.Classify(outcome.Answer{Operation: outcome.Confirm, Code: outcome.CodeWithdrawn})}
}

// conclude appends the outcome and does not give up before the lease's own end: an outcome that only we know must not be
// lost to a hiccup of the store. After a lost race the outcome is fitted to what stands there now.
func (a *Attempter) conclude(ctx context.Context, recorded shipment.Entry, answer Answer, v plan.Verdict, run string) (shipment.Entry, error) {
	began := time.Now()
	original := a.outcome(recorded, answer, v, run)
	last, ev, pause := recorded, original, firstPause
	for {
		entry, err := a.Ledger.Step(ctx, last, ev)
		var lost *ledger.LostRace
		var refused *shipment.Refusal
		switch {
		case err == nil:
			return entry, nil
		case errors.As(err, &lost):
			last = lost.Current
			ev = late(last, original)
			continue
		case errors.As(err, &refused) && ev.Type != shipment.Noted:
			ev = note(original)
			continue
		}
		if time.Since(began) > 2*a.Timeout && a.Lease.Remaining() <= 0 {
			return shipment.Entry{}, err
		}
		time.Sleep(pause)
		pause = min(2*pause, lastPause)
	}
}

func (a *Attempter) outcome(recorded shipment.Entry, answer Answer, v plan.Verdict, run string) shipment.Event {
	ev := shipment.Event{ID: newID(), Type: v.Type, At: a.Now(), Actor: a.Actor, Run: run,
		Attempt: recorded.After.Attempt, To: v.To, Kind: v.Kind}
	if v.Type == shipment.Outcome {
		said := answer.Said
		said.Rule, said.Field = answer.Rule.ID, answer.Rule.Field
		ev.Answer = &said
		if v.To == shipment.Deferred {
			ev.Print = answer.Fingerprint
		}
	}
	return ev
}

// late fits an outcome to a shipment that was touched while the answer was awaited. If the attempt is still open the
// answer holds, whether somebody merely wrote a note or the attempt has become a doubt, which the answer then settles;
// an answer that proves nothing leaves the doubt as it is. Anything else is for the record only.
func late(now shipment.Entry, ev shipment.Event) shipment.Event {
	open := now.After.Attempt
	if open == nil || ev.Attempt == nil || open.ID != ev.Attempt.ID {
		return note(ev)
	}
	switch {
	case now.After.State == shipment.Transmitting:
		return ev
	case now.After.State != shipment.Doubt, ev.To == shipment.Doubt:
		return note(ev)
	case ev.Type != shipment.Released:
		return ev
	case open.From != shipment.Pending && open.From != shipment.Deferred:
		return note(ev) // a body recorded earlier still waits for its proof
	}
	ev.Type, ev.To, ev.Kind = shipment.Outcome, shipment.Deferred, shipment.Transient
	return ev
}

// note keeps for the record an answer that does not fit any more.
func note(ev shipment.Event) shipment.Event {
	return shipment.Event{ID: ev.ID, Type: shipment.Noted, At: ev.At, Actor: ev.Actor, Run: ev.Run, Answer: ev.Answer,
		Comment: "the answer came late"}
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
