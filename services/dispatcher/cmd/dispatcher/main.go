// Command dispatcher sends what waits to Amazon. Any number of them may run: connections are spread over them by leases.
// It reads connections from the configuration bucket and follows their changes; flags and environment say only where
// NATS and Redis are and how to log. Secrets are resolved here, from the environment or files, wherever a connection
// refers to them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // a minimal image has no time zones of its own

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/dispatcher"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/observe"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

var version = "dev" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "dispatcher:", err)
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) (err error) {
	r := config.NewReader("dispatcher", args, env, out)
	natsURL := r.URL("nats", "nats://127.0.0.1:4222", "where NATS is", "nats", "tls")
	creds := r.Text("nats-creds", "", "file with NATS credentials")
	replicas := r.Int("replicas", 1, 1, 5, "copies of every stream: 1 for one NATS server, 3 for a cluster")
	redisURL := r.URL("redis", "redis://127.0.0.1:6379", "where Redis is", "redis", "rediss")
	health := r.Address("health", "127.0.0.1:8793", "address of /healthz and /readyz")
	logger := r.Logger("dispatcher", out)
	if err := r.Parse(); err != nil {
		return err
	}
	log := logger()
	opts := []nats.Option{nats.Name("fertig dispatcher"), nats.MaxReconnects(-1)}
	if *creds != "" {
		opts = append(opts, nats.UserCredentials(*creds))
	}
	g := lifecycle.New(ctx, 30*time.Second)
	defer func() { err = errors.Join(err, g.Stop()) }()
	nc, err := nats.Connect(*natsURL, opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS (--nats): %w", err)
	}
	g.OnStop("NATS connection", func(context.Context) error { nc.Close(); return nil })
	redisOpts, err := redis.ParseURL(*redisURL)
	if err != nil {
		return fmt.Errorf("read --redis: %w", err)
	}
	rc := redis.NewClient(redisOpts)
	g.OnStop("Redis connection", func(context.Context) error { return rc.Close() })
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: *replicas}); err != nil {
		return err
	}
	host, _ := os.Hostname()
	svc, err := dispatcher.New(ctx, dispatcher.Config{NATS: nc, Redis: rc, Logger: log, Name: "dispatcher@" + host, Version: version,
		Secrets: func(ref string) (string, error) { return settings.Secret(ref, env, os.ReadFile) }})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", *health)
	if err != nil {
		return fmt.Errorf("listen for --health: %w", err)
	}
	var h observe.Health
	h.Add("nats", func(context.Context) error {
		if !nc.IsConnected() {
			return fmt.Errorf("not connected: %s", nc.Status())
		}
		return nil
	})
	h.Add("redis", func(ctx context.Context) error { return rc.Ping(ctx).Err() })
	g.Go("health", lifecycle.Serve(ln, h.Handler(), time.Second))
	g.Go("dispatcher", svc.Run)
	log.Info("ready", "health", "http://"+ln.Addr().String())
	<-g.Context().Done()
	return nil
}
