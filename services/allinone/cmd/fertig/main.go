// Command fertig is the whole system in one program, and the operator's commands over its API. up runs everything with a
// durable data directory, demo shows it on sample data, simulator plays Amazon for other programs; the rest works with
// a running installation.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // a minimal image has no time zones of its own

	"github.com/redis/go-redis/v9/logging"
	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/observe"
)

var version = "dev" // set by the linker

func main() {
	lifecycle.CollectSeldom(os.Getenv)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], process{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv})
	stop()
	os.Exit(code)
}

// process is what the program gets from the outside.
type process struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
}

// execute runs one command line and returns the exit code.
func execute(ctx context.Context, args []string, p process) int {
	logging.Disable() // what matters comes back as an error
	root := command(p)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
		fmt.Fprintln(p.err, "fertig:", line(err))
	}
	return cli.ExitCode(err)
}

// line joins what several checks found to one line each, so that a message is never a paragraph.
func line(err error) string { return strings.ReplaceAll(err.Error(), "\n", "\n        ") }

func command(p process) *cobra.Command {
	root := &cobra.Command{
		Use:   "fertig",
		Short: "Tell Amazon that orders have shipped: on time, exactly once, with proof",
		Long: `Tell Amazon that orders have shipped: on time, exactly once, with proof.

` + cli.ExitHelp,
		Example: `  fertig demo                                   # see it work, on sample data
  fertig up --config fertig.yaml                # run it
  fertig orders list --flagged                  # what is not at Amazon yet
  fertig doctor                                 # what is wrong`,
		SilenceUsage: true, SilenceErrors: true, Args: unknown,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run an installation:"})
	for _, c := range []*cobra.Command{up(p), demonstration(p), simulator(p), keys(p), setup(p), health(p)} {
		c.GroupID = "run"
		root.AddCommand(c)
	}
	cli.Add(root, cli.Env{Getenv: p.getenv, In: p.in, Out: p.out, Err: p.err, Now: time.Now, Version: version})
	return root
}

// unknown refuses a command that does not exist.
func unknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += ": did you mean " + strings.Join(near, " or ") + "?"
	}
	return cli.Usage(errors.New(text + " (fertig --help lists them)"))
}

// noArgs refuses stray words behind a command that takes none.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return cli.Usage(fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
	}
	return nil
}

// logs are the flags of commands that log.
type logs struct{ level, format string }

func (l *logs) flags(cmd *cobra.Command, level string) {
	cmd.Flags().StringVar(&l.level, "log-level", level, "debug, info, warn or error")
	cmd.Flags().StringVar(&l.format, "log-format", "auto", "auto (text on a terminal), text or json")
}

func (l logs) logger(w io.Writer) (*slog.Logger, error) {
	level, err := observe.ParseLevel(l.level)
	if err != nil {
		return nil, cli.Usage(fault.Field("--log-level", "%v", err))
	}
	format, err := observe.ParseFormat(l.format)
	if err != nil {
		return nil, cli.Usage(fault.Field("--log-format", "%v", err))
	}
	return observe.NewLogger(w, "fertig", level, format), nil
}
