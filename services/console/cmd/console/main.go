// Command console serves the operator API and the web pages. Any number of them may run behind one address. Flags and
// environment say where NATS and Redis are; the configuration file says who may sign in. It does not store what the file
// says about connections: the dispatcher does.
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

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1)
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) (err error) {
	r := config.NewReader("console", args, env, out)
	file := r.Need("config", "", "configuration file; its tokens say who may sign in")
	natsURL := r.URL("nats", "nats://127.0.0.1:4222", "where NATS is", "nats", "tls")
	creds := r.Text("nats-creds", "", "file with NATS credentials")
	replicas := r.Int("replicas", 1, 1, 5, "copies of every stream: 1 for one NATS server, 3 for a cluster")
	redisURL := r.URL("redis", "redis://127.0.0.1:6379", "where Redis is", "redis", "rediss")
	key := r.Secret("session-key", "", "signs sessions, at least 16 characters; the same in all consoles behind one address")
	name := r.Text("name", hostname(), "name of this process, shown where it holds a lease")
	logger := r.Logger("console", out)
	if err := r.Parse(); err != nil {
		return err
	}
	log := logger()
	conf, err := config.LoadFile(*file)
	if err != nil {
		return err
	}
	tokens, err := resolve(conf.Tokens, env)
	if err != nil {
		return err
	}

	g := lifecycle.New(ctx, 15*time.Second)
	defer func() { err = errors.Join(err, g.Stop()) }()
	opts := []nats.Option{nats.Name("fertig console"), nats.MaxReconnects(-1)}
	if *creds != "" {
		opts = append(opts, nats.UserCredentials(*creds))
	}
	nc, err := nats.Connect(*natsURL, opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS (--nats): %w", err)
	}
	g.OnStop("NATS connection", func(context.Context) error { nc.Close(); return nil })
	ropts, err := redis.ParseURL(*redisURL)
	if err != nil {
		return fmt.Errorf("read --redis: %w", err)
	}
	rc := redis.NewClient(ropts)
	g.OnStop("Redis client", func(context.Context) error { return rc.Close() })
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: *replicas}); err != nil {
		return err
	}
	stored, err := stream.OpenSettings(ctx, js)
	if err != nil {
		return err
	}
	if err := stored.Seed(ctx, conf.Set); err != nil { // the console's file is where connections come from
		return err
	}
	svc, err := console.New(ctx, console.Config{NATS: nc, Redis: rc, Logger: log, Listen: conf.Listen.Console, Tokens: tokens,
		SessionKey: []byte(key.Reveal()), Name: *name})
	if err != nil {
		return err
	}
	g.Go("console", svc.Run)
	log.Info("ready", "address", "http://"+svc.Addr().String())
	<-g.Context().Done()
	return nil
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

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "console"
	}
	return h
}
