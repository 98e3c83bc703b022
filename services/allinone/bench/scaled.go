package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/dispatcher"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

const (
	shipments = 10_000
	rate      = 2.0 // confirmShipment's published rate, per second
	burst     = 10
)

// scaled measures the whole dispatcher with its stores against a simulator in another process, with time run b.scale times
// faster. Every pause of this machine then weighs that many times more than it would, so the figures say something about
// the machine, too: they have no target and are measured only when asked for.
func scaled(ctx context.Context, b bench) ([]figure, error) {
	note := fmt.Sprintf("%d shipments, bucket %g/s burst %d, time x%g, streams in %s", shipments, rate, burst, b.scale, b.store)
	used, refused, err := utilisation(ctx, b, 0)
	if err != nil {
		return nil, err
	}
	slow, slowRefused, err := utilisation(ctx, b, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return []figure{
		{"scaled_utilisation", used, "", "none", true, note},
		{"scaled_429", float64(refused), "", "none", true, ""},
		{"scaled_utilisation_slow", slow, "", "none", true, fmt.Sprintf("every answer takes 5 s of Amazon's time; %d answers 429", slowRefused)},
	}, nil
}

// utilisation sends all shipments in one run and compares the time between the first and the last accepted request with
// the shortest time the bucket allows. Time runs b.scale times faster: rates are multiplied, latencies divided, the
// burst stays what it is, so that only our own overhead weighs more than it would.
func utilisation(ctx context.Context, b bench, latency time.Duration) (used float64, refused int, err error) {
	dir, err := os.MkdirTemp(b.store, "fertig-bench")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	sim, err := startSimulator(ctx, b, dir, latency)
	if err != nil {
		return 0, 0, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, b.scale)
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	if err := s.report(ctx); err != nil {
		return 0, 0, err
	}
	if err := s.run(ctx); err != nil {
		return 0, 0, err
	}
	return sim.account(ctx, b.scale)
}

// simulator is a simulator in a process of its own.
type simulator struct {
	url string
	cmd *exec.Cmd
}

func startSimulator(ctx context.Context, b bench, dir string, latency time.Duration) (*simulator, error) {
	sc := amazonsim.Scenario{AnyTrackingForm: true, RecordLimit: 4 * shipments,
		Quotas: []amazonsim.Quota{{Operation: string(amazonsim.OpConfirmShipment), Rate: rate * b.scale, Burst: burst}}}
	for n := range shipments {
		sc.Orders = append(sc.Orders, amazonsim.Order{ID: order(n), MarketplaceID: "A1PA6795UKMFR9", Items: []amazonsim.Item{{ID: item(n), Quantity: 1}}})
	}
	if latency > 0 {
		sc.Faults = []amazonsim.Fault{{Kind: amazonsim.FaultSlow, Operation: amazonsim.OpConfirmShipment, Delay: amazonsim.Duration(time.Duration(float64(latency) / b.scale))}}
	}
	data, err := json.Marshal(sc)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "scenario.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.fertig, "simulator", "--listen", "127.0.0.1:0", "--scenario", file, "--log-level", "warn")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "endpoint: ")
	if err != nil || !ok {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("the simulator said %q: %w", line, err)
	}
	return &simulator{url: url, cmd: cmd}, nil
}

func (s *simulator) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// account reads the simulator's own record: the share of the quota that was used, and the requests it refused.
func (s *simulator) account(ctx context.Context, scale float64) (used float64, refused int, err error) {
	var first, last time.Time
	n, after := 0, uint64(0)
	for {
		page, err := s.record(ctx, after)
		if err != nil || len(page) == 0 {
			if n != shipments && err == nil {
				err = fmt.Errorf("%d of %d shipments were confirmed", n, shipments)
			}
			ideal := float64(n-burst) / (rate * scale)
			return ideal / last.Sub(first).Seconds(), refused, err
		}
		for _, c := range page {
			after = c.Seq
			switch {
			case c.Operation != amazonsim.OpConfirmShipment:
			case c.Status == http.StatusTooManyRequests:
				refused++
			case c.Status == http.StatusNoContent:
				n++
				if first.IsZero() || c.Time.Before(first) {
					first = c.Time
				}
				if c.Time.After(last) {
					last = c.Time
				}
			}
		}
	}
}

func (s *simulator) record(ctx context.Context, after uint64) ([]amazonsim.Call, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/admin/record?after=%d&limit=5000", s.url, after), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var page struct{ Calls []amazonsim.Call }
	return page.Calls, json.Unmarshal(raw, &page)
}

func order(n int) string { return fmt.Sprintf("900-%07d-%07d", n, n) }
func item(n int) string  { return fmt.Sprintf("9%013d", n) }

// stack is a dispatcher with embedded stores, and a door to it.
type stack struct {
	nats  *embedded.NATS
	redis *embedded.Redis
	nc    *nats.Conn
	door  *door.Door
	board *job.Board
	stop  func()
}

func newStack(ctx context.Context, dir, amazon string, scale float64) (*stack, error) {
	s := &stack{}
	var err error
	if s.nats, err = embedded.StartNATS(ctx, embedded.NATSOptions{Dir: filepath.Join(dir, "nats"), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	if s.nc, err = s.nats.Connect("bench"); err != nil {
		return nil, err
	}
	if s.redis, err = embedded.OpenRedis(ctx, "", slog.New(slog.DiscardHandler)); err != nil {
		return nil, err
	}
	js, err := jetstream.New(s.nc)
	if err != nil {
		return nil, err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: 1}); err != nil {
		return nil, err
	}
	conf, err := stream.OpenSettings(ctx, js)
	if err != nil {
		return nil, err
	}
	account := amazonsim.DefaultAccount()
	c := settings.Connection{ID: "EU", Region: "eu", Mode: settings.ModeSimulator, Endpoint: amazon, TokenEndpoint: amazon + "/auth/o2/token",
		ClientID: account.ClientID, ClientSecret: "env:SECRET", RefreshToken: "env:REFRESH",
		Limits:   settings.Limits{ConfirmRate: rate * scale, ConfirmBurst: burst},
		Accounts: []settings.Account{{ID: "DE", Marketplace: "A1PA6795UKMFR9"}}}.WithDefaults()
	if err := conf.Seed(ctx, settings.Set{Connections: []settings.Connection{c}}); err != nil {
		return nil, err
	}
	l, err := ledger.Open(ctx, s.nc)
	if err != nil {
		return nil, err
	}
	if s.door, err = door.Open(s.nc, l, conf, time.Now); err != nil {
		return nil, err
	}
	if s.board, err = job.Open(s.nc); err != nil {
		return nil, err
	}
	d, err := dispatcher.New(ctx, dispatcher.Config{NATS: s.nc, Redis: s.redis.Client, WarmQuota: true,
		Secrets: func(ref string) (string, error) {
			return map[string]string{"env:SECRET": account.ClientSecret, "env:REFRESH": account.RefreshToken}[ref], nil
		}})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(running) }()
	s.stop = func() { cancel(); <-done }
	return s, nil
}

func (s *stack) close() {
	s.stop()
	s.nc.Close()
	_ = s.redis.Close()
	_ = s.nats.Close()
}

// report brings all shipments through the door.
func (s *stack) report(ctx context.Context) error {
	for n := 0; n < shipments; n += door.MaxBatch {
		var events []event.Event
		for i := n; i < n+door.MaxBatch; i++ {
			events = append(events, event.New(event.TypeShipped, uuid.NewString(), "/bench", time.Now(), event.Shipped{
				Account: "DE", Order: order(i), Package: "1", ShippedAt: event.Time{Time: time.Now().Add(-time.Hour).Truncate(time.Second)},
				Carrier: "DHL", Tracking: fmt.Sprintf("0034043400%010d", i), Items: []shipment.Item{{OrderItemID: item(i), Quantity: 1}}, Source: "service"}))
		}
		if _, err := s.door.Submit(ctx, events); err != nil {
			return err
		}
	}
	return nil
}

// run asks for runs until everything is confirmed; one is enough when intake has caught up.
func (s *stack) run(ctx context.Context) error {
	if err := s.takenIn(ctx); err != nil {
		return err
	}
	id := "bench-" + uuid.NewString()
	if _, err := s.board.Ask(ctx, job.Trigger{RunID: id, Connection: "EU", Kind: job.Manual, Scope: job.All, Actor: "bench", At: time.Now()}); err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		l, err := s.board.Last(ctx, "EU", id)
		return err == nil && l.Phase == job.Finished, nil
	})
}

func (s *stack) takenIn(ctx context.Context) error {
	l, err := ledger.Open(ctx, s.nc)
	if err != nil {
		return err
	}
	return poll(ctx, func() (bool, error) {
		seq, err := l.LastSeq(ctx)
		return seq >= shipments, err
	})
}

// poll asks every 50 ms until ok or ctx ends.
func poll(ctx context.Context, ok func() (bool, error)) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := ok(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
