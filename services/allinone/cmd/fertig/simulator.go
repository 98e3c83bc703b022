package main

import (
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/allinone/compose"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/lifecycle"
)

func simulator(p process) *cobra.Command {
	var listen, scenario string
	var seed uint64
	var sandbox bool
	var l logs
	cmd := &cobra.Command{
		Use: "simulator", Short: "Play Amazon: token service, confirmShipment, getOrder and searchOrders with quotas and faults", Args: noArgs,
		Long:    "Play Amazon on this machine, for rehearsals and for clients in any language. It keeps nothing on disk and never talks to Amazon.",
		Example: "  fertig simulator\n  fertig simulator --listen 127.0.0.1:8790 --scenario rehearsal.yaml --seed 7",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := l.logger(p.err)
			if err != nil {
				return err
			}
			set, err := compose.ReadScenario(scenario)
			if err != nil {
				return err
			}
			set.Sandbox = set.Sandbox || sandbox
			sim, err := amazonsim.New(amazonsim.Options{Scenario: set, Seed: seed, Logger: log})
			if err != nil {
				return cli.Usage(err)
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return cli.Usage(fault.Field("--listen", "%v", err))
			}
			fmt.Fprintf(p.out, "endpoint: http://%s\ntokenEndpoint: http://%s/auth/o2/token\n", ln.Addr(), ln.Addr())
			g := lifecycle.New(cmd.Context(), 5*time.Second)
			g.Go("simulator", lifecycle.Serve(ln, sim, time.Second))
			return g.Wait()
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8790", "address; port 0 picks one")
	cmd.Flags().StringVar(&scenario, "scenario", "", "scenario file in YAML or JSON; none means one account and no orders")
	cmd.Flags().BoolVar(&sandbox, "sandbox", false, "be Amazon's static sandbox: answer only the requests of Amazon's models")
	cmd.Flags().Uint64Var(&seed, "seed", 1, "decides tokens, request ids and which requests a fault hits")
	l.flags(cmd, "info")
	return cmd
}

// secrets resolves references from the environment and from files.
func secrets(p process) func(string) (string, error) {
	return func(ref string) (string, error) { return compose.Secret(ref, p.getenv, os.ReadFile) }
}
