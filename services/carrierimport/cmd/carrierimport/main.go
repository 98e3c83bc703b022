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
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // a minimal image has no time zones of its own

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/connect"
)

// file is the whole configuration file, so that a misspelt key is found wherever it stands. What only the all-in-one
// program understands is let through.
type file struct {
	config.File `yaml:",inline"`
	Imports     []carrierimport.Import `yaml:"imports"`
	Redis       any                    `yaml:"redis,omitempty"`
	Simulator   any                    `yaml:"simulator,omitempty"`
}

var version = "dev" // set by the linker

// healthAt is where /healthz and /readyz are, unless told otherwise.
const healthAt = "127.0.0.1:8792"

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
	if asked, err := (connect.Program{Service: "carrierimport", Version: version, HealthAt: healthAt}).Asked(ctx, args, env, out); asked {
		return err
	}
	p := connect.New("carrierimport", args, env, out)
	p.HealthAt(healthAt)
	path := p.Need("config", "", "configuration file with an imports section")
	poll := p.Duration("poll", carrierimport.DefaultPoll, "time between two looks into a folder")
	if err := p.Parse(); err != nil {
		return err
	}
	var conf file
	if err := config.Read(*path, &conf); err != nil {
		return err
	}
	defer func() { err = p.Close(err) }()
	if err := p.Open(ctx, 20*time.Second); err != nil {
		return err
	}
	svc, err := carrierimport.New(ctx, carrierimport.Config{NATS: p.NATS, Logger: p.Log, Poll: *poll, Imports: conf.Imports})
	if err != nil {
		return err
	}
	return p.Serve(svc.Run, "imports", len(conf.Imports))
}
