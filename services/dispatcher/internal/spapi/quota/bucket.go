package quota

import (
	"math"
	"time"
)

// A bucket counts in femtotokens (1e-15 tokens), for then a rate of one microtoken per second adds exactly one of them
// per nanosecond: no rounding, however long it runs. It is pure; its owner locks it and tells it the time.
type bucket struct {
	rate  int64 // microtokens per second = femtotokens per nanosecond
	burst int64 // femtotokens
	level int64 // femtotokens that may be taken
	held  int64 // femtotokens taken but neither used nor given back
	at    time.Time
}

const token = int64(1e15)

func newBucket(l Limits, now time.Time) bucket {
	burst := int64(l.Burst) * token
	return bucket{rate: micro(l.Rate), burst: burst, level: burst, at: now}
}

func micro(rate float64) int64 { return max(1, int64(math.Round(rate*1e6))) }

// fill adds what has come in until now. What is held keeps its room: level + held never exceeds the burst, so a held
// token may be used or given back at any time without widening the burst.
func (b *bucket) fill(now time.Time) {
	elapsed := now.Sub(b.at)
	if elapsed <= 0 {
		return // resting until b.at, or nothing to add
	}
	b.at = now
	room := b.burst - b.held - b.level
	if int64(elapsed) > room/b.rate { // also keeps the product from overflowing
		b.level += room
		return
	}
	b.level += int64(elapsed) * b.rate
}

// take moves a token from the level to what is held. The level may have less than one only if the caller did not ask
// until(1) first.
func (b *bucket) take()     { b.level -= token; b.held += token }
func (b *bucket) use()      { b.held -= token }
func (b *bucket) giveBack() { b.held -= token; b.level += token }

// drain empties the level; rest lets nothing come in before the time.
func (b *bucket) drain()           { b.level = 0 }
func (b *bucket) rest(t time.Time) { b.at = t }

// until is the time after b.at at which n tokens will have come in, rounded up to whole nanoseconds, as if none of the
// held ones came back and all were used.
func (b *bucket) until(n int) time.Duration {
	whole, part := int64(n)-b.level/token, b.level%token
	if whole <= 0 {
		return 0
	}
	perToken := token / b.rate
	if whole > math.MaxInt64/2/perToken-1 {
		return math.MaxInt64 / 2
	}
	ns := whole * perToken
	missing := whole*(token%b.rate) - part // both below 2^62 for the ranges New admits and n below a million
	return time.Duration(ns + ceilDiv(missing, b.rate))
}

func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

// setRate reports whether the rate is another than before. What came in until now came in at the old one.
func (b *bucket) setRate(rate float64, now time.Time) bool {
	if b.rate == micro(rate) {
		return false
	}
	b.fill(now)
	b.rate = micro(rate)
	return true
}

func (b *bucket) perSecond() float64 { return float64(b.rate) / 1e6 }
func (b *bucket) size() int          { return int(b.burst / token) }
func (b *bucket) whole() int         { return int(b.level / token) }
