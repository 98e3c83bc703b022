// Command bench measures what the project promises and prints each figure with its target; the last line is all of them
// as JSON. It starts the built binaries as processes of their own where a user would, sends traffic over loopback only,
// and removes what it wrote. It guarantees nothing about other machines: docs/bench.md keeps figures with the machine
// they come from.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/fertig-project/fertig/shared/lifecycle"
)

// figure is one measured value with its target.
type figure struct {
	key    string
	value  float64
	unit   string
	target string
	met    bool
	note   string
}

// part is a measurement that yields one or more figures.
type part struct {
	name    string
	measure func(ctx context.Context, b bench) ([]figure, error)
}

// bench is what the parts share.
type bench struct {
	fertig string // path of the built binary
	scale  float64
	store  string // where scaled measurements keep their streams

	fleet    int    // connections of the fleet
	waiting  int    // shipments of the backlog
	profiles string // directory for CPU profiles; "" for none
}

func main() {
	lifecycle.CollectSeldom(os.Getenv) // as the programs whose parts are measured here
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := run
	if len(os.Args) > 1 && os.Args[1] == nodeCommand {
		do = func(ctx context.Context) error { return node(ctx, os.Args[2:]) }
	}
	if err := do(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// memory is a directory in memory where the system has one, else the usual place for temporary files.
func memory() string {
	const shm = "/dev/shm"
	if st, err := os.Stat(shm); err == nil && st.IsDir() {
		return shm
	}
	return os.TempDir()
}

// parts are all measurements, in the order in which they are taken.
func parts() []part {
	return []part{
		{"start", start},
		{"quota", quota},
		{"scaled", scaled},
		{"attempts", attempts},
		{"latency", latency},
		{"trigger", trigger},
		{"fleet", fleet},
		{"backlog", backlog},
		{"rebuild", rebuild},
		{"intake", intakeRates},
		{"survive", survive},
		{"cluster", cluster},
		{"recon", recon},
		{"halted", halted},
	}
}

func run(ctx context.Context) error {
	var b bench
	only := flag.String("only", "", "parts to measure, separated by commas; default all but scaled")
	flag.StringVar(&b.fertig, "fertig", "bin/fertig", "the built binary")
	flag.Float64Var(&b.scale, "scale", 20, "how many times faster than Amazon's 2 per second the scaled figures run")
	flag.StringVar(&b.store, "store", memory(), "where the scaled figures keep their streams; in scaled time a pause of the disk would weigh that much more, so by default in memory")
	flag.IntVar(&b.fleet, "fleet", 1000, "how many connections the fleet has")
	flag.IntVar(&b.waiting, "waiting", 1_000_000, "how many shipments the backlog has")
	flag.StringVar(&b.profiles, "profiles", "", "a directory for CPU profiles of the measured runs (dispatcher, NATS and what is embedded; not loading)")
	flag.Parse()
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	all := map[string]float64{}
	missed := 0
	for _, p := range parts() {
		if *only == "" && p.name == "scaled" || *only != "" && !slices.Contains(strings.Split(*only, ","), p.name) {
			continue
		}
		figures, err := p.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for _, f := range figures {
			verdict := "met"
			if !f.met {
				verdict = "MISSED"
				missed++
			}
			fmt.Printf("%-24s %12.4f %-4s target %-12s %s  %s\n", f.key, f.value, f.unit, f.target, verdict, f.note)
			all[f.key] = f.value
		}
	}
	line, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode figures: %w", err)
	}
	if missed > 0 {
		fmt.Printf("%d targets missed\n", missed)
	}
	fmt.Println(string(line))
	return nil
}
