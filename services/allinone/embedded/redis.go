package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/fault"
)

// Redis is where the view lives: inside the process, or a server of its own.
type Redis struct {
	Client redis.UniversalClient
	mini   *miniredis.Miniredis // nil for a server of its own
}

// OpenRedis starts an embedded Redis, or connects to the one url names (redis://, rediss:// or unix://). It fails when
// that one does not answer.
func OpenRedis(ctx context.Context, url string, log *slog.Logger) (*Redis, error) {
	if url == "" {
		return startMini(log)
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fault.Field("redis.url", "is not a URL such as redis://127.0.0.1:6379/0")
	}
	r := &Redis{Client: redis.NewClient(o)}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.Client.Ping(ctx).Err(); err != nil {
		_ = r.Client.Close()
		return nil, fault.Wrap(fault.Unavailable, err, "redis.url: no Redis answers at %s", o.Addr)
	}
	return r, nil
}

func startMini(log *slog.Logger) (*Redis, error) {
	m := miniredis.NewMiniRedis()
	password := rand.Text()
	m.RequireAuth(password)
	// Loopback with a password rather than an in-memory pipe: a pipe has no buffer, and a long pipeline whose answers
	// nobody reads yet would stand still.
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start embedded redis: %w", err)
	}
	log.Info("embedded store: the view lives in this process and is rebuilt at every start; give redis.url for more than 50,000 open shipments")
	c := redis.NewClient(&redis.Options{Addr: m.Addr(), Password: password, ReadTimeout: 30 * time.Second, DisableIdentity: true})
	return &Redis{Client: c, mini: m}, nil
}

// Embedded reports whether the store lives in this process.
func (r *Redis) Embedded() bool { return r.mini != nil }

// Close ends the connection, and the store if it is embedded.
func (r *Redis) Close() error {
	err := r.Client.Close()
	if r.mini != nil {
		r.mini.Close()
	}
	return err
}
