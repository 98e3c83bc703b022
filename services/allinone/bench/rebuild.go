package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

// rebuild measures how long the view takes to be built anew from the ledger: from a million entries into a redis-server,
// and of a hundred thousand open shipments into the embedded store. The ledger's files are in memory (reading them is not
// what is measured), its server in this process.
func rebuild(ctx context.Context, b bench) ([]figure, error) {
	now := time.Now()
	large := past{shipments: 333_334, at: func(n int) time.Time { return now.Add(-time.Duration(n) * 5 * time.Second) }, end: func(n int) shipment.State {
		if n%25 == 0 {
			return shipment.Deferred
		}
		return shipment.Confirmed
	}}
	open := past{shipments: 100_000, at: func(n int) time.Time { return now.Add(-time.Duration(n) * time.Second) }, end: func(int) shipment.State { return shipment.Pending }}
	real, err := rebuildOnce(ctx, b, large, realRedis)
	if err != nil {
		return nil, err
	}
	mini, err := rebuildOnce(ctx, b, open, func(ctx context.Context, _ string) (redis.UniversalClient, func(), error) {
		r, err := embedded.OpenRedis(ctx, "", slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, nil, err
		}
		return r.Client, func() { _ = r.Close() }, nil
	})
	if err != nil {
		return nil, err
	}
	return []figure{
		{"rebuild_s", real.took.Seconds(), "s", "<= 10", real.took <= 10*time.Second, real.note},
		{"rebuild_embedded_s", mini.took.Seconds(), "s", "<= 5", mini.took <= 5*time.Second, mini.note},
	}, nil
}

type rebuilt struct {
	took time.Duration
	note string
}

func rebuildOnce(ctx context.Context, b bench, p past, open func(ctx context.Context, dir string) (redis.UniversalClient, func(), error)) (rebuilt, error) {
	dir, err := os.MkdirTemp(b.store, "fertig-bench")
	if err != nil {
		return rebuilt{}, err
	}
	defer os.RemoveAll(dir)
	l, closeLedger, err := openLedger(ctx, dir)
	if err != nil {
		return rebuilt{}, err
	}
	defer closeLedger()
	began := time.Now()
	if err := p.write(ctx, l); err != nil {
		return rebuilt{}, err
	}
	written := time.Since(began)
	c, closeRedis, err := open(ctx, dir)
	if err != nil {
		return rebuilt{}, err
	}
	defer closeRedis()
	last, err := l.LastSeq(ctx)
	if err != nil {
		return rebuilt{}, err
	}
	v := view.New(c, view.Options{})
	cpu := cpuTime()
	now := time.Now()
	if _, err := v.Rebuild(ctx, l.Epoch(), now, func(visit func(shipment.Entry) error) (uint64, error) {
		return l.HeadsBut(ctx, "", func(s shipment.State, since time.Time) bool { return v.Outlived(s, since, now) }, visit)
	}); err != nil {
		return rebuilt{}, err
	}
	took := time.Since(now)
	counts, err := v.Counts(ctx)
	if err != nil {
		return rebuilt{}, err
	}
	shown := 0
	for _, s := range shipment.States {
		shown += counts.Of("", s, "")
	}
	if shown != p.shipments {
		return rebuilt{}, fmt.Errorf("the rebuilt view has %d shipments, want %d", shown, p.shipments)
	}
	return rebuilt{took, fmt.Sprintf("%d entries of %d shipments, %.1f CPU seconds of NATS and projector; written in %.0f s; %s", last, p.shipments,
		(cpuTime() - cpu).Seconds(), written.Seconds(), load())}, nil
}

// openLedger starts a NATS on a directory and opens the ledger in it.
func openLedger(ctx context.Context, dir string) (*ledger.Ledger, func(), error) {
	n, err := embedded.StartNATS(ctx, embedded.NATSOptions{Dir: filepath.Join(dir, "nats"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	nc, err := n.Connect("bench")
	if err != nil {
		return nil, nil, errors.Join(err, n.Close())
	}
	stop := func() { nc.Close(); _ = n.Close() }
	js, err := jetstream.New(nc)
	if err == nil {
		err = stream.Ensure(ctx, js, stream.Options{Replicas: 1})
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	l, err := ledger.Open(ctx, nc)
	if err != nil {
		stop()
		return nil, nil, err
	}
	return l, stop, nil
}

// realRedis starts a redis-server without persistence on a socket in a directory.
func realRedis(ctx context.Context, dir string) (redis.UniversalClient, func(), error) {
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.CommandContext(ctx, "redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--appendonly", "no", "--save", "")
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start redis-server (Debian: apt-get install -y --no-install-recommends redis-server): %w", err)
	}
	c := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, ReadTimeout: 30 * time.Second})
	stop := func() {
		_ = c.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := poll(bounded, func() (bool, error) { return c.Ping(ctx).Err() == nil, nil }); err != nil {
		stop()
		return nil, nil, fmt.Errorf("start redis-server: %w", err)
	}
	return c, stop, nil
}

// cpuTime is the processor time this process has used.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// load says how busy the machine was, for figures that depend on it.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil || len(text) < 4 {
		return "load unknown"
	}
	return "load " + string(text[:4])
}
