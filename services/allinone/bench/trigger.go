package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/shared/job"
)

// trigger measures how soon the first request follows a trigger when nothing else goes on: from asking for the run to the
// request's arrival at the simulator, whose clock is the same.
func trigger(ctx context.Context, b bench) ([]figure, error) {
	const rounds = 300
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	pace, err := fsyncP50(dir)
	if err != nil {
		return nil, err
	}
	sim, err := startSimulator(ctx, b, dir, scenario{orders: rounds, rate: lifted, burst: lifted, record: 2 * rounds})
	if err != nil {
		return nil, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: lifted, burst: 1000})
	if err != nil {
		return nil, err
	}
	defer s.close()
	asked := make([]time.Time, rounds)
	for n := range rounds {
		if err := s.loadFrom(ctx, n, n+1, nil); err != nil {
			return nil, err
		}
		id := "bench-" + uuid.NewString()
		asked[n] = time.Now()
		if _, err := s.board.Ask(ctx, job.Trigger{RunID: id, Connection: "EU", Kind: job.Manual, Scope: job.All, Actor: "bench", At: asked[n]}); err != nil {
			return nil, err
		}
		err := poll(ctx, func() (bool, error) {
			l, err := s.board.Last(ctx, "EU", id)
			return err == nil && l.Phase == job.Finished, nil
		})
		if err != nil {
			return nil, err
		}
	}
	calls, err := sim.record(ctx, 0)
	if err != nil {
		return nil, err
	}
	if len(calls) != rounds {
		return nil, fmt.Errorf("%d requests for %d triggers", len(calls), rounds)
	}
	took := make([]float64, rounds)
	for n, c := range calls {
		took[n] = float64(c.Time.Sub(asked[n]).Microseconds()) / 1000
	}
	slices.Sort(took)
	p99 := took[rounds*99/100]
	return []figure{{"trigger_latency_ms", p99, "ms", "<= 10", p99 <= 10,
		fmt.Sprintf("p99 of %d; p50 %.1f, longest %.1f; fsync p50 %s", rounds, took[rounds/2], took[rounds-1], pace)}}, nil
}
