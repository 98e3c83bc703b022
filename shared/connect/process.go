// Package connect is what every service's program begins with: the flags that say where NATS is and as whom to sign in,
// the connection, the topology, the health endpoints, and a clean stop. It guarantees that a process waits a bounded time
// for servers that start beside it, that a broken connection is made again for ever, that what a server refuses is
// logged with its remedy, and that everything opened is closed, last opened first. It knows no service; it is used under
// cmd/ only. Redis is opened by the package below, so that only services that use it link its client.
package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/observe"
	"github.com/fertig-project/fertig/shared/stream"
)

// Process is a service's program. A main makes one with New, registers flags of its own, calls Parse, Open, and at the
// end Serve; Close gives everything back, also after an Open that failed. It is not safe for concurrent use.
type Process struct {
	*config.Reader

	NATS      *nats.Conn          // since Open
	JetStream jetstream.JetStream // since Open
	Log       *slog.Logger        // since Open

	service  string
	nats     func() NATS
	replicas *int
	topology *string
	name     *string
	health   *string // nil: the service answers probes itself
	logger   func() *slog.Logger
	checks   observe.Health
	group    *lifecycle.Group
}

// New makes a program and registers what all have in common.
func New(service string, args []string, env func(string) string, out io.Writer) *Process {
	p := &Process{Reader: config.NewReader(service, args, env, out), service: service}
	p.nats = natsFlags(p.Reader, service)
	p.replicas = p.Int("replicas", 1, 1, 5, "copies of every stream: 1 for one NATS server, 3 for a cluster")
	p.topology = p.OneOf("topology", "ensure", "streams and buckets: create and update them, or only expect them, where another service has the right to",
		"ensure", "expect")
	p.name = p.Text("name", service+"@"+hostname(), "name of this process, shown where it holds a lease")
	p.logger = p.Logger(service, out)
	return p
}

// HealthAt registers the address of /healthz and /readyz, for services that serve nothing else.
func (p *Process) HealthAt(def string) {
	p.health = p.Address("health", def, "address of /healthz and /readyz")
}

// Name is what this process is called where it holds a lease.
func (p *Process) Name() string { return *p.name }

// Open connects to NATS and sees to the topology. grace bounds Close. It comes after Parse.
func (p *Process) Open(ctx context.Context, grace time.Duration) error {
	p.Log = p.logger()
	p.group = lifecycle.New(ctx, grace)
	o := p.nats()
	o.Logger = p.Log
	nc, err := OpenNATS(ctx, o)
	if err != nil {
		return err
	}
	p.NATS = nc
	p.OnStop("NATS connection", func(context.Context) error { nc.Close(); return nil })
	p.Check("nats", natsReady(nc))
	if p.JetStream, err = jetstream.New(nc); err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	if err := p.seeTo(ctx); err != nil {
		return err
	}
	return clock(ctx, p.JetStream, p.Log, time.Now)
}

// seeTo makes the topology, or sees that it is as it must be.
func (p *Process) seeTo(ctx context.Context) error {
	if *p.topology != "expect" {
		return stream.Ensure(ctx, p.JetStream, stream.Options{Replicas: *p.replicas})
	}
	warnings, err := stream.Expect(ctx, p.JetStream, startWithin)
	for _, w := range warnings {
		p.Log.Warn(w)
	}
	return err
}

// OnStop registers what Close gives back.
func (p *Process) OnStop(name string, stop func(context.Context) error) { p.group.OnStop(name, stop) }

// Check registers a readiness check.
func (p *Process) Check(name string, run func(context.Context) error) { p.checks.Add(name, run) }

// Serve runs the service until the program is to end or a part fails; what failed is told by Close. attrs are added to
// the log line that says the process is ready.
func (p *Process) Serve(run func(context.Context) error, attrs ...any) error {
	if p.health != nil {
		ln, err := net.Listen("tcp", *p.health)
		if err != nil {
			return fmt.Errorf("listen for --health: %w", err)
		}
		p.group.Go("health", lifecycle.Serve(ln, p.checks.Handler(), time.Second))
		attrs = append([]any{"health", "http://" + ln.Addr().String()}, attrs...)
	}
	p.group.Go(p.service, run)
	p.Log.Info("ready", attrs...)
	<-p.group.Context().Done()
	return nil
}

// Close stops what runs, gives everything back, and joins what went wrong to err.
func (p *Process) Close(err error) error {
	if p.group == nil {
		return err
	}
	return errors.Join(err, p.group.Stop())
}

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return h
}
