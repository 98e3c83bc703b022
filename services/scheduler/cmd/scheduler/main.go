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
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // a minimal image has no time zones of its own

	"github.com/fertig-project/fertig/services/scheduler"
	"github.com/fertig-project/fertig/shared/connect"
)

var version = "dev" // set by the linker

// healthAt is where /healthz and /readyz are, unless told otherwise.
const healthAt = "127.0.0.1:8791"

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
	if asked, err := (connect.Program{Service: "scheduler", Version: version, HealthAt: healthAt}).Asked(ctx, args, env, out); asked {
		return err
	}
	p := connect.New("scheduler", args, env, out)
	p.HealthAt(healthAt)
	if err := p.Parse(); err != nil {
		return err
	}
	defer func() { err = p.Close(err) }()
	if err := p.Open(ctx, 15*time.Second); err != nil {
		return err
	}
	svc, err := scheduler.New(ctx, scheduler.Config{NATS: p.NATS, Logger: p.Log})
	if err != nil {
		return err
	}
	return p.Serve(svc.Run)
}
