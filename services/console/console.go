package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/console/internal/api"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/control"
	"github.com/fertig-project/fertig/services/console/internal/invalid"
	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/services/console/internal/notify"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/unshipped"
	"github.com/fertig-project/fertig/services/console/internal/web"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/observe"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

// Deadlines of a clean stop: requests under way may finish, then everything is cut.
const (
	drain      = 3 * time.Second
	stopWithin = 10 * time.Second
)

// Service is a console.
type Service struct {
	cfg       Config
	settings  *stream.Settings
	notifier  *notify.Notifier
	ops       *ops.Ops
	known     *orders.Book
	unshipped *unshipped.Orders
	handler   http.Handler
	listener  net.Listener
}

// New opens what the console needs, including its address, and starts nothing.
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	return s, nil
}

func open(ctx context.Context, cfg Config) (*Service, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	guard, err := cfg.guard()
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(cfg.NATS)
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg}
	if s.settings, err = stream.OpenSettings(ctx, js); err != nil {
		return nil, err
	}
	led, err := ledger.Open(ctx, cfg.NATS)
	if err != nil {
		return nil, err
	}
	board, err := job.Open(cfg.NATS)
	if err != nil {
		return nil, err
	}
	book, err := message.Open(cfg.NATS)
	if err != nil {
		return nil, err
	}
	input, err := invalid.Open(cfg.NATS)
	if err != nil {
		return nil, err
	}
	entrance, err := door.Open(cfg.NATS, led, s.settings, cfg.Now)
	if err != nil {
		return nil, err
	}
	leases, err := stream.NewLeases(ctx, js, cfg.Name, cfg.LeaseTTL)
	if err != nil {
		return nil, err
	}
	known, err := orders.Open(cfg.NATS)
	if err != nil {
		return nil, err
	}
	look := shelf{view: view.New(cfg.Redis, view.Options{}), settings: s.settings.Current}
	ctl := control.New(cfg.NATS)
	s.known, s.unshipped = known, unshipped.New()
	s.ops = ops.New(ops.Config{Unshipped: s.unshipped, Packages: led, Ledger: led, View: look, Door: entrance, Board: board, Progress: board, Settings: s.settings, Messages: book, Control: ctl,
		Logger: cfg.Logger, Now: cfg.Now})
	s.notifier = notify.New(notify.Config{Leases: leases, Board: board, Ledger: led, View: look, Book: book, Input: input, Sweeps: known, Settings: s.settings.Current,
		Logger: cfg.Logger, Now: cfg.Now})
	pages, err := web.New(web.Config{Ops: s.ops, Sessions: guard, Settings: s.settings.Current, Book: book, Seen: look.Seen, Logger: cfg.Logger, Now: cfg.Now})
	if err != nil {
		return nil, err
	}
	s.handler = s.routes(guard, pages)
	if s.listener = cfg.Listener; s.listener == nil {
		if s.listener, err = net.Listen("tcp", cfg.Listen); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	return s, nil
}

// routes joins the API, the probes and the pages under one set of headers.
func (s *Service) routes(guard *auth.Guard, pages http.Handler) http.Handler {
	var health observe.Health
	health.Add("nats", func(context.Context) error {
		if !s.cfg.NATS.IsConnected() {
			return fmt.Errorf("not connected: %s", s.cfg.NATS.Status())
		}
		return nil
	})
	health.Add("redis", func(ctx context.Context) error { return s.cfg.Redis.Ping(ctx).Err() })
	mux := http.NewServeMux()
	mux.Handle("/api/", api.New(api.Config{Ops: s.ops, Guard: guard, Logger: s.cfg.Logger, Version: s.cfg.Version}))
	probes := health.Handler()
	mux.Handle("GET /healthz", probes)
	mux.Handle("GET /readyz", probes)
	mux.Handle("/", pages)
	sameOrigin := http.NewCrossOriginProtection()
	sameOrigin.SetDenyHandler(http.HandlerFunc(api.Foreign))
	return secured(sameOrigin.Handler(mux))
}

// secured sets the headers every answer carries. Pages bring their own scripts and styles as files, so nothing inline and
// nothing from elsewhere is ever allowed.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // without any, browsers hide the origin of forms from plain HTTP addresses
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// Handler serves everything the console has over HTTP.
func (s *Service) Handler() http.Handler { return s.handler }

// Addr is the address the console listens on.
func (s *Service) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, then stops cleanly and returns nil. It must be called once; it closes the listener.
func (s *Service) Run(ctx context.Context) error {
	g := lifecycle.New(ctx, stopWithin)
	g.Go("settings", s.settings.Run)
	g.Go("maintenance messages", s.notifier.Run)
	g.Go("open orders", func(ctx context.Context) error { return s.unshipped.Run(ctx, s.known) })
	g.Go("http", lifecycle.Serve(s.listener, endless(g.Context(), s.handler), drain))
	return g.Wait()
}

// endless ends the streams, which never end by themselves, as soon as ctx does; other requests may finish.
func endless(ctx context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live" || strings.HasSuffix(r.URL.Path, "/progress") {
			stream, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(ctx, cancel)()
			r = r.WithContext(stream)
		}
		next.ServeHTTP(w, r)
	})
}

// Close gives the address back of a console that was made but will not run.
func (s *Service) Close() error {
	if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("console: %w", err)
	}
	return nil
}
