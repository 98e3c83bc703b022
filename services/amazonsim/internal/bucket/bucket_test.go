package bucket

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRateChangesKeepTheTokens(t *testing.T) {
	now := time.Unix(1000, 0)
	b := New(2, 10, now)
	for range 6 {
		b.Take(now)
	}
	b.Set(20, 100, now) // four tokens left
	taken := 0
	for b.Take(now) {
		taken++
	}
	if taken != 4 || b.Rate() != 20 {
		t.Fatalf("%d tokens at %v/s", taken, b.Rate())
	}
	b.Set(2, 1, now.Add(time.Hour))
	if !b.Take(now.Add(time.Hour)) || b.Take(now.Add(time.Hour)) {
		t.Fatal("a smaller burst must hold fewer tokens")
	}
}

func TestClockThatGoesBackGivesNothing(t *testing.T) {
	now := time.Unix(1000, 0)
	b := New(1, 1, now)
	if !b.Take(now) || b.Take(now.Add(-time.Hour)) || b.Take(now) || !b.Take(now.Add(time.Second)) {
		t.Fatal("a step back must neither give nor take")
	}
}

// However often and irregularly a bucket is asked, in any span it gives at most burst and what came back.
func TestNeverMoreThanThePlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]float64{0.0056, 0.5, 2, 7, 1000}).Draw(t, "rate")
		burst := rapid.IntRange(1, 30).Draw(t, "burst")
		start := time.Unix(1000, 0)
		b, now, taken := New(rate, burst, start), start, 0
		for range rapid.IntRange(1, 200).Draw(t, "asks") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "pause")))
			refillable := int(now.Sub(start) / b.interval)
			if b.Take(now) {
				taken++
			} else if taken < burst {
				t.Fatalf("refused after %d of %d", taken, burst)
			}
			if taken > burst+refillable {
				t.Fatalf("%d tokens after %v", taken, now.Sub(start))
			}
		}
	})
}
