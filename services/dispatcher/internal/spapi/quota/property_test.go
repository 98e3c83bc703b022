package quota

import (
	"context"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A step of a random worker: rest, then stand in line for at most patience, then hold the token and use or return it.
type step struct {
	Rest, Patience, Hold time.Duration
	GiveBack             bool
	Refused              bool
	Follow               float64 // 0: no change
}

// Whatever many callers do with their tokens, no window holds more than burst + rate*length uses. The model is Amazon's
// own definition, counted over all windows that begin and end with a use, in exact fractions.
func TestNoWindowHoldsMoreThanItsShare(t *testing.T) {
	millis := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.SampledFrom([]int{0, 0, 1, 7, 100, 499, 500, 501, 1300, 5000}).Draw(t, "ms")) * time.Millisecond
	})
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			Rest: millis.Draw(t, "rest"), Patience: millis.Draw(t, "patience") + time.Minute*time.Duration(rapid.IntRange(0, 1).Draw(t, "patient")),
			Hold: millis.Draw(t, "hold"), GiveBack: rapid.IntRange(0, 3).Draw(t, "giveBack") == 0,
			Refused: rapid.IntRange(0, 19).Draw(t, "refused") == 0,
			Follow:  rapid.SampledFrom([]float64{0, 0, 0, 0, 0, 0.5, 2, 7.5}).Draw(t, "follow"),
		}
	}), 1, 25)
	rapid.Check(t, func(rt *rapid.T) {
		cfg := Config{
			Limits:     Limits{Rate: rapid.SampledFrom([]float64{0.5, 2, 10}).Draw(rt, "rate"), Burst: rapid.IntRange(1, 10).Draw(rt, "burst")},
			StartEmpty: rapid.Bool().Draw(rt, "startEmpty"), Jitter: noJitter,
		}
		workers := rapid.SliceOfN(steps, 1, 6).Draw(rt, "workers")
		var h *history
		synctest.Test(t, func(t *testing.T) { h = play(t, cfg, workers) })
		if fault := h.fault(cfg.Burst); fault != "" {
			rt.Fatal(fault)
		}
	})
}

// history is what happened: uses in the order of time, and the rate as it changed.
type history struct {
	mu    sync.Mutex
	uses  []time.Time
	rates []change
}

type change struct {
	at   time.Time
	rate float64
}

func play(t *testing.T, cfg Config, workers [][]step) *history {
	g := governor(t, cfg)
	h := &history{rates: []change{{time.Now(), cfg.Rate}}}
	var all sync.WaitGroup
	for _, steps := range workers {
		all.Go(func() {
			for _, s := range steps {
				h.act(g, s)
			}
		})
	}
	all.Wait()
	if left := g.Status().Waiting; left != 0 {
		t.Errorf("%d still wait after everybody has left", left)
	}
	return h
}

func (h *history) act(g *Governor, s step) {
	time.Sleep(s.Rest)
	if s.Follow != 0 {
		h.mu.Lock()
		g.Follow(s.Follow)
		h.rates = append(h.rates, change{time.Now(), s.Follow})
		h.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.Patience)
	defer cancel()
	token, err := g.Wait(ctx)
	if err != nil {
		return
	}
	time.Sleep(s.Hold)
	if s.GiveBack {
		token.Return()
		return
	}
	h.mu.Lock()
	token.Use()
	h.uses = append(h.uses, time.Now())
	h.mu.Unlock()
	if s.Refused {
		g.Refused()
	} else {
		g.Granted()
	}
}

// fault names the first window that holds too many uses.
func (h *history) fault(burst int) string {
	for i := range h.uses {
		for j := i; j < len(h.uses); j++ {
			allowed := new(big.Rat).Add(big.NewRat(int64(burst), 1), h.income(h.uses[i], h.uses[j]))
			if big.NewRat(int64(j-i+1), 1).Cmp(allowed) > 0 {
				return h.uses[i].String() + " to " + h.uses[j].String() + ": more uses than " + allowed.FloatString(3)
			}
		}
	}
	return ""
}

// income is how many tokens come in between two times.
func (h *history) income(from, to time.Time) *big.Rat {
	sum := new(big.Rat)
	for n, c := range h.rates {
		begin, end := c.at, to
		if n+1 < len(h.rates) && h.rates[n+1].at.Before(to) {
			end = h.rates[n+1].at
		}
		if begin.Before(from) {
			begin = from
		}
		if length := end.Sub(begin); length > 0 {
			rate := new(big.Rat).SetFloat64(c.rate)
			sum.Add(sum, rate.Mul(rate, big.NewRat(int64(length), int64(time.Second))))
		}
	}
	return sum
}

// The bucket agrees with plain fractions, however odd the rate and the steps of time.
func TestBucketIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(100, 1e9).Draw(t, "micros")
		burst := rapid.IntRange(1, MaxBurst).Draw(t, "burst")
		now := time.Unix(1_800_000_000, 0)
		b := newBucket(Limits{Rate: float64(micros) / 1e6, Burst: burst}, now)
		full := new(big.Rat).SetInt64(int64(burst))
		level := new(big.Rat).Set(full)
		one := big.NewRat(1, 1)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if level.Cmp(one) >= 0 {
				b.take()
				b.use()
				level.Sub(level, one)
			}
			if rapid.Bool().Draw(t, "rest") {
				d := rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "d") >> rapid.IntRange(0, 40).Draw(t, "shift")
				now = now.Add(time.Duration(d))
				b.fill(now)
				level.Add(level, new(big.Rat).Mul(big.NewRat(micros, 1e6), big.NewRat(d, 1e9)))
				if level.Cmp(full) > 0 {
					level.Set(full)
				}
			}
			if got := big.NewRat(b.level, token); got.Cmp(level) != 0 {
				t.Fatalf("level %s, want %s", got.FloatString(18), level.FloatString(18))
			}
			n := rapid.IntRange(1, 2000).Draw(t, "n")
			checkUntil(t, b, n)
		}
	})
}

// checkUntil: after until(n) there are n tokens, a nanosecond before there are not.
func checkUntil(t *rapid.T, b bucket, n int) {
	d := b.until(n)
	after := new(big.Rat).Add(big.NewRat(b.level, token), new(big.Rat).Mul(big.NewRat(b.rate, 1e6), big.NewRat(int64(d), 1e9)))
	if after.Cmp(big.NewRat(int64(n), 1)) < 0 {
		t.Fatalf("after %v there are %s tokens, want %d", d, after.FloatString(9), n)
	}
	before := after.Sub(after, big.NewRat(b.rate, 1e15))
	if d > 0 && before.Cmp(big.NewRat(int64(n), 1)) >= 0 {
		t.Fatalf("%d tokens are there before %v", n, d)
	}
}
