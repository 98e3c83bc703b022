// Command contract holds Fertig to Amazon's published models: see package contract. Its last line counts rows, operations and
// violations; with a violation it fails.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/fertig-project/fertig/services/allinone/contract"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := contract.Run(ctx, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(r.Violations) > 0 {
		os.Exit(1)
	}
}
