package console

import (
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// DefaultListen is the address of the console unless told otherwise: this machine only.
const DefaultListen = "127.0.0.1:8780"

// Token lets somebody in. The token itself is hashed by New and kept nowhere.
type Token struct {
	Name     string // stands in the history beside what its holder does
	Role     string // viewer, operator or support
	Accounts []string
	Token    string // the token; or Hash
	Hash     string // its SHA-256, 64 hexadecimal digits
}

// Config is what a console needs. NATS, Redis and at least one token are required; the streams must exist
// (stream.Ensure).
type Config struct {
	NATS   *nats.Conn
	Redis  redis.UniversalClient
	Logger *slog.Logger     // nil: silent
	Now    func() time.Time // nil: time.Now

	Listen     string // address; empty: DefaultListen. Listener wins
	Listener   net.Listener
	Tokens     []Token
	SessionKey []byte        // signs sessions; the same in all replicas. Empty: sessions end with the process
	Name       string        // of this process, shown as the holder of leases; empty: console
	Version    string        // shown by /api/v1/version; empty: dev
	LeaseTTL   time.Duration // 0: stream.DefaultLeaseTTL
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	if c.Name == "" {
		c.Name = "console"
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	return c
}

func (c Config) check() error {
	var errs []error
	if c.NATS == nil {
		errs = append(errs, fault.Field("NATS", "is missing: the console needs a connection"))
	}
	if c.Redis == nil {
		errs = append(errs, fault.Field("Redis", "is missing: the console needs a client"))
	}
	return errors.Join(errs...)
}

// guard hashes the tokens.
func (c Config) guard() (*auth.Guard, error) {
	tokens := make([]auth.Token, len(c.Tokens))
	for i, t := range c.Tokens {
		tokens[i] = auth.Token{Name: t.Name, Role: ops.Role(t.Role), Hash: auth.Hash(t.Token)}
		if t.Hash != "" {
			h, err := auth.ParseHash(t.Hash)
			if err != nil {
				return nil, err
			}
			tokens[i].Hash = h
		}
		for _, a := range t.Accounts {
			tokens[i].Accounts = append(tokens[i].Accounts, shipment.AccountID(a))
		}
	}
	return auth.New(tokens, c.SessionKey, c.Now)
}
