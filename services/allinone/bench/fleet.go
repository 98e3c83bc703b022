package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// minute is how many requests a connection may make in one, beyond its burst.
const minute = int(60 * rate)

// fleet measures one dispatcher that works for a thousand sellers at once, each at Amazon's full rate for a minute.
func fleet(ctx context.Context, b bench) ([]figure, error) {
	connections, each := b.fleet, burst+minute
	total := connections * each
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	pace, err := fsyncP50(dir)
	if err != nil {
		return nil, err
	}
	sim, err := startSimulator(ctx, b, dir, scenario{orders: total, rate: rate, burst: burst, record: 2 * total, sellers: connections})
	if err != nil {
		return nil, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: rate, burst: burst, redisServer: true, tcp: true, connections: connections})
	if err != nil {
		return nil, err
	}
	defer s.close()
	err = s.load(ctx, total, func(i int) (shipment.ConnectionID, shipment.AccountID) {
		return shipment.ConnectionID(fmt.Sprintf("C%04d", i/each)), shipment.AccountID(fmt.Sprintf("A%04d", i/each))
	})
	if err != nil {
		return nil, err
	}
	if err := s.settled(ctx, connections); err != nil {
		return nil, err
	}
	stop, err := b.profile("fleet")
	if err != nil {
		return nil, err
	}
	self, redis, amazon, began := cpuOf(os.Getpid()), cpuOf(s.redisPID), cpuOf(sim.cmd.Process.Pid), time.Now()
	if err := s.runAll(ctx, connections); err != nil {
		return nil, err
	}
	stop()
	if err := b.heap("fleet"); err != nil {
		return nil, err
	}
	took := time.Since(began).Seconds()
	cores := func(pid int, before float64) float64 { return (cpuOf(pid) - before) / took }
	ours, theirs := cores(os.Getpid(), self)+cores(s.redisPID, redis), cores(sim.cmd.Process.Pid, amazon)
	rss, err := residentMB(os.Getpid())
	if err != nil {
		return nil, err
	}
	worst, refused, err := sim.worst(ctx, connections, each)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("%d connections, %d requests each; the last %d of them at %d a second; fsync p50 %s", connections, each, minute, int(rate), pace)
	return []figure{
		{"fleet_worst_utilisation", worst, "", ">= 0.99", worst >= 0.99, note},
		{"fleet_429", float64(refused), "", "0", refused == 0, "answers 429"},
		{"fleet_cpu", ours, "", "stated", true, fmt.Sprintf("cores, dispatcher, NATS and redis-server; the simulator used %.2f more of the %d", theirs, runtime.NumCPU())},
		{"fleet_rss_mb", rss, "MB", "stated", true, "dispatcher, NATS and this bench in one process"},
	}, nil
}

// settled waits until the dispatcher works for all connections.
func (s *stack) settled(ctx context.Context, connections int) error {
	js, err := jetstream.New(s.nc)
	if err != nil {
		return err
	}
	leases, err := js.KeyValue(ctx, stream.LeaseBucket)
	if err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		held, err := leases.ListKeysFiltered(ctx, "connection.*")
		if err != nil {
			return false, err
		}
		n := 0
		for range held.Keys() {
			n++
		}
		return n >= connections, nil
	})
}

// runAll triggers a run of every connection at once and waits for the last one's end.
func (s *stack) runAll(ctx context.Context, connections int) error {
	runs := map[shipment.ConnectionID]string{}
	for n := range connections {
		c := shipment.ConnectionID(fmt.Sprintf("C%04d", n))
		runs[c] = "bench-" + uuid.NewString()
		if _, err := s.board.Ask(ctx, job.Trigger{RunID: runs[c], Connection: c, Kind: job.Manual, Scope: job.All, Actor: "bench", At: time.Now()}); err != nil {
			return err
		}
	}
	for c, id := range runs {
		err := poll(ctx, func() (bool, error) {
			l, err := s.board.Last(ctx, c, id)
			return err == nil && l.Phase == job.Finished, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// worst reads the simulator's record: the smallest share of its rate that a seller's requests used once the burst was
// spent, and the requests that were refused for going too fast.
func (s *simulator) worst(ctx context.Context, sellers, each int) (share float64, refused int, err error) {
	served, err := s.served(ctx)
	if err != nil {
		return 0, 0, err
	}
	if len(served.at) != sellers {
		return 0, served.throttled, fmt.Errorf("%d of %d sellers were served", len(served.at), sellers)
	}
	share, err = served.worst(each)
	return share, served.throttled, err
}

// served is what a simulator has answered.
type served struct {
	at        map[string][]time.Time // confirmations let in, by seller
	throttled int
	denied    map[string]int // 403, by seller
}

func (s *simulator) served(ctx context.Context) (served, error) {
	out := served{at: map[string][]time.Time{}, denied: map[string]int{}}
	for after := uint64(0); ; {
		page, err := s.record(ctx, after)
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, c := range page {
			after = c.Seq
			switch {
			case c.Status == http.StatusForbidden:
				out.denied[c.Seller]++
			case c.Operation != amazonsim.OpConfirmShipment:
			case c.Status == http.StatusTooManyRequests:
				out.throttled++
			default:
				out.at[c.Seller] = append(out.at[c.Seller], c.Time)
			}
		}
	}
}

// worst is the smallest share of its rate that a seller used once the burst was spent. All must have sent each.
func (s served) worst(each int) (float64, error) {
	share := 1.0
	for name, at := range s.at {
		if len(at) != each {
			return 0, fmt.Errorf("seller %s: %d of %d requests", name, len(at), each)
		}
		share = min(share, float64(minute)/rate/at[each-1].Sub(at[each-1-minute]).Seconds())
	}
	return share, nil
}
