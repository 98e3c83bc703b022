package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/allinone/demo"
	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/shared/fault"
)

// demoDir is where the demo keeps its data, unless told otherwise.
const demoDir = ".run/demo"

func demonstration(p process) *cobra.Command {
	var once, keep bool
	var listen string
	var l logs
	cmd := &cobra.Command{
		Use: "demo", Short: "Show the main job on sample data, with a simulated Amazon", Args: noArgs,
		Long: `Show the main job on sample data: three shops, some 330 shipments through all four doors, and a day on which everything
happens that can. It runs the job, shows what was set back and why, corrects one shipment, presses the message's button,
does the accounts, and stays up for you to look around. With --once it ends after the accounts; its last line is JSON, and
the exit code is 1 unless everything accepted is in exactly one state, nothing is lost, and nothing was confirmed twice.`,
		Example: "  fertig demo\n  fertig demo --once\n  fertig --data-dir " + demoDir + " orders list --flagged   # meanwhile, in another window",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := l.logger(p.err)
			if err != nil {
				return err
			}
			dir, err := emptied(cmd)
			if err != nil {
				return err
			}
			if !keep {
				defer func() { _ = os.RemoveAll(dir) }() // the next demo empties it anyway
			}
			return demo.Run(cmd.Context(), demo.Config{Once: once, DataDir: dir, Listen: listen, Version: version, Out: p.out, Logger: log})
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the accounts")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the data directory when the demo ends (the next demo empties it)")
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address of the console; port 0 picks one")
	l.flags(cmd, "error")
	return cmd
}

// emptied returns the demo's data directory, without an earlier demo's data unless they are to be kept. Only what a demo
// made is removed.
func emptied(cmd *cobra.Command) (string, error) {
	dir, _ := cmd.Flags().GetString("data-dir")
	if dir == "" {
		dir = demoDir
	}
	mark := filepath.Join(dir, "demo")
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		if _, err := os.Stat(mark); err != nil {
			return "", fault.Field("--data-dir", "%s is not a demo's: name an empty directory", dir)
		}
		if err := embedded.Free(dir); err != nil {
			return "", err
		}
		if err := os.RemoveAll(dir); err != nil {
			return "", fault.Wrap(fault.Invalid, err, "empty %s", dir)
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "--data-dir")
	}
	return dir, os.WriteFile(mark, []byte("made by fertig demo; may be deleted\n"), 0o600)
}
