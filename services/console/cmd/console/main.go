// Command console serves the operator API and the web pages. Any number of them may run behind one address. Flags and
// environment say where NATS and Redis are; the configuration file says who may sign in, and is where connections come from:
// the console stores them for all services when it starts.
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

	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/connect"
	"github.com/fertig-project/fertig/shared/connect/connectredis"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

var version = "dev" // set by the linker

// healthAt is where /healthz and /readyz are, unless told otherwise.
const healthAt = "127.0.0.1:8794"

func main() {
	logging.Disable() // of the Redis client: what matters comes back as an error
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) (err error) {
	if asked, err := (connect.Program{Service: "console", Version: version, HealthAt: healthAt}).Asked(ctx, args, env, out); asked {
		return err
	}
	p := connect.New("console", args, env, out)
	p.HealthAt(healthAt)
	file := p.Need("config", "", "configuration file; its tokens say who may sign in")
	where := connectredis.Flags(p.Reader)
	key := p.Secret("session-key", "", "signs sessions, at least 16 characters; the same in all consoles behind one address")
	if err := p.Parse(); err != nil {
		return err
	}
	conf, err := config.LoadFile(*file)
	if err != nil {
		return err
	}
	tokens, err := resolve(conf.Tokens, env)
	if err != nil {
		return err
	}
	defer func() { err = p.Close(err) }()
	if err := p.Open(ctx, 15*time.Second); err != nil {
		return err
	}
	rc, err := connectredis.Open(ctx, where())
	if err != nil {
		return err
	}
	p.OnStop("Redis connection", func(context.Context) error { return rc.Close() })
	p.Check("redis", func(ctx context.Context) error { return rc.Ping(ctx).Err() })
	stored, err := stream.OpenSettings(ctx, p.JetStream)
	if err != nil {
		return err
	}
	if err := stored.Seed(ctx, conf.Set); err != nil { // the console's file is where connections come from
		return err
	}
	svc, err := console.New(ctx, console.Config{NATS: p.NATS, Redis: rc, Logger: p.Log, Listen: conf.Listen.Console, Tokens: tokens,
		SessionKey: []byte(key.Reveal()), Name: p.Name(), Version: version})
	if err != nil {
		return err
	}
	return p.Serve(svc.Run, "address", "http://"+svc.Addr().String())
}

// resolve reads the tokens that the file only refers to.
func resolve(in []config.Token, env func(string) string) ([]console.Token, error) {
	out := make([]console.Token, len(in))
	for i, t := range in {
		value, err := settings.Secret(t.Secret, env, os.ReadFile)
		if err != nil {
			return nil, fmt.Errorf("token of %s: %w", t.Name, err)
		}
		out[i] = console.Token{Name: t.Name, Role: t.Role, Accounts: t.Accounts, Token: value}
	}
	return out, nil
}
