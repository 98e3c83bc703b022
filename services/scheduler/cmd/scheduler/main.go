// Command scheduler publishes one trigger per slot of every configured account. Any number of them may run. It reads its
// schedules from the configuration bucket and follows their changes; flags and environment say only where NATS is and
// how to log. It does not write settings.
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

	"github.com/fertig-project/fertig/services/scheduler"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/observe"
	"github.com/fertig-project/fertig/shared/stream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "scheduler:", err)
			os.Exit(1)
		}
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) (err error) {
	r := config.NewReader("scheduler", args, env, out)
	natsURL := r.URL("nats", "nats://127.0.0.1:4222", "where NATS is", "nats", "tls")
	creds := r.Text("nats-creds", "", "file with NATS credentials")
	replicas := r.Int("replicas", 1, 1, 5, "copies of every stream: 1 for one NATS server, 3 for a cluster")
	health := r.Address("health", "127.0.0.1:8791", "address of /healthz and /readyz")
	catchUp := r.Duration("catch-up", scheduler.DefaultCatchUp, "slots this long before the start are still published")
	logger := r.Logger("scheduler", out)
	if err := r.Parse(); err != nil {
		return err
	}
	log := logger()
	opts := []nats.Option{nats.Name("fertig scheduler"), nats.MaxReconnects(-1)}
	if *creds != "" {
		opts = append(opts, nats.UserCredentials(*creds))
	}
	nc, err := nats.Connect(*natsURL, opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS (--nats): %w", err)
	}
	g := lifecycle.New(ctx, 15*time.Second)
	defer func() { err = errors.Join(err, g.Stop()) }()
	g.OnStop("NATS connection", func(context.Context) error { nc.Close(); return nil })
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: *replicas}); err != nil {
		return err
	}
	svc, err := scheduler.New(ctx, scheduler.Config{NATS: nc, Logger: log, CatchUp: *catchUp})
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
	g.Go("health", lifecycle.Serve(ln, h.Handler(), time.Second))
	g.Go("scheduler", svc.Run)
	log.Info("ready", "health", "http://"+ln.Addr().String())
	<-g.Context().Done()
	return nil
}
