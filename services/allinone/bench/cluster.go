package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// cluster measures what three copies of everything cost and how long writers stand still when the ledger's leader is
// killed. The three nodes share this machine's disk and processors, which is three times the work of one node in the same
// place: the figures are for comparison and have no target.
func cluster(ctx context.Context, b bench) ([]figure, error) {
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fsync, err := fsyncP50(dir)
	if err != nil {
		return nil, err
	}
	c, err := startNodes(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.close() }()
	perSecond, cpu, err := c.attempts(ctx, b)
	if err != nil {
		return nil, err
	}
	all, one, err := c.gaps(ctx)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d shipments, three copies on one disk, every copy synced (fsync p50 %s); the nodes used %.2f s of CPU per 1000", clusterShipments, fsync, cpu)
	return []figure{
		{"cluster_attempts_per_s", perSecond, "/s", "none", true, note},
		{"cluster_failover_ms", float64(all.Milliseconds()), "ms", "none", true, fmt.Sprintf("the ledger's leader killed under %d writers: until the first append is acknowledged again, median of %d", gapWriters, gapKills)},
		{"cluster_failover_writer_ms", float64(one.Milliseconds()), "ms", "none", true, "the same until the last of the writers has gone on, the longest"},
	}, nil
}

const (
	clusterShipments = 3_000
	gapWriters       = 4
	gapKills         = 3
)

// attempts is the measurement of that name, on the cluster.
func (c *nodes) attempts(ctx context.Context, b bench) (perSecond, cpu float64, err error) {
	dir, err := os.MkdirTemp(c.dir, "stack")
	if err != nil {
		return 0, 0, err
	}
	sim, err := startSimulator(ctx, b, dir, scenario{orders: clusterShipments, rate: lifted, burst: lifted, record: 10})
	if err != nil {
		return 0, 0, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: lifted, burst: 1000, inFlight: 32, redisServer: true, cluster: c})
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	if err := s.load(ctx, clusterShipments, nil); err != nil {
		return 0, 0, err
	}
	before := c.cpu()
	took, err := s.timedRun(ctx, clusterShipments)
	return clusterShipments / took.Seconds(), (c.cpu() - before) / clusterShipments * 1000, err
}

// gaps kills the ledger's leader several times under writers. all is how long nobody was answered, the median; one is
// how long the unluckiest writer waited.
func (c *nodes) gaps(ctx context.Context) (all, one time.Duration, err error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &gapWork{}
	defer func() { cancel(); w.wg.Wait() }()
	for i := range gapWriters {
		nc, err := c.connect(ctx)
		if err != nil {
			return 0, 0, err
		}
		defer nc.Close()
		l, err := ledger.Open(ctx, nc)
		if err != nil {
			return 0, 0, err
		}
		w.wg.Go(func() { w.write(ctx, l, i) })
	}
	nc, err := c.connect(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer nc.Close()
	var gaps []time.Duration
	for range gapKills {
		leader, err := c.leader(ctx, nc)
		if err != nil {
			return 0, 0, err
		}
		killed := time.Now()
		if err := c.kill(leader); err != nil {
			return 0, 0, err
		}
		first, last, err := w.since(ctx, killed)
		if err != nil {
			return 0, 0, err
		}
		gaps, one = append(gaps, first), max(one, last)
		if err := c.start(ctx, leader); err != nil {
			return 0, 0, err
		}
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2], one, w.err()
}

// leader waits until all copies of the ledger are current and returns the node that leads them.
func (c *nodes) leader(ctx context.Context, nc *nats.Conn) (int, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return 0, err
	}
	leader := -1
	err = poll(ctx, func() (bool, error) {
		ask, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		s, err := js.Stream(ask, stream.Ledger)
		if err != nil || s.CachedInfo().Cluster == nil {
			return false, nil
		}
		info := s.CachedInfo().Cluster
		leader = slices.IndexFunc([]int{0, 1, 2}, func(i int) bool { return c.name(i) == info.Leader })
		return leader >= 0 && len(info.Replicas) == 2 && !slices.ContainsFunc(info.Replicas, func(p *jetstream.PeerInfo) bool { return !p.Current || p.Offline }), nil
	})
	return leader, err
}

// gapWork is writers that append one entry after the other, each to a shipment of its own.
type gapWork struct {
	wg sync.WaitGroup

	mu    sync.Mutex
	begun [gapWriters]time.Time // of the newest append that was acknowledged
	acked [gapWriters]time.Time
	fail  error
}

func (w *gapWork) write(ctx context.Context, l *ledger.Ledger, i int) {
	var last shipment.Entry
	ev := shipment.Event{Type: shipment.Accepted, Key: shipment.Key{Connection: "GAP", Order: order(i), Package: "1"}, Account: "DE",
		Data: &shipment.Data{ShippedAt: time.Now(), Carrier: "DHL", Tracking: "1", Source: "bench"}}
	for ctx.Err() == nil {
		ev.ID, ev.At = uuid.NewString(), time.Now()
		e, err := shipment.Record(last.After, ev)
		for err == nil && ctx.Err() == nil {
			began := time.Now()
			var stored shipment.Entry
			if stored, err = l.Append(ctx, last.Seq, e); fault.Is(err, fault.Unavailable) {
				err = nil // the same event again
				continue
			}
			if err == nil {
				last = stored
				w.mu.Lock()
				w.begun[i], w.acked[i] = began, time.Now()
				w.mu.Unlock()
			}
			break
		}
		if err != nil {
			w.mu.Lock()
			w.fail = errors.Join(w.fail, err)
			w.mu.Unlock()
			return
		}
		ev = shipment.Event{Type: shipment.Noted}
	}
}

// since waits until every writer has been answered for something begun after a moment, and tells when the first and the
// last of them was.
func (w *gapWork) since(ctx context.Context, moment time.Time) (first, last time.Duration, err error) {
	var at [gapWriters]time.Time
	err = poll(ctx, func() (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		open := 0
		for i := range at {
			switch {
			case !at[i].IsZero():
			case w.begun[i].After(moment) || w.acked[i].After(moment.Add(100*time.Millisecond)): // not one that was on its way already
				at[i] = w.acked[i]
			default:
				open++
			}
		}
		return open == 0, w.fail
	})
	took := make([]time.Duration, len(at))
	for i := range at {
		took[i] = at[i].Sub(moment)
	}
	return slices.Min(took), slices.Max(took), err
}

func (w *gapWork) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fail
}
