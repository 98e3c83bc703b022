package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/allinone/credentials"
)

// keys makes the secrets of an installation of separate services.
func keys(p process) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "keys", Short: "Make the keys and passwords of separate services, for docker-compose.yml", Args: noArgs,
		Long: `Make what separate services sign in with: keys for NATS, passwords for Redis, the console's session key and first token. They
lie in the folder secrets below that of the deployments, which only you can open. What is there stays; run it again after an
upgrade, so that the servers' files follow the rules of the new version.`,
		Example: "  fertig keys\n  fertig keys --deployments /srv/fertig/deployments",
		RunE: func(_ *cobra.Command, _ []string) error {
			made, err := credentials.Make(dir)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "%d secrets made in %s\n", len(made), filepath.Join(dir, credentials.Secrets))
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "deployments", "deployments", "folder that holds nats and redis")
	return cmd
}
