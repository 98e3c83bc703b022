// Package bucket is the token bucket of Amazon's usage plans: tokens come back at a rate up to a burst,
// a request takes one, and an empty bucket refuses. It counts in whole nanoseconds of credit, so a
// bucket of two a second gives exactly one token every 500 ms however often it is asked. It owns no
// clock and no lock: the caller passes the time and serialises the calls.
package bucket

import "time"

// Bucket is one token bucket. Use New: the zero value has no rate and refuses everything.
type Bucket struct {
	rate     float64
	burst    int
	interval time.Duration // what one token costs
	credit   time.Duration
	at       time.Time
}

// New returns a full bucket of burst tokens that refills at rate tokens a second.
func New(rate float64, burst int, now time.Time) *Bucket {
	b := &Bucket{rate: rate, burst: burst, interval: interval(rate), at: now}
	b.credit = b.full()
	return b
}

// Take takes a token, or reports false and takes nothing.
func (b *Bucket) Take(now time.Time) bool {
	b.refill(now)
	if b.interval <= 0 || b.credit < b.interval {
		return false
	}
	b.credit -= b.interval
	return true
}

// Set changes rate and burst, as a dynamic usage plan does. The tokens at hand stay, as far as the new
// burst holds them.
func (b *Bucket) Set(rate float64, burst int, now time.Time) {
	b.refill(now)
	tokens := 0.0
	if b.interval > 0 {
		tokens = float64(b.credit) / float64(b.interval)
	}
	b.rate, b.burst, b.interval = rate, burst, interval(rate)
	b.credit = min(time.Duration(tokens*float64(b.interval)), b.full())
}

// Rate is the number of tokens that come back each second.
func (b *Bucket) Rate() float64 { return b.rate }

func (b *Bucket) refill(now time.Time) {
	passed := now.Sub(b.at)
	if passed <= 0 { // a clock that went back gives nothing and takes nothing
		return
	}
	b.at = now
	b.credit += min(passed, b.full()-b.credit)
}

func (b *Bucket) full() time.Duration { return time.Duration(b.burst) * b.interval }

func interval(rate float64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / rate)
}
