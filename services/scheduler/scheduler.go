package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/scheduler/internal/trigger"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/stream"
)

// stopWithin is the deadline of a clean stop; a publish under way is cut by its context.
const stopWithin = 10 * time.Second

// Config is what a scheduler needs. NATS is required; its streams must exist (stream.Ensure).
type Config struct {
	NATS   *nats.Conn
	Logger *slog.Logger     // nil: silent
	Now    func() time.Time // nil: time.Now
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) check() error {
	if c.NATS == nil {
		return fault.Field("NATS", "is missing: the scheduler needs a connection")
	}
	return nil
}

// Service triggers runs.
type Service struct {
	settings *stream.Settings
	loop     *trigger.Loop
}

// New reads the settings and makes a scheduler that does nothing until Run.
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	js, err := jetstream.New(cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	set, err := stream.OpenSettings(ctx, js)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	board, err := job.Open(cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	return &Service{settings: set, loop: &trigger.Loop{Board: board, Settings: set, Now: cfg.Now, Log: cfg.Logger}}, nil
}

// Run triggers slots until ctx ends, then returns nil.
func (s *Service) Run(ctx context.Context) error {
	g := lifecycle.New(ctx, stopWithin)
	g.Go("settings", s.settings.Run)
	g.Go("slots", s.loop.Run)
	return g.Wait()
}
