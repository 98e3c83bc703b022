// Command amazonsim runs Amazon's side of a shipment confirmation on this machine, for rehearsals and for
// clients in any language. It listens on loopback unless told otherwise and keeps nothing on disk. It is
// no proxy: it never talks to Amazon.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

var version = "dev" // set by the linker

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "amazonsim:", err)
		}
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, log io.Writer) error {
	ask := len(args) > 0 && args[0] == "health"
	if ask {
		args = args[1:]
	}
	flags := flag.NewFlagSet("amazonsim", flag.ContinueOnError)
	flags.SetOutput(log)
	listen := flags.String("listen", "127.0.0.1:8790", "`address` to listen on; port 0 picks one")
	file := flags.String("scenario", "", "scenario `file` in YAML or JSON; none means one account and no orders")
	seed := flags.Uint64("seed", 1, "`number` that decides tokens, request ids and which requests a fault hits")
	sandbox := flags.Bool("sandbox", false, "be Amazon's static sandbox: answer only the requests of Amazon's models")
	verbose := flags.Bool("verbose", false, "log every call")
	show := flags.Bool("version", false, "show the version and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *show {
		fmt.Fprintln(log, "amazonsim", version)
		return nil
	}
	if ask { // amazonsim health: whether the one that runs on this machine answers, for images without a shell
		return healthy(ctx, *listen)
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: level}))
	scenario, err := readScenario(*file)
	if err != nil {
		return err
	}
	scenario.Sandbox = scenario.Sandbox || *sandbox
	sim, err := amazonsim.New(amazonsim.Options{Scenario: scenario, Seed: *seed, Logger: logger})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listen for --listen: %w", err)
	}
	logger.Info("listening", "address", "http://"+ln.Addr().String(), "orders", sim.Counts().Orders)
	return serve(ctx, ln, sim)
}

// healthy asks the simulator that listens on an address; one that stands for all interfaces is asked on loopback.
func healthy(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("read --listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", res.Status)
	}
	return nil
}

func readScenario(file string) (amazonsim.Scenario, error) {
	if file == "" {
		return amazonsim.Scenario{}, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return amazonsim.Scenario{}, fmt.Errorf("open --scenario: %w", err)
	}
	defer func() { _ = f.Close() }()
	return amazonsim.ReadScenario(f)
}

func serve(ctx context.Context, ln net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	// Held connections would never drain: what is not done in a second is cut.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended
	return err
}
