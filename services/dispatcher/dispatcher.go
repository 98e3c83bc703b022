package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/dispatcher/internal/intake"
	"github.com/fertig-project/fertig/services/dispatcher/internal/project"
	"github.com/fertig-project/fertig/services/dispatcher/internal/publish"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/orders"
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
	orders   *orders.Book
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
	if s.orders, err = orders.Open(cfg.NATS); err != nil {
		return nil, err
	}
	if s.leases, err = stream.NewLeases(ctx, s.js, cfg.Name, cfg.LeaseTTL); err != nil {
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
	s.intake = &intake.Intake{Inbox: inbox, Ledger: s.ledger, Settings: s.settings.Current, ShipBy: deadlines(s.orders, cfg.Now, cfg.Logger), Learn: s.orders.Put,
		Now: cfg.Now, Logger: cfg.Logger, Reject: func(ctx context.Context, r door.Rejected) error { return door.Reject(ctx, s.js, r) }}
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
	wg.Go(func() { s.persist(ctx, "replicas", s.replicas) })
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

// projector is the name under which the projection is shared, beside the connections.
const projector = "projector"

// replicas shares the projection and the connections with the other dispatchers.
func (s *Service) replicas(ctx context.Context) error {
	return stream.NewFleet(s.leases, "dispatcher").Run(ctx, stream.Work{Names: s.names, Changed: s.settings.Changed(), Do: s.duty, Busy: s.busy})
}

// names are all that dispatchers have to do.
func (s *Service) names() []string {
	names := []string{projector}
	for _, c := range s.settings.Current().Connections {
		names = append(names, leaseName(c.ID))
	}
	return names
}

func leaseName(id shipment.ConnectionID) string { return connectionPrefix + string(id) }

const connectionPrefix = "connection."

// duty does what a name stands for until its context ends.
func (s *Service) duty(ctx context.Context, name string, h *stream.Holding) {
	s.cfg.Logger.Debug("lease taken", "lease", name, "token", h.Token())
	defer func() { s.cfg.Logger.Debug("lease ends", "lease", name, "token", h.Token(), "why", context.Cause(ctx)) }()
	id, ok := strings.CutPrefix(name, connectionPrefix)
	if !ok {
		var wg sync.WaitGroup
		wg.Go(func() { s.persist(ctx, "projection", s.projection) })
		wg.Go(func() { s.persist(ctx, "events", s.tell) })
		wg.Wait()
		return
	}
	s.persist(ctx, "connection "+id, func(ctx context.Context) error { return s.work(ctx, shipment.ConnectionID(id), h) })
}

// busy reports that a name should stay where it is for now: a run goes on. The projection moves last of all, because what
// it has read ahead would be read again.
func (s *Service) busy(name string) bool {
	id, ok := strings.CutPrefix(name, connectionPrefix)
	if !ok {
		return true
	}
	st, ok := s.station(shipment.ConnectionID(id))
	return ok && st.worker.Busy()
}

// tell publishes what becomes of shipments. It follows the ledger like the projection, and goes where that goes.
func (s *Service) tell(ctx context.Context) error {
	p := publish.Publisher{NATS: s.cfg.NATS, JS: s.js, Ledger: s.ledger, Now: s.cfg.Now, Logger: s.cfg.Logger}
	return p.Run(ctx)
}

func (s *Service) projection(ctx context.Context) error {
	s.projecting.Store(true)
	defer s.projecting.Store(false)
	p := &project.Projector{Ledger: s.ledger, View: s.view, Logger: s.cfg.Logger, Now: s.cfg.Now, Again: s.again}
	if s.cfg.Snapshot != "" {
		p.Snapshots = snapshotFile(s.cfg.Snapshot)
	}
	return p.Run(ctx)
}
