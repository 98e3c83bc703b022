package connect

import (
	"context"
	"fmt"
	"io"

	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/observe"
)

// Program says what a service's program answers about itself.
type Program struct {
	Service  string
	Version  string
	HealthAt string // the default of --health
}

// Asked answers a program's command line that asks something of it instead of starting it: `health`, whether the process on
// this machine is ready, which an image without a shell needs for its health check; and `version`. It reports false for any
// other command line, which is then the service's own.
func (p Program) Asked(ctx context.Context, args []string, env func(string) string, out io.Writer) (bool, error) {
	if len(args) == 0 {
		return false, nil
	}
	switch args[0] {
	case "version", "--version", "-version":
		_, err := fmt.Fprintln(out, p.Service, p.Version)
		return true, err
	case "health":
		r := config.NewReader(p.Service+" health", args[1:], env, out)
		address := r.Address("health", p.HealthAt, "address of the process that is asked")
		if err := r.Parse(); err != nil {
			return true, err
		}
		return true, observe.Probe(ctx, *address)
	}
	return false, nil
}
