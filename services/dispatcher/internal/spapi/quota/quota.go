// Package quota paces the requests of one operation of one connection so that Amazon's token bucket for it never
// overflows and never idles while somebody waits. It guarantees that in no window of length d more than burst + rate*d
// tokens are used, whatever was taken early, held, or given back, and that waiting callers are served first come, first
// served. It starts no goroutine and keeps nothing: after a takeover it starts empty, because the predecessor may have
// spent the burst. It does not send requests and does not know what they are.
//
// Amazon's model: https://developer-docs.amazon.com/sp-api/docs/usage-plans-and-rate-limits
package quota

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Limits describe a bucket. Rate is in tokens per second; Burst is what may be used at once after a rest.
type Limits struct {
	Rate  float64
	Burst int
}

// The ranges Limits may have. Within them the bucket's integer arithmetic is exact and cannot overflow.
const (
	MinRate  = 0.0001
	MaxRate  = 100_000.0
	MaxBurst = 1000
)

// MaxPause is the longest rest after a refusal.
const MaxPause = 30 * time.Second

// Config of a Governor. StartEmpty withholds the burst at the start. Jitter yields numbers in [0,1); nil means random.
type Config struct {
	Limits
	StartEmpty bool
	Jitter     func() float64
}

// Status is a snapshot for people. Available counts tokens that could be used at once; PausedUntil is zero without pause.
type Status struct {
	Rate        float64
	Burst       int
	Available   int
	Waiting     int
	PausedUntil time.Time
}

// Governor hands out tokens. It is safe for concurrent use.
type Governor struct {
	jitter func() float64

	mu          sync.Mutex
	bucket      bucket
	line        list.List // of *waiter, first come first served
	pausedUntil time.Time
	refusals    int // in a row
}

type waiter struct{ turn chan struct{} }

// New returns a governor, or an error that names the limit out of range.
func New(cfg Config) (*Governor, error) {
	if !(cfg.Rate >= MinRate && cfg.Rate <= MaxRate) {
		return nil, fmt.Errorf("quota: rate %v per second is not within %v and %v", cfg.Rate, MinRate, MaxRate)
	}
	if cfg.Burst < 1 || cfg.Burst > MaxBurst {
		return nil, fmt.Errorf("quota: burst %d is not within 1 and %d", cfg.Burst, MaxBurst)
	}
	g := &Governor{jitter: cfg.Jitter, bucket: newBucket(cfg.Limits, time.Now())}
	if g.jitter == nil {
		g.jitter = rand.Float64
	}
	if cfg.StartEmpty {
		g.bucket.drain()
	}
	return g, nil
}

// Wait returns a token when it is the caller's turn, or the context's error. The caller must end the token with Use or
// Return.
func (g *Governor) Wait(ctx context.Context) (*Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("wait for quota: %w", context.Cause(ctx))
	}
	g.mu.Lock()
	w := &waiter{turn: make(chan struct{}, 1)}
	place := g.line.PushBack(w)
	for {
		delay := time.Duration(math.MaxInt64)
		if g.line.Front() == place {
			if delay = g.delay(time.Now()); delay <= 0 {
				g.bucket.take()
				g.leave(place)
				g.mu.Unlock()
				return &Token{governor: g}, nil
			}
		}
		g.mu.Unlock()
		err := w.rest(ctx, delay)
		g.mu.Lock()
		if err != nil {
			g.leave(place)
			g.mu.Unlock()
			return nil, fmt.Errorf("wait for quota: %w", err)
		}
	}
}

// rest waits for the delay, for a change of place or pace, or for the context's end, whichever comes first.
func (w *waiter) rest(ctx context.Context, delay time.Duration) error {
	var due <-chan time.Time
	if delay != math.MaxInt64 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.turn:
	case <-due:
	}
	return nil
}

// delay is the time until the next token, with the bucket filled up to now; zero if there is one. mu is held.
func (g *Governor) delay(now time.Time) time.Duration {
	if pause := g.pausedUntil.Sub(now); pause > 0 {
		return pause
	}
	g.bucket.fill(now)
	return g.bucket.until(1)
}

// leave takes a place out of the line and wakes whoever is first now. mu is held.
func (g *Governor) leave(place *list.Element) {
	g.line.Remove(place)
	g.wake()
}

// wake makes the first in line look again. Its channel holds one signal, so nobody blocks and none is lost. mu is held.
func (g *Governor) wake() {
	if first := g.line.Front(); first != nil {
		select {
		case first.Value.(*waiter).turn <- struct{}{}:
		default:
		}
	}
}

// Follow adopts the rate Amazon names in x-amzn-RateLimit-Limit, upwards and downwards. Amazon names the rate only, so
// the burst stays. Rates out of range are ignored.
func (g *Governor) Follow(rate float64) {
	if !(rate >= MinRate && rate <= MaxRate) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.bucket.setRate(rate, time.Now()) {
		g.wake()
	}
}

// Granted notes that Amazon has accepted a request, which ends a row of refusals.
func (g *Governor) Granted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !time.Now().Before(g.pausedUntil) {
		g.refusals = 0
	}
}

// Refused notes a 429: the bucket is emptied and rests for one to two times 1/rate, doubled with every further refusal
// in a row, at most MaxPause. Refusals that come in during a pause belong to the one that caused it.
func (g *Governor) Refused() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if now.Before(g.pausedUntil) {
		return
	}
	pause := min(MaxPause, time.Duration((1+g.jitter())*float64(time.Second)/g.bucket.perSecond()))
	for range g.refusals {
		pause = min(MaxPause, 2*pause)
	}
	g.refusals = min(g.refusals+1, 16)
	g.pausedUntil = now.Add(pause)
	g.bucket.fill(now)
	g.bucket.drain()
	g.bucket.rest(g.pausedUntil)
}

// ETA is the time until n more tokens could have been taken behind everybody who waits now.
func (g *Governor) ETA(n int) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.bucket.fill(now)
	return max(0, g.pausedUntil.Sub(now)) + g.bucket.until(n+g.line.Len())
}

// Status returns a snapshot.
func (g *Governor) Status() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.bucket.fill(now)
	s := Status{Rate: g.bucket.perSecond(), Burst: g.bucket.size(), Available: g.bucket.whole(), Waiting: g.line.Len()}
	if now.Before(g.pausedUntil) {
		s.PausedUntil = g.pausedUntil
	}
	return s
}

// Token is the right to send one request. Until it has ended it keeps its place in the bucket, so that a token held for
// a while and used then, or given back, never adds to the burst. Use and Return are idempotent; the first one counts.
type Token struct {
	governor *Governor
	ended    sync.Once
}

// Use ends the token at the moment the request is sent.
func (t *Token) Use() { t.end((*bucket).use) }

// Return ends a token whose request was provably not sent; the next in line may have it at once.
func (t *Token) Return() { t.end((*bucket).giveBack) }

func (t *Token) end(how func(*bucket)) {
	t.ended.Do(func() {
		g := t.governor
		g.mu.Lock()
		defer g.mu.Unlock()
		g.bucket.fill(time.Now())
		how(&g.bucket)
		g.wake()
	})
}
