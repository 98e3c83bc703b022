package compose

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/services/dispatcher"
	"github.com/fertig-project/fertig/services/scheduler"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/view"
)

// serve makes all services and starts them. A service made later may fail: then none has been started.
func (s *System) serve(ctx context.Context) error {
	type service struct {
		name string
		run  func(context.Context) error
	}
	var all []service
	for _, part := range []struct {
		name string
		open func(context.Context, *nats.Conn, *slog.Logger) (func(context.Context) error, error)
	}{
		{"dispatcher", s.dispatcher}, {"scheduler", s.scheduler}, {"carrierimport", s.carrierimport}, {"console", s.console},
	} {
		run, err := part.open(ctx, s.NATS, s.cfg.Logger.With("part", part.name))
		if err != nil {
			return err
		}
		all = append(all, service{part.name, run})
	}
	for _, one := range all {
		s.services.Go(one.name, one.run)
	}
	return nil
}

func (s *System) dispatcher(ctx context.Context, nc *nats.Conn, log *slog.Logger) (func(context.Context) error, error) {
	snapshot := ""
	if s.cfg.File.Redis.URL == "" { // a server of its own keeps the view itself
		snapshot = filepath.Join(s.cfg.File.DataDir, "view.snapshot")
	}
	d, err := dispatcher.New(ctx, dispatcher.Config{NATS: nc, Snapshot: snapshot, Redis: s.Redis, Logger: log, Now: s.cfg.Now, Secrets: s.cfg.Secrets,
		Version: s.cfg.Version, LeaseTTL: s.cfg.LeaseTTL, WarmQuota: s.cfg.WarmQuota})
	if err != nil {
		return nil, err
	}
	return d.Run, nil
}

func (s *System) scheduler(ctx context.Context, nc *nats.Conn, log *slog.Logger) (func(context.Context) error, error) {
	c, err := scheduler.New(ctx, scheduler.Config{NATS: nc, Logger: log, Now: s.cfg.Now})
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

func (s *System) carrierimport(ctx context.Context, nc *nats.Conn, log *slog.Logger) (func(context.Context) error, error) {
	c, err := carrierimport.New(ctx, carrierimport.Config{NATS: nc, Logger: log, Now: s.cfg.Now, Imports: s.cfg.File.Imports})
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

func (s *System) console(ctx context.Context, nc *nats.Conn, log *slog.Logger) (func(context.Context) error, error) {
	tokens, err := s.tokens()
	if err != nil {
		return nil, err
	}
	key, err := keep(s.cfg.File.DataDir, "session.key")
	if err != nil {
		return nil, err
	}
	c, err := console.New(ctx, console.Config{NATS: nc, Redis: s.Redis, Logger: log, Now: s.cfg.Now, Listen: s.cfg.File.Listen.Console,
		Tokens: tokens, SessionKey: []byte(key), Version: s.cfg.Version, LeaseTTL: s.cfg.LeaseTTL})
	if err != nil {
		return nil, err
	}
	s.services.OnStop("console address", func(context.Context) error { return c.Close() })
	s.url = fmt.Sprintf("http://%s", c.Addr())
	return c.Run, nil
}

// tokens are those of the configuration, and one of our own for the commands on this machine.
func (s *System) tokens() ([]console.Token, error) {
	var err error
	if s.Token, err = keep(s.cfg.File.DataDir, "local.token"); err != nil {
		return nil, err
	}
	out := []console.Token{{Name: "local", Role: "support", Token: s.Token}}
	for i, t := range s.cfg.File.Tokens {
		secret, err := s.cfg.Secrets(t.Secret)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "tokens[%d].token", i)
		}
		out = append(out, console.Token{Name: t.Name, Role: t.Role, Accounts: t.Accounts, Token: secret})
	}
	return out, nil
}

// ready waits until the view shows everything the ledger has and the console answers, then leaves address and token for
// the commands on this machine.
func (s *System) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	last, err := s.Ledger.LastSeq(ctx)
	if err != nil {
		return err
	}
	if err := view.New(s.Redis, view.Options{}).WaitFor(ctx, last); err != nil {
		return s.unready(ctx, err)
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/readyz", nil)
		if err != nil {
			return err
		}
		r, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s.leaveAccess()
			}
		}
		select {
		case <-ctx.Done():
			return s.unready(ctx, err)
		case <-s.services.Context().Done():
			return s.services.Stop()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// unready prefers a service's own failure to the wait that it made fruitless.
func (s *System) unready(ctx context.Context, err error) error {
	if s.services.Context().Err() != nil {
		if why := s.services.Stop(); why != nil {
			return why
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return fmt.Errorf("wait until everything is ready: %w", err)
}
