package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/allinone/compose"
	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/shared/fault"
)

func up(p process) *cobra.Command {
	var file, dataDir string
	var l logs
	cmd := &cobra.Command{
		Use: "up --config FILE", Short: "Run everything in this process, with a durable data directory", Args: noArgs,
		Long: `Run everything in this process: NATS with its streams in the data directory, Redis (embedded, or a server of its own), the
dispatcher, the scheduler, the carrier import and the console. It ends cleanly on an interrupt; what was accepted is on
disk whatever happens. Address and a token for the commands on this machine are written to client.json in the data
directory, readable by you only.`,
		Example: "  fertig up --config deployments/fertig.example.yaml\n  fertig up --config fertig.yaml --data-dir /var/lib/fertig --log-format json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := l.logger(p.err)
			if err != nil {
				return err
			}
			if file == "" {
				return cli.Usage(fault.Field("--config", "is missing: begin with deployments/fertig.example.yaml"))
			}
			f, err := compose.Load(file)
			if err != nil {
				return err
			}
			if d, _ := cmd.Flags().GetString("data-dir"); d != "" {
				dataDir = d
			} else if d := p.getenv("FERTIG_DATA_DIR"); d != "" {
				dataDir = d
			}
			if dataDir != "" {
				f.DataDir = dataDir
			}
			s, err := compose.Start(cmd.Context(), compose.Config{File: f, Version: version, Logger: log, Secrets: secrets(p)})
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "ready: %s\n", s.URL())
			return s.Wait()
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration file (needed)")
	l.flags(cmd, "info")
	return cmd
}
