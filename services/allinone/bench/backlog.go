package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/job"
)

// backlog measures a run over a million waiting shipments at Amazon's pace: how soon its first request leaves, and what
// memory dispatcher and broker hold while it goes on.
func backlog(ctx context.Context, b bench) ([]figure, error) {
	const known = 2000 // orders the simulator has: more than the run comes to while it is watched
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	pace, err := fsyncP50(dir)
	if err != nil {
		return nil, err
	}
	sim, err := startSimulator(ctx, b, dir, scenario{orders: known, rate: rate, burst: burst, record: known})
	if err != nil {
		return nil, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: rate, burst: burst, redisServer: true, tcp: true})
	if err != nil {
		return nil, err
	}
	defer s.close()
	began := time.Now()
	if err := s.load(ctx, b.waiting, nil); err != nil {
		return nil, err
	}
	loaded := time.Since(began)
	debug.FreeOSMemory() // what loading has used is no part of the figure
	asked := time.Now()
	if _, err := s.board.Ask(ctx, job.Trigger{RunID: "bench-" + uuid.NewString(), Connection: "EU", Kind: job.Manual, Scope: job.All, Actor: "bench", At: asked}); err != nil {
		return nil, err
	}
	var first amazonsim.Call
	err = poll(ctx, func() (bool, error) {
		calls, err := sim.record(ctx, 0)
		if len(calls) > 0 {
			first = calls[0]
		}
		return len(calls) > 0, err
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Second):
	}
	rss, err := residentMB(os.Getpid())
	if err != nil {
		return nil, err
	}
	if err := b.heap("backlog"); err != nil {
		return nil, err
	}
	took := first.Time.Sub(asked).Seconds()
	note := fmt.Sprintf("%d shipments waiting, redis-server in a process of its own, fsync p50 %s", b.waiting, pace)
	return []figure{
		{"first_request_s", took, "s", "<= 1", took <= 1, note},
		{"backlog_rss_mb", rss, "MB", "<= 700", rss <= 700, fmt.Sprintf("dispatcher, NATS and this bench in one process, 20 s into the run; loading took %.0f s", loaded.Seconds())},
	}, nil
}
