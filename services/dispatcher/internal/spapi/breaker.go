package spapi

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/fertig-project/fertig/shared/outcome"
)

// BreakerStatus is a breaker as people see it. Reason and NextProbe are empty while it is closed.
type BreakerStatus struct {
	Name      string // amazon or token
	State     string // closed, half-open, open
	Reason    string
	Since     time.Time
	NextProbe time.Time
}

// What is reported to gobreaker, which sees errors only.
var (
	errFailed   = errors.New("failed")
	errExcluded = errors.New("says nothing about health")
)

// probeLook is how soon to look again while a probe is under way.
const probeLook = time.Second

// breaker wraps gobreaker with what an operator wants to know: why it opened, since when, and when the next probe goes.
// gobreaker reports changes under its own lock, so the report only notes them; mu is never held while gobreaker is called.
type breaker struct {
	name    string
	openFor time.Duration
	two     *gobreaker.TwoStepCircuitBreaker[struct{}]
	notify  func(BreakerStatus) // must not block

	mu          sync.Mutex
	status      BreakerStatus
	lastFailure string
}

func newBreaker(name string, s BreakerSettings, notify func(BreakerStatus)) *breaker {
	b := &breaker{name: name, openFor: s.OpenFor, notify: notify}
	b.status = BreakerStatus{Name: name, State: gobreaker.StateClosed.String(), Since: time.Now()}
	b.two = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		MaxRequests:  1,
		Interval:     s.Window,
		BucketPeriod: max(time.Millisecond, s.Window/6),
		Timeout:      s.OpenFor,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			// A refused order counts as a success and ends a row of failures, so the share decides, too.
			answered := c.TotalSuccesses + c.TotalFailures
			return c.ConsecutiveFailures >= s.Consecutive ||
				answered >= s.MinRequests && float64(c.TotalFailures) >= s.FailureRate*float64(answered)
		},
		IsSuccessful:  func(err error) bool { return err == nil },
		IsExcluded:    func(err error) bool { return errors.Is(err, errExcluded) },
		OnStateChange: b.changed,
	})
	return b
}

func (b *breaker) changed(_ string, _, to gobreaker.State) {
	now := time.Now()
	b.mu.Lock()
	b.status = BreakerStatus{Name: b.name, State: to.String(), Since: now}
	if to != gobreaker.StateClosed {
		b.status.Reason = b.lastFailure
	}
	if to == gobreaker.StateOpen {
		b.status.NextProbe = now.Add(b.openFor + time.Millisecond) // gobreaker lets probes pass after, not at, that time
	}
	status := b.status
	b.mu.Unlock()
	b.notify(status)
}

// look returns an OpenError while the breaker is open, without taking anything.
func (b *breaker) look() error {
	if s := b.read(); s.State == gobreaker.StateOpen.String() {
		return &OpenError{Until: s.NextProbe, Reason: s.Reason}
	}
	return nil
}

// allow takes a permit; its report must be called exactly once.
func (b *breaker) allow() (report func(outcome.Effect, string), err error) {
	done, err := b.two.Allow()
	switch {
	case errors.Is(err, gobreaker.ErrTooManyRequests):
		return nil, &OpenError{Until: time.Now().Add(probeLook), Reason: "a probe is under way: " + b.read().Reason}
	case err != nil:
		s := b.read()
		if s.NextProbe.IsZero() { // it has just gone half-open
			s.NextProbe = time.Now().Add(probeLook)
		}
		return nil, &OpenError{Until: s.NextProbe, Reason: s.Reason}
	}
	return func(effect outcome.Effect, reason string) {
		switch effect {
		case outcome.Success:
			done(nil)
		case outcome.Failure:
			b.mu.Lock()
			b.lastFailure = reason
			b.mu.Unlock()
			done(errFailed)
		default:
			done(errExcluded)
		}
	}, nil
}

// read returns the status; asking gobreaker first lets a due change from open to half-open happen.
func (b *breaker) read() BreakerStatus {
	b.two.State()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status
}

// why describes a failure for the operator, in one line.
func why(a Answer) string {
	switch {
	case a.Status != 0:
		return fmt.Sprintf("%s: HTTP %d %s", a.Rule.ID, a.Status, clip(a.Text()))
	case a.Err != nil:
		return a.Rule.ID + ": " + a.Err.Error()
	default:
		return a.Rule.ID
	}
}
