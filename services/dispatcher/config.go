package dispatcher

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Config is what a dispatcher needs. The caller opens and closes the connections.
type Config struct {
	NATS    *nats.Conn
	Redis   redis.UniversalClient
	Logger  *slog.Logger                     // default: discards
	Now     func() time.Time                 // default: time.Now
	Secrets func(ref string) (string, error) // resolves env:NAME and file:PATH; errors must not contain the secret
	Name    string                           // of this process, for people; default "dispatcher"
	Version string                           // for Amazon's user agent

	LeaseTTL time.Duration // default 30 s; must outlast a request by some seconds

	// WarmQuota lets a connection begin with its whole burst. By default its quota starts empty with every lease, because
	// the holder before may have spent it. Only who knows that nobody has sent for a while turns it on.
	WarmQuota bool

	// Snapshot is a file in which the view is kept across restarts, for a Redis that keeps nothing itself: a start then
	// reads that instead of the whole ledger. Empty: none.
	Snapshot string

	// stopAt ends attempts after a step, as a crash would; for tests.
	stopAt func(attempt.Step, shipment.Key) bool
}

// minLeaseTTL leaves a request half a second.
const minLeaseTTL = (attempt.Margin + time.Second/2) * 5 / 3

func (c Config) withDefaults() (Config, error) {
	if c.NATS == nil || c.Redis == nil || c.Secrets == nil {
		return c, errors.New("dispatcher needs NATS, Redis and a source of secrets")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Name == "" {
		c.Name = "dispatcher"
	}
	if c.LeaseTTL == 0 {
		c.LeaseTTL = 30 * time.Second
	}
	if c.LeaseTTL < minLeaseTTL {
		return c, fmt.Errorf("LeaseTTL is %s: it must be at least %s, so that a lease outlasts a request", c.LeaseTTL, minLeaseTTL)
	}
	return c, nil
}
