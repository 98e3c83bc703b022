package quota

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func governor(t testing.TB, cfg Config) *Governor {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func use(t testing.TB, g *Governor) {
	t.Helper()
	token, err := g.Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	token.Use()
}

func noJitter() float64 { return 0 }

func TestLimitsOutOfRangeAreRefused(t *testing.T) {
	for _, l := range []Limits{{0, 1}, {-1, 1}, {MaxRate * 2, 1}, {1, 0}, {1, MaxBurst + 1}} {
		if _, err := New(Config{Limits: l}); err == nil {
			t.Errorf("%+v was accepted", l)
		}
	}
}

func TestBurstThenRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, start := governor(t, Config{Limits: Limits{2, 9}}), time.Now()
		for range 9 {
			use(t, g)
		}
		if time.Since(start) != 0 {
			t.Fatalf("the burst took %v", time.Since(start))
		}
		use(t, g)
		if time.Since(start) != 500*time.Millisecond {
			t.Errorf("the tenth came after %v", time.Since(start))
		}
	})
}

func TestStartEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, start := governor(t, Config{Limits: Limits{2, 9}, StartEmpty: true}), time.Now()
		use(t, g)
		if time.Since(start) != 500*time.Millisecond {
			t.Errorf("the first came after %v", time.Since(start))
		}
	})
}

// The governor must not cost quota: ten thousand confirmations, each taking 800 ms at Amazon's, with few workers.
func TestUtilisation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sends = 10_000
		g, start := governor(t, Config{Limits: Limits{2, 9}}), time.Now()
		work := make(chan struct{})
		var last time.Time
		var mu sync.Mutex
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for range work {
					use(t, g)
					mu.Lock()
					last = time.Now()
					mu.Unlock()
					time.Sleep(800 * time.Millisecond)
				}
			})
		}
		for range sends {
			work <- struct{}{}
		}
		close(work)
		workers.Wait()
		ideal := time.Duration(sends-9) * time.Second / 2
		if used := float64(ideal) / float64(last.Sub(start)); used < 0.998 || used > 1 {
			t.Errorf("%.4f %% of the quota used, %v instead of %v", 100*used, last.Sub(start), ideal)
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := governor(t, Config{Limits: Limits{1, 1}, StartEmpty: true})
		var mu sync.Mutex
		var served []int
		for n := range 20 {
			go func() {
				use(t, g)
				mu.Lock()
				served = append(served, n)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		if s := g.Status(); s.Waiting != 20 {
			t.Errorf("%d wait, want 20", s.Waiting)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		for n, who := range served {
			if n != who {
				t.Fatalf("served %v", served)
			}
		}
		if len(served) != 20 {
			t.Errorf("served %d of 20 in 20 s", len(served))
		}
	})
}

func TestWhoGivesUpLeavesTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := governor(t, Config{Limits: Limits{1, 1}, StartEmpty: true})
		enough := errors.New("lease ends")
		ctx, cancel := context.WithCancelCause(context.Background())
		gaveUp := make(chan error, 1)
		go func() { _, err := g.Wait(ctx); gaveUp <- err }()
		synctest.Wait()
		start := time.Now()
		go cancel(enough)
		use(t, g)
		if err := <-gaveUp; !errors.Is(err, enough) {
			t.Errorf("Wait: %v", err)
		}
		if time.Since(start) != time.Second {
			t.Errorf("the next was served after %v", time.Since(start))
		}
		if _, err := g.Wait(ctx); !errors.Is(err, enough) {
			t.Errorf("Wait with an ended context: %v", err)
		}
	})
}

func TestReturnedTokenServesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := governor(t, Config{Limits: Limits{0.01, 1}})
		token, err := g.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { token.Return(); token.Return(); token.Use() })
		use(t, g)
		if time.Since(start) != 3*time.Second {
			t.Errorf("served after %v", time.Since(start))
		}
		if s := g.Status(); s.Available != 0 {
			t.Errorf("%d tokens were made of nothing", s.Available)
		}
	})
}

func TestFollowsAmazonsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, start := governor(t, Config{Limits: Limits{2, 1}, StartEmpty: true}), time.Now()
		served := make(chan time.Duration, 1)
		go func() { use(t, g); served <- time.Since(start) }()
		time.Sleep(100 * time.Millisecond) // a fifth of a token has come in
		g.Follow(8)
		if took := <-served; took != 200*time.Millisecond {
			t.Errorf("after a rise the wait took %v, want 200ms", took)
		}
		g.Follow(0.5)
		start = time.Now()
		use(t, g)
		if time.Since(start) != 2*time.Second {
			t.Errorf("after a fall the wait took %v, want 2s", time.Since(start))
		}
		for _, absurd := range []float64{0, -1, 1e9, 1e-9} {
			g.Follow(absurd)
		}
		if s := g.Status(); s.Rate != 0.5 || s.Burst != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestRefusalEmptiesAndPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := governor(t, Config{Limits: Limits{2, 9}, Jitter: noJitter})
		for _, pause := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, MaxPause, MaxPause} {
			start := time.Now()
			g.Refused()
			g.Refused() // of a request that was under way at the same time
			if s := g.Status(); s.Available != 0 || !s.PausedUntil.Equal(start.Add(pause)) {
				t.Fatalf("paused for %v with %d tokens, want %v with none", s.PausedUntil.Sub(start), s.Available, pause)
			}
			if eta := g.ETA(1); eta != pause+500*time.Millisecond {
				t.Fatalf("ETA %v", eta)
			}
			use(t, g)
			if took := time.Since(start); took != pause+500*time.Millisecond {
				t.Fatalf("served after %v, want %v and the time of one token", took, pause)
			}
		}
		g.Granted()
		start := time.Now()
		g.Refused()
		if s := g.Status(); s.PausedUntil.Sub(start) != 500*time.Millisecond {
			t.Errorf("after a success the pause was %v", s.PausedUntil.Sub(start))
		}
		g.Granted() // an answer to a request sent before the refusal proves nothing
		time.Sleep(time.Second)
		start = time.Now()
		g.Refused()
		if s := g.Status(); s.PausedUntil.Sub(start) != time.Second {
			t.Errorf("a late success shortened the pause to %v", s.PausedUntil.Sub(start))
		}
	})
}

func TestETAIsWhatItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := governor(t, Config{Limits: Limits{0.3, 5}})
		for range 3 {
			use(t, g)
		}
		start, eta := time.Now(), g.ETA(12)
		for range 12 {
			use(t, g)
		}
		if took := time.Since(start); took != eta {
			t.Errorf("12 took %v, promised were %v", took, eta)
		}
	})
}

// BenchmarkUtilisation measures how much of a fast quota is left with real timers; its metric must stay above 99.8 %.
// The burst forgives a tenth of a second of delay by a busy machine; with Amazon's quota it forgives 4.5 seconds.
func BenchmarkUtilisation(b *testing.B) {
	const rate = 1000
	g := governor(b, Config{Limits: Limits{rate, rate / 10}, StartEmpty: true})
	b.ResetTimer()
	start := time.Now()
	for range b.N {
		use(b, g)
	}
	ideal := time.Duration(b.N) * time.Second / rate
	b.ReportMetric(100*float64(ideal)/float64(time.Since(start)), "%quota")
}
