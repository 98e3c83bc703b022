// Command carrierimport watches the folders of a configuration file's imports section and hands carriers' files in. Any
// number of them may watch the same folders. It reads the same file as `fertig up`, of which it uses that section; accounts
// come from the configuration bucket.
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

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/observe"
	"github.com/fertig-project/fertig/shared/stream"
)

// file is the whole configuration file, so that a misspelt key is found wherever it stands. What only the all-in-one
// program understands is let through.
type file struct {
	config.File `yaml:",inline"`
	Imports     []carrierimport.Import `yaml:"imports"`
	Redis       any                    `yaml:"redis,omitempty"`
	Simulator   any                    `yaml:"simulator,omitempty"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "carrierimport:", err)
			os.Exit(1)
		}
	}
}

// run works until ctx ends.
func run(ctx context.Context, args []string, env func(string) string, out io.Writer) (err error) {
	r := config.NewReader("carrierimport", args, env, out)
	path := r.Need("config", "", "configuration file with an imports section")
	natsURL := r.URL("nats", "nats://127.0.0.1:4222", "where NATS is", "nats", "tls")
	creds := r.Text("nats-creds", "", "file with NATS credentials")
	replicas := r.Int("replicas", 1, 1, 5, "copies of every stream: 1 for one NATS server, 3 for a cluster")
	health := r.Address("health", "127.0.0.1:8792", "address of /healthz and /readyz")
	poll := r.Duration("poll", carrierimport.DefaultPoll, "time between two looks into a folder")
	logger := r.Logger("carrierimport", out)
	if err := r.Parse(); err != nil {
		return err
	}
	var conf file
	if err := config.Read(*path, &conf); err != nil {
		return err
	}
	opts := []nats.Option{nats.Name("fertig carrierimport"), nats.MaxReconnects(-1)}
	if *creds != "" {
		opts = append(opts, nats.UserCredentials(*creds))
	}
	nc, err := nats.Connect(*natsURL, opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS (--nats): %w", err)
	}
	g := lifecycle.New(ctx, 20*time.Second)
	defer func() { err = errors.Join(err, g.Stop()) }()
	g.OnStop("NATS connection", func(context.Context) error { nc.Close(); return nil })
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: *replicas}); err != nil {
		return err
	}
	log := logger()
	svc, err := carrierimport.New(ctx, carrierimport.Config{NATS: nc, Logger: log, Poll: *poll, Imports: conf.Imports})
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
	g.Go("carrier import", svc.Run)
	log.Info("ready", "health", "http://"+ln.Addr().String(), "imports", len(conf.Imports))
	<-g.Context().Done()
	return nil
}
