package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/job"
)

// lifted is a quota that no figure here comes near.
const lifted = 1e5

// attempts measures what an attempt costs when neither quota nor Amazon is the limit: the whole dispatcher with stores
// that sync every entry, against the simulator in another process.
func attempts(ctx context.Context, b bench) ([]figure, error) {
	const n, inFlight = 40_000, 32
	real, err := unlimited(ctx, b, stackOptions{inFlight: inFlight, redisServer: true, tcp: true}, n, 0)
	if err != nil {
		return nil, err
	}
	embedded, err := unlimited(ctx, b, stackOptions{inFlight: inFlight}, n, 0)
	if err != nil {
		return nil, err
	}
	how := fmt.Sprintf("%d shipments, %d requests in flight, every entry synced (fsync p50 %s), %s", n, inFlight, real.fsync, real.where)
	return []figure{
		{"attempts_per_s", real.perSecond, "/s", ">= 4000", real.perSecond >= 4000, how},
		{"cpu_s_per_1000", real.cpu, "s", "<= 0.30", real.cpu <= 0.30, fmt.Sprintf("of it redis-server %.3f; the simulator's %.3f are not in it", real.redisCPU, real.simCPU)},
		{"attempts_per_s_embedded", embedded.perSecond, "/s", "none", true, embedded.where},
		{"cpu_s_per_1000_embedded", embedded.cpu, "s", "<= 0.40", embedded.cpu <= 0.40, "dispatcher, NATS and Redis in one process"},
	}, nil
}

// latency compares the dispatcher with a loop that does nothing but the requests, when Amazon takes its time.
func latency(ctx context.Context, b bench) ([]figure, error) {
	const n, inFlight, answer = 20_000, 64, 50 * time.Millisecond
	m, err := unlimited(ctx, b, stackOptions{inFlight: inFlight, redisServer: true, tcp: true, bare: true}, n, answer)
	if err != nil {
		return nil, err
	}
	ratio := m.perSecond / m.barePerSecond
	return []figure{{"latency_ratio", ratio, "", ">= 0.97", ratio >= 0.97,
		fmt.Sprintf("%.0f/s of the %.0f/s of a bare loop; answers after %s, %d in flight, fsync p50 %s", m.perSecond, m.barePerSecond, answer, inFlight, m.fsync)}}, nil
}

// measured is one run without a quota. CPU is in seconds for 1000 attempts.
type measured struct {
	perSecond, cpu, redisCPU, simCPU, barePerSecond float64
	fsync                                           time.Duration
	where                                           string
}

func unlimited(ctx context.Context, b bench, o stackOptions, n int, answer time.Duration) (m measured, err error) {
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return m, err
	}
	defer os.RemoveAll(dir)
	if m.fsync, err = fsyncP50(dir); err != nil {
		return m, err
	}
	sim, err := startSimulator(ctx, b, dir, scenario{orders: 2 * n, rate: lifted, burst: lifted, latency: answer, record: 10})
	if err != nil {
		return m, err
	}
	defer sim.stop()
	o.rate, o.burst = lifted, 1000
	s, err := newStack(ctx, dir, sim.url, o)
	if err != nil {
		return m, err
	}
	defer s.close()
	if err := s.load(ctx, n, nil); err != nil {
		return m, err
	}
	if o.bare {
		if m.barePerSecond, err = bare(ctx, sim.url, n, o.inFlight); err != nil {
			return m, err
		}
	}
	self, redis, amazon := cpuOf(os.Getpid()), cpuOf(s.redisPID), cpuOf(sim.cmd.Process.Pid)
	stop, err := b.profile(o.name())
	if err != nil {
		return m, err
	}
	took, err := s.timedRun(ctx, n)
	stop()
	if err != nil {
		return m, err
	}
	per := func(pid int, before float64) float64 { return (cpuOf(pid) - before) / float64(n) * 1000 }
	m.redisCPU, m.simCPU = per(s.redisPID, redis), per(sim.cmd.Process.Pid, amazon)
	m.cpu = per(os.Getpid(), self) + m.redisCPU
	m.perSecond = float64(n) / took.Seconds()
	m.where = "NATS by TCP, redis-server with AOF in a process of its own"
	if !o.redisServer {
		m.where = "NATS and Redis embedded"
	}
	return m, nil
}

// timedRun asks for one run and returns how long it took by its own log.
func (s *stack) timedRun(ctx context.Context, n int) (time.Duration, error) {
	id := "bench-" + uuid.NewString()
	if _, err := s.board.Ask(ctx, job.Trigger{RunID: id, Connection: "EU", Kind: job.Manual, Scope: job.All, Actor: "bench", At: time.Now()}); err != nil {
		return 0, err
	}
	var l job.Log
	err := poll(ctx, func() (bool, error) {
		var err error
		l, err = s.board.Last(ctx, "EU", id)
		return err == nil && l.Phase == job.Finished, nil
	})
	if err == nil && l.Counts.Confirmed != n {
		err = fmt.Errorf("%d of %d shipments were confirmed: %+v", l.Counts.Confirmed, n, l.Counts)
	}
	return l.At.Sub(l.StartedAt), err
}

// bare confirms as many other orders with nothing around the requests.
func bare(ctx context.Context, amazon string, n, inFlight int) (perSecond float64, err error) {
	access, err := accessToken(ctx, amazon)
	if err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	var next, bad atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
	for range inFlight {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				body := fmt.Sprintf(`{"marketplaceId":"A1PA6795UKMFR9","packageDetail":{"packageReferenceId":"1","carrierCode":"DHL","trackingNumber":"0034043400%010d","shipDate":%q,"orderItems":[{"orderItemId":%q,"quantity":1}]}}`,
					n+i, time.Now().UTC().Add(-time.Hour).Format(time.RFC3339), item(n+i))
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, amazon+"/orders/v0/orders/"+order(n+i)+"/shipmentConfirmation", bytes.NewReader([]byte(body)))
				if err != nil {
					bad.Add(1)
					continue
				}
				req.Header.Set("X-Amz-Access-Token", access)
				req.Header.Set("User-Agent", "Bench/1.0 (Language=Go)")
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					bad.Add(1)
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusNoContent {
					bad.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if bad.Load() > 0 {
		return 0, fmt.Errorf("%d of the bare loop's requests were not accepted", bad.Load())
	}
	return float64(n) / time.Since(began).Seconds(), ctx.Err()
}

func accessToken(ctx context.Context, amazon string) (string, error) {
	a := amazonsim.DefaultAccount()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.RefreshToken}, "client_id": {a.ClientID}, "client_secret": {a.ClientSecret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, amazon+"/auth/o2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var out struct {
		AccessToken string `json:"access_token"`
	}
	return out.AccessToken, json.NewDecoder(resp.Body).Decode(&out)
}

// profile records the CPU profile of what follows, until stop.
func (b bench) profile(name string) (stop func(), err error) {
	if b.profiles == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(b.profiles, name+".pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// heap writes what is in use now, as a profile.
func (b bench) heap(name string) error {
	if b.profiles == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(b.profiles, name+".heap.pprof"))
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.WriteHeapProfile(f)
}
