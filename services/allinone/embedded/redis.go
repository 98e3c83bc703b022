package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/connect/connectredis"
)

// Redis is where the view lives: inside the process, or a server of its own.
type Redis struct {
	Client redis.UniversalClient
	mini   *miniredis.Miniredis // nil for a server of its own
}

// OpenRedis starts an embedded Redis, or connects to the one url names, in any form connectredis knows. It fails when
// that one does not answer.
func OpenRedis(ctx context.Context, url string, log *slog.Logger) (*Redis, error) {
	if url == "" {
		return startMini(log)
	}
	c, err := connectredis.Open(ctx, connectredis.Options{URL: url, Within: 3 * time.Second})
	if err != nil {
		return nil, fmt.Errorf("redis.url: %w", err)
	}
	return &Redis{Client: c}, nil
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
	log.Info("embedded store: the view lives in this process and is filled anew at every start; give redis.url for more than 50,000 open shipments")
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
