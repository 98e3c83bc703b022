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
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // a minimal image has no time zones of its own

	"github.com/redis/go-redis/v9/logging"

	"github.com/fertig-project/fertig/services/dispatcher"
	"github.com/fertig-project/fertig/shared/connect"
	"github.com/fertig-project/fertig/shared/connect/connectredis"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

var version = "dev" // set by the linker

// healthAt is where /healthz and /readyz are, unless told otherwise.
const healthAt = "127.0.0.1:8793"

func main() {
	logging.Disable() // of the Redis client: what matters comes back as an error
	lifecycle.CollectSeldom(os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "dispatcher:", err)
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) (err error) {
	if asked, err := (connect.Program{Service: "dispatcher", Version: version, HealthAt: healthAt}).Asked(ctx, args, env, out); asked {
		return err
	}
	p := connect.New("dispatcher", args, env, out)
	p.HealthAt(healthAt)
	where := connectredis.Flags(p.Reader)
	ttl := p.Duration("lease-ttl", stream.DefaultLeaseTTL, "how long a replica that fell silent keeps its connections")
	if err := p.Parse(); err != nil {
		return err
	}
	defer func() { err = p.Close(err) }()
	if err := p.Open(ctx, 30*time.Second); err != nil {
		return err
	}
	rc, err := connectredis.Open(ctx, where())
	if err != nil {
		return err
	}
	p.OnStop("Redis connection", func(context.Context) error { return rc.Close() })
	p.Check("redis", func(ctx context.Context) error { return rc.Ping(ctx).Err() })
	svc, err := dispatcher.New(ctx, dispatcher.Config{NATS: p.NATS, Redis: rc, Logger: p.Log, Name: p.Name(), Version: version, LeaseTTL: *ttl,
		Secrets: func(ref string) (string, error) { return settings.Secret(ref, env, os.ReadFile) }})
	if err != nil {
		return err
	}
	return p.Serve(svc.Run)
}
