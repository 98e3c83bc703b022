package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/dispatcher/internal/intake"
	"github.com/fertig-project/fertig/services/dispatcher/internal/project"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

// Service is a dispatcher.
type Service struct {
	cfg      Config
	js       jetstream.JetStream
	ledger   *ledger.Ledger
	view     *view.View
	board    *job.Board
	leases   *stream.Leases
	settings *stream.Settings
	intake   *intake.Intake
	again    chan struct{} // a rebuild of the view is wanted

	projecting atomic.Bool // this process holds the projection

	mu       sync.Mutex
	stations map[shipment.ConnectionID]*station // connections this process holds
}

// Taken counts what became of reported events since the process started.
type Taken = intake.Stats

// New opens what a dispatcher needs. It starts nothing.
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, again: make(chan struct{}, 1), stations: map[shipment.ConnectionID]*station{}}
	if s.js, err = jetstream.New(cfg.NATS); err != nil {
		return nil, fmt.Errorf("open dispatcher: %w", err)
	}
	if s.ledger, err = ledger.Open(ctx, cfg.NATS); err != nil {
		return nil, err
	}
	if s.board, err = job.Open(cfg.NATS); err != nil {
		return nil, err
	}
	// A lease is recognised by its holder's name, so two processes must never share one.
	if s.leases, err = stream.NewLeases(ctx, s.js, cfg.Name+"/"+uuid.NewString(), cfg.LeaseTTL); err != nil {
		return nil, err
	}
	if s.settings, err = stream.OpenSettings(ctx, s.js); err != nil {
		return nil, err
	}
	s.view = view.New(cfg.Redis, view.Options{})
	warnings, err := s.view.Check(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		cfg.Logger.Warn(w)
	}
	inbox, err := intake.OpenStream(ctx, s.js)
	if err != nil {
		return nil, err
	}
	s.intake = &intake.Intake{Inbox: inbox, Ledger: s.ledger, Settings: s.settings.Current, Now: cfg.Now, Logger: cfg.Logger,
		Reject: func(ctx context.Context, r door.Rejected) error { return door.Reject(ctx, s.js, r) }}
	return s, nil
}

// Taken returns what intake has done so far.
func (s *Service) Taken() Taken { return s.intake.Stats() }

// Run works until ctx ends and returns when everything it started has ended and every lease has been given back.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { s.persist(ctx, "settings", s.settings.Run) })
	wg.Go(func() { s.persist(ctx, "intake", s.intake.Run) })
	wg.Go(func() { s.persist(ctx, "projection", s.projection) })
	wg.Go(func() { s.persist(ctx, "connections", s.connections) })
	wg.Go(func() { s.persist(ctx, "control", s.control) })
	wg.Wait()
	return nil
}

// Pauses between tries of a part that failed.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// persist runs a part until ctx ends. A part that fails is started again after a growing pause: the stores come back,
// and until then there is nothing better to do.
func (s *Service) persist(ctx context.Context, part string, run func(context.Context) error) {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		err := run(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errChanged) {
			s.cfg.Logger.Info("part is begun anew", "part", part, "why", err)
			pause = firstPause
			continue
		}
		if err == nil {
			err = errors.New("ended unexpectedly")
		}
		if time.Since(began) > time.Minute {
			pause = firstPause
		}
		s.cfg.Logger.Error("part stopped, will be started again", "part", part, "error", err, "in", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
}

// held runs work under a lease until ctx ends or the lease is lost, and gives the lease back.
func (s *Service) held(ctx context.Context, name string, work func(context.Context, *stream.Lease) error) error {
	lease, err := s.leases.Acquire(ctx, name)
	if err != nil {
		return err
	}
	s.cfg.Logger.Debug("lease taken", "lease", name, "token", lease.Token())
	// The lease is kept until the work has ended, however ctx ends: work under way still needs it.
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	working, cancel := context.WithCancelCause(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		if err := lease.Keep(keep); err != nil {
			cancel(err)
		}
	}()
	err = work(working, lease)
	stopKeeping()
	<-kept
	if cause := context.Cause(working); cause != nil && ctx.Err() == nil {
		err = errors.Join(err, cause)
	}
	cancel(nil)
	release, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	return errors.Join(err, lease.Release(release))
}

func (s *Service) projection(ctx context.Context) error {
	return s.held(ctx, "projector", func(ctx context.Context, _ *stream.Lease) error {
		s.projecting.Store(true)
		defer s.projecting.Store(false)
		p := &project.Projector{Ledger: s.ledger, View: s.view, Logger: s.cfg.Logger, Now: s.cfg.Now, Again: s.again}
		return p.Run(ctx)
	})
}

// connections keeps one goroutine per configured connection, which works whenever it gets the lease.
func (s *Service) connections(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := map[shipment.ConnectionID]bool{}
	for {
		for _, c := range s.settings.Current().Connections {
			if started[c.ID] {
				continue
			}
			started[c.ID] = true
			wg.Go(func() {
				s.persist(ctx, "connection "+string(c.ID), func(ctx context.Context) error {
					return s.held(ctx, "connection."+string(c.ID), func(ctx context.Context, l *stream.Lease) error {
						return s.work(ctx, c.ID, l)
					})
				})
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.settings.Changed():
		}
	}
}
