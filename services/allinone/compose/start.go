package compose

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/stream"
)

// Deadlines of stopping: first the services, then what they stand on.
const (
	stopServices = 25 * time.Second
	stopGround   = 15 * time.Second
	readyWithin  = 2 * time.Minute
)

// System is a running installation. Its fields are for reading.
type System struct {
	NATS      *nats.Conn // of its own, for whoever looks on
	Redis     redis.UniversalClient
	Ledger    *ledger.Ledger
	Simulator *amazonsim.Simulator // nil without one
	Token     string               // of the local operator, role support
	NATSURL   string               // for other programs; empty when nothing listens
	NATSToken string

	cfg      Config
	url      string
	ground   *lifecycle.Group // NATS, Redis, the simulator: what services stand on
	services *lifecycle.Group
}

// Start starts everything and returns when the system takes shipments in. ctx is the system's life: when it ends, Wait
// stops everything and returns.
func Start(ctx context.Context, cfg Config) (*System, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &System{cfg: cfg, ground: lifecycle.New(context.WithoutCancel(ctx), stopGround), services: lifecycle.New(ctx, stopServices)}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *System) start(ctx context.Context) error {
	if err := s.lay(ctx); err != nil {
		return err
	}
	s.services.Go("ground", func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return nil
		case <-s.ground.Context().Done():
			return s.ground.Stop()
		}
	})
	if err := s.serve(ctx); err != nil {
		return err
	}
	return s.ready(ctx)
}

// lay brings up what the services stand on.
func (s *System) lay(ctx context.Context) error {
	f, log := s.cfg.File, s.cfg.Logger
	var err error
	if s.NATSToken, err = keep(f.DataDir, "nats.token"); err != nil {
		return err
	}
	server, err := embedded.StartNATS(ctx, embedded.NATSOptions{Dir: f.DataDir, Listen: f.Listen.NATS, Token: s.NATSToken, Logger: log})
	if err != nil {
		return err
	}
	s.ground.OnStop("embedded NATS", func(context.Context) error { return server.Close() })
	s.NATSURL = server.URL()
	if s.NATS, err = server.Connect("fertig"); err != nil {
		return err
	}
	s.ground.OnStop("NATS connection", func(context.Context) error { s.NATS.Close(); return nil })
	js, err := jetstream.New(s.NATS)
	if err != nil {
		return err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: 1}); err != nil {
		return err
	}
	if f.Listen.NATS == "" {
		if err := release(ctx, js); err != nil {
			return err
		}
	}
	r, err := embedded.OpenRedis(ctx, f.Redis.URL, log)
	if err != nil {
		return err
	}
	s.ground.OnStop("Redis", func(context.Context) error { return r.Close() })
	s.Redis = r.Client
	if s.Ledger, err = ledger.Open(ctx, s.NATS); err != nil {
		return err
	}
	return s.configure(ctx, js)
}

// release gives up leases that a process before us left behind when it was killed, instead of waiting for their end. The
// lock on the data directory proves that it is gone; only where others may connect could a holder still live.
func release(ctx context.Context, js jetstream.JetStream) error {
	kv, err := js.KeyValue(ctx, stream.LeaseBucket)
	if err != nil {
		return fmt.Errorf("open lease bucket: %w", err)
	}
	keys, err := kv.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil
	}
	for _, k := range keys {
		err = errors.Join(err, kv.Delete(ctx, k))
	}
	if err != nil {
		return fmt.Errorf("release old leases: %w", err)
	}
	return nil
}

// configure starts the simulator if there is one and stores the settings, pointed at it.
func (s *System) configure(ctx context.Context, js jetstream.JetStream) error {
	if err := s.simulate(); err != nil {
		return err
	}
	s.cfg.File.File = s.cfg.File.File.WithDefaults()
	if err := s.cfg.File.check(); err != nil {
		return err
	}
	store, err := stream.OpenSettings(ctx, js)
	if err != nil {
		return err
	}
	return store.Seed(ctx, s.cfg.File.Set)
}

// simulate serves Amazon's side and points to it the simulator connections that name no endpoint.
func (s *System) simulate() error {
	scenario, listen := s.cfg.Scenario, s.cfg.File.Simulator.Listen
	if scenario == nil && listen == "" {
		return nil
	}
	if scenario == nil {
		read, err := ReadScenario(s.cfg.File.Simulator.Scenario)
		if err != nil {
			return err
		}
		scenario = &read
	}
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	var err error
	s.Simulator, err = amazonsim.New(amazonsim.Options{Scenario: *scenario, Seed: max(1, s.cfg.File.Simulator.Seed), Now: s.cfg.Now, Logger: s.cfg.Logger})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return fault.Field("simulator.listen", "%v: choose another address", err)
	}
	s.ground.Go("simulator", lifecycle.Serve(ln, s.Simulator, time.Second))
	s.cfg.File = s.cfg.File.pointed(fmt.Sprintf("http://%s", ln.Addr()))
	return nil
}

// URL is the address of the console.
func (s *System) URL() string { return s.url }

// Wait blocks until the life of the system ends or a part fails, stops everything, and returns what went wrong; nil for
// a clean stop.
func (s *System) Wait() error { return errors.Join(s.services.Wait(), s.Stop()) }

// Stop stops everything now. It may be called any number of times.
func (s *System) Stop() error { return errors.Join(s.services.Stop(), s.ground.Stop()) }
