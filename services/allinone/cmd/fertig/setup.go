package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/shared/connect"
	"github.com/fertig-project/fertig/shared/fault"
)

// A cluster that has just started has no leader yet: setup tries for a while.
const (
	setupWithin = 2 * time.Minute
	setupPause  = time.Second
)

// setup makes the streams for services that have no right to. Its flags are those of every service's program.
func setup(p process) *cobra.Command {
	return &cobra.Command{
		Use: "setup", Short: "Create streams and buckets for separate services, or bring them up to date, and end",
		Long: `Create the streams and buckets that separate services work with, or bring them up to date, and end. Run it before the
services, and again before those of a new version; its key is the only one that may do this, and may do nothing else.`,
		Example:            "  fertig setup --nats nats://127.0.0.1:4222\n  fertig setup --nats nats://a:4222,nats://b:4222,nats://c:4222 --replicas 3 --nats-nkey-file setup.seed",
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), setupWithin)
			defer cancel()
			for {
				err := topology(ctx, args, p)
				if errors.Is(err, flag.ErrHelp) {
					return nil
				}
				if err == nil {
					fmt.Fprintln(p.out, "streams and buckets are there")
					return nil
				}
				if fault.Is(err, fault.Invalid) || fault.Is(err, fault.Forbidden) {
					return err
				}
				select {
				case <-ctx.Done():
					return err
				case <-time.After(setupPause):
				}
			}
		},
	}
}

// topology makes one try. Opening the program's connection is all it takes.
func topology(ctx context.Context, args []string, p process) (err error) {
	program := connect.New("setup", args, p.getenv, p.err)
	if err := program.Parse(); err != nil {
		return err
	}
	defer func() { err = program.Close(err) }()
	return program.Open(ctx, 5*time.Second)
}
