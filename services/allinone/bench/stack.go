package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

// stackOptions say how a stack is made: embedded, or with a redis-server and NATS over the network as in production.
type stackOptions struct {
	rate        float64 // the connection's quota
	burst       int
	inFlight    int // 0: the default
	redisServer bool
	tcp         bool
	bare        bool   // measure the bare loop, too
	connections int    // each for a seller of its own; 0: one for the simulator's own seller
	cluster     *nodes // NATS is there, with three copies of everything

	secondAccount bool                   // FR, of another marketplace
	limits        func(*settings.Limits) // changes the connection's, with their defaults
}

// secondMarketplace is that of the second account.
const secondMarketplace = "A13V1IB3VIYZZH"

func (o stackOptions) name() string {
	switch {
	case o.bare:
		return "latency"
	case o.redisServer:
		return "attempts"
	}
	return "attempts-embedded"
}

func (o stackOptions) replicas() int {
	if o.cluster != nil {
		return len(o.cluster.processes)
	}
	return 1
}

// stack is a dispatcher with its stores, and a door to it. All of it but a redis-server is in this process.
type stack struct {
	ledger   *ledger.Ledger
	redisPID int // 0 when embedded

	nats      *embedded.NATS
	redis     *embedded.Redis
	nc        *nats.Conn
	door      *door.Door
	board     *job.Board
	log       *os.File
	stop      func()
	stopRedis func()
}

func newStack(ctx context.Context, dir, amazon string, o stackOptions) (*stack, error) {
	s := &stack{}
	if err := s.stores(ctx, dir, o); err != nil {
		return nil, err
	}
	js, err := jetstream.New(s.nc)
	if err != nil {
		return nil, err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: o.replicas()}); err != nil {
		return nil, err
	}
	conf, err := stream.OpenSettings(ctx, js)
	if err != nil {
		return nil, err
	}
	if err := conf.Seed(ctx, settings.Set{Connections: connections(amazon, o)}); err != nil {
		return nil, err
	}
	if s.ledger, err = ledger.Open(ctx, s.nc); err != nil {
		return nil, err
	}
	if s.door, err = door.Open(s.nc, s.ledger, conf, time.Now); err != nil {
		return nil, err
	}
	if s.board, err = job.Open(s.nc); err != nil {
		return nil, err
	}
	d, err := dispatcher.New(ctx, dispatcher.Config{NATS: s.nc, Redis: s.redis.Client, WarmQuota: o.connections == 0, Logger: slog.New(slog.NewJSONHandler(s.log, nil)),
		Secrets: func(ref string) (string, error) { return strings.TrimPrefix(ref, "env:"), nil }})
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
	if s.nats != nil {
		_ = s.nats.Close()
	}
	if s.stopRedis != nil {
		s.stopRedis()
	}
	_ = s.log.Close()
}

// stores starts NATS and Redis in dir.
func (s *stack) stores(ctx context.Context, dir string, o stackOptions) error {
	var err error
	if s.log, err = os.Create(filepath.Join(dir, "dispatcher.log")); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	if o.cluster != nil {
		s.nc, err = o.cluster.connect(ctx)
	} else {
		err = s.oneServer(ctx, dir, o, quiet)
	}
	if err != nil {
		return err
	}
	address := ""
	if o.redisServer {
		if address, s.stopRedis, s.redisPID, err = startRedis(ctx, dir); err != nil {
			return err
		}
	}
	s.redis, err = embedded.OpenRedis(ctx, address, quiet)
	return err
}

// oneServer starts NATS in this process and connects to it.
func (s *stack) oneServer(ctx context.Context, dir string, o stackOptions, quiet *slog.Logger) (err error) {
	listen, token := "", ""
	if o.tcp {
		listen, token = "127.0.0.1:0", "bench"
	}
	if s.nats, err = embedded.StartNATS(ctx, embedded.NATSOptions{Dir: filepath.Join(dir, "nats"), Listen: listen, Token: token, Logger: quiet}); err != nil {
		return err
	}
	if o.tcp {
		s.nc, err = nats.Connect(s.nats.URL(), nats.Token(token))
	} else {
		s.nc, err = s.nats.Connect("bench")
	}
	return err
}

// startRedis starts a redis-server with an append-only file, as in production.
func startRedis(ctx context.Context, dir string) (url string, stop func(), pid int, err error) {
	addr, err := freeAddress()
	if err != nil {
		return "", nil, 0, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", nil, 0, err
	}
	cmd := exec.CommandContext(ctx, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "yes",
		"--maxmemory-policy", "noeviction", "--logfile", filepath.Join(dir, "redis.log"))
	if err := cmd.Start(); err != nil {
		return "", nil, 0, fmt.Errorf("start redis-server: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
	err = poll(ctx, func() (bool, error) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil, nil
	})
	return "redis://" + addr + "/0", stop, cmd.Process.Pid, err
}

// load writes n shipments straight to the ledger, as intake would have accepted them, and waits until the view has them.
// of says whose the i-th is; nil for the only connection's.
func (s *stack) load(ctx context.Context, n int, of func(i int) (shipment.ConnectionID, shipment.AccountID)) error {
	return s.loadFrom(ctx, 0, n, of)
}

// loadFrom is load for the shipments from first up to, not including, end.
func (s *stack) loadFrom(ctx context.Context, first, end int, of func(i int) (shipment.ConnectionID, shipment.AccountID)) error {
	if of == nil {
		of = func(int) (shipment.ConnectionID, shipment.AccountID) { return "EU", "DE" }
	}
	now := time.Now().UTC()
	var last uint64
	for from := first; from < end; from += 1000 {
		drafts := make([]ledger.Draft, 0, 1000)
		for i := from; i < min(from+1000, end); i++ {
			connection, account := of(i)
			e, err := shipment.Record(shipment.Shipment{}, shipment.Event{ID: uuid.NewString(), Type: shipment.Accepted, At: now, Actor: "bench", To: shipment.Pending,
				Key: shipment.Key{Connection: connection, Order: order(i), Package: "1"}, Account: account,
				Data: &shipment.Data{ShippedAt: now.Add(-time.Hour).Truncate(time.Second), ShipBy: now.Add(24 * time.Hour).Truncate(time.Second), Carrier: "DHL",
					Tracking: fmt.Sprintf("0034043400%010d", i), Items: []shipment.Item{{OrderItemID: item(i), Quantity: 1}}, LabelSource: shipment.LabelOwn,
					Reference: fmt.Sprintf("A-%d", i), Source: "service"}})
			if err != nil {
				return err
			}
			drafts = append(drafts, ledger.Draft{Entry: e})
		}
		for _, r := range s.ledger.AppendAll(ctx, drafts) {
			if r.Err != nil {
				return r.Err
			}
			last = r.Entry.Seq
		}
	}
	return view.New(s.redis.Client, view.Options{}).WaitFor(ctx, last)
}

// cpuOf is the processor time a process has used, in seconds; 0 for no process.
func cpuOf(pid int) float64 {
	if pid == 0 {
		return 0
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, err1 := strconv.ParseFloat(fields[11], 64)
	system, err2 := strconv.ParseFloat(fields[12], 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return (user + system) / 100 // clock ticks, a hundred a second on Linux
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

// connections are those of a stack: EU with the account DE, or many. Their references are the secrets themselves, which
// open nothing but the simulator.
func connections(amazon string, o stackOptions) []settings.Connection {
	limits := settings.Limits{ConfirmRate: o.rate, ConfirmBurst: o.burst, InFlight: o.inFlight}
	one := func(id, account string, a amazonsim.Account) settings.Connection {
		c := settings.Connection{ID: shipment.ConnectionID(id), Region: "eu", Mode: settings.ModeSimulator, Endpoint: amazon, TokenEndpoint: amazon + "/auth/o2/token",
			ClientID: a.ClientID, ClientSecret: "env:" + a.ClientSecret, RefreshToken: "env:" + a.RefreshToken, Limits: limits,
			Accounts: []settings.Account{{ID: shipment.AccountID(account), Marketplace: "A1PA6795UKMFR9"}}}
		if o.secondAccount {
			c.Accounts = append(c.Accounts, settings.Account{ID: "FR", Marketplace: secondMarketplace})
		}
		if c = c.WithDefaults(); o.limits != nil {
			o.limits(&c.Limits)
		}
		return c
	}
	if o.connections == 0 {
		return []settings.Connection{one("EU", "DE", amazonsim.DefaultAccount())}
	}
	var out []settings.Connection
	for n := range o.connections {
		out = append(out, one(fmt.Sprintf("C%04d", n), fmt.Sprintf("A%04d", n), seller(n)))
	}
	return out
}
