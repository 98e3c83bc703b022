package dispatcher

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/reconcile"
	"github.com/fertig-project/fertig/services/dispatcher/internal/run"
	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi"
	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// aheadPerRequest is how many attempts may be under way besides for each request that may be: they are being written to the
// ledger, before or after, which is the cheaper the more of them share a batch. Amazon's quota keeps them few: each holds a
// token. With one request at a time there are none, so that one shipment follows the other.
const aheadPerRequest = 31

// station is a connection this process works for.
type station struct {
	client *spapi.Client
	worker *run.Worker
}

// work is a connection's work under its lease. When the connection's access or limits change it ends, so that it is begun
// anew with the new ones; mappings, schedules and pauses are followed without that.
func (s *Service) work(ctx context.Context, id shipment.ConnectionID, lease *stream.Holding) error {
	began, ok := s.settings.Current().Connection(id)
	if !ok { // removed: the lease ends in a moment
		<-ctx.Done()
		return nil
	}
	conn := began
	log := s.cfg.Logger.With("connection", id)
	conn.Limits.RequestTimeout = settings.Duration(s.timeout(conn, log))
	client, err := spapi.New(s.clientConfig(conn))
	if err != nil {
		return err
	}
	defer client.Close()
	current := func() settings.Connection {
		c, ok := s.settings.Current().Connection(id)
		if !ok {
			return began
		}
		return c
	}
	timeout := time.Duration(conn.Limits.RequestTimeout)
	w := &run.Worker{
		Connection: id, Settings: current, Ledger: s.ledger, Queues: queues{s.view}, Upkeep: upkeep{s.view}, Board: s.board, Ask: s.board.Ask, Tell: s.board.Tell,
		Amazon: amazon{client}, Known: knowledge{s.orders, s.ledger, s.cfg.Now, log}, Lease: lease, Encode: encode, Country: country, Now: s.cfg.Now, Logger: log, Actor: s.cfg.Name,
		Attempts: &attempt.Attempter{Ledger: s.ledger, Lease: lease, Timeout: timeout, Wire: attempt.NewWire(conn.Limits.InFlight), Now: s.cfg.Now, Actor: s.cfg.Name, Stopped: s.cfg.stopAt},
		Ahead:    aheadPerRequest * (conn.Limits.InFlight - 1),
	}
	s.post(id, &station{client, w})
	defer s.post(id, nil)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &reconcile.Reconciler{Connection: id, Settings: current, Amazon: truth{amazon{client}}, Ledger: s.ledger, Standing: standing(s.view), Knowledge: s.orders,
		Log: s.orders, Ran: w.Ran, Now: s.cfg.Now, Logger: log, Actor: s.cfg.Name}
	var beside sync.WaitGroup
	beside.Go(func() { s.watchAccess(ctx, began, current, func() { cancel(errChanged) }) })
	beside.Go(func() { _ = r.Run(ctx) }) // ends with ctx and with nothing else
	err = w.Run(ctx)
	changed := errors.Is(context.Cause(ctx), errChanged)
	cancel(nil)
	beside.Wait()
	if err == nil && changed {
		return errChanged
	}
	return err
}

// errChanged ends a station that is to be begun anew with other settings.
var errChanged = errors.New("its settings have changed")

// timeout is how long a request may take: what is configured, but never so long that a lease which is renewed every third
// of its life could end before an answer.
func (s *Service) timeout(c settings.Connection, log *slog.Logger) time.Duration {
	wish, most := time.Duration(c.Limits.RequestTimeout), s.cfg.LeaseTTL*3/5-attempt.Margin
	if wish > most {
		log.Warn("requests may not take as long as configured, because the lease would end before", "requestTimeout", wish, "instead", most)
		return most
	}
	return wish
}

// watchAccess ends a station whose access or limits have changed.
func (s *Service) watchAccess(ctx context.Context, began settings.Connection, current func() settings.Connection, end func()) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !reflect.DeepEqual(access(began), access(current())) {
				end()
				return
			}
		}
	}
}

// access is the part of a connection its client is made from.
func access(c settings.Connection) settings.Connection {
	marketplaces := make([]settings.Account, len(c.Accounts))
	for i, a := range c.Accounts {
		marketplaces[i] = settings.Account{ID: a.ID, Marketplace: a.Marketplace}
	}
	c.Accounts = marketplaces
	return c
}

func (s *Service) post(id shipment.ConnectionID, st *station) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st == nil {
		delete(s.stations, id)
		return
	}
	s.stations[id] = st
}

func (s *Service) station(id shipment.ConnectionID) (*station, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.stations[id]
	return st, ok
}

func (s *Service) clientConfig(c settings.Connection) spapi.Config {
	limits := spapi.DefaultLimits()
	// A tenth of the burst stays unused: requests sent evenly here may arrive a little bunched there.
	shy := func(rate float64, burst int) quota.Limits {
		return quota.Limits{Rate: rate, Burst: max(1, burst-max(1, burst/10))}
	}
	limits.Confirm = shy(c.Limits.ConfirmRate, c.Limits.ConfirmBurst)
	limits.Order = shy(c.Limits.ReadRate, c.Limits.ReadBurst)
	limits.Search = shy(c.Limits.SearchRate, c.Limits.SearchBurst)
	var marketplaces []string
	for _, a := range c.Accounts {
		marketplaces = append(marketplaces, a.Marketplace)
	}
	return spapi.Config{
		Connection: string(c.ID), Region: spapi.Region(c.Region), Marketplaces: marketplaces, Endpoint: c.Endpoint, TokenEndpoint: c.TokenEndpoint,
		Credentials: func() (spapi.Credentials, error) { return s.credentials(c) },
		AppName:     "Fertig", AppVersion: s.cfg.Version, Limits: limits, StartEmpty: !s.cfg.WarmQuota,
		Breaker:        spapi.BreakerSettings{OpenFor: time.Duration(c.Limits.BreakerPause)},
		RequestTimeout: time.Duration(c.Limits.RequestTimeout), InFlight: c.Limits.InFlight, Logger: s.cfg.Logger,
	}
}

// credentials reads the secrets anew every time, so that a rotated one is used at once.
func (s *Service) credentials(c settings.Connection) (spapi.Credentials, error) {
	secret, err := s.cfg.Secrets(c.ClientSecret)
	next := ""
	if c.ClientSecretNext != "" { // which may not be there yet, or no longer
		if n, missing := s.cfg.Secrets(c.ClientSecretNext); missing == nil {
			next = n
		}
	}
	if err != nil && next != "" {
		secret, next, err = next, "", nil
	}
	if err != nil {
		return spapi.Credentials{}, err
	}
	refresh, err := s.cfg.Secrets(c.RefreshToken)
	if err != nil {
		return spapi.Credentials{}, err
	}
	return spapi.Credentials{ClientID: c.ClientID, ClientSecret: secret, NextSecret: next, RefreshToken: refresh}, nil
}
