package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/shared/observe"
)

// health asks a running installation as an image without a shell must: by the program itself.
func health(p process) *cobra.Command {
	return &cobra.Command{
		Use: "health", Short: "Ask whether a running installation is ready, for health checks", Args: noArgs, Hidden: true,
		Long: "Ask whether the installation at --url (or FERTIG_URL; default http://127.0.0.1:8780) is ready. The exit code says it.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, _ := cmd.Flags().GetString("url")
			for _, other := range []string{p.getenv("FERTIG_URL"), "http://127.0.0.1:8780"} {
				if url == "" {
					url = other
				}
			}
			return observe.Ask(cmd.Context(), strings.TrimRight(url, "/")+"/readyz")
		},
	}
}
