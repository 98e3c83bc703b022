package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
)

func (a *app) test() *cobra.Command {
	return &cobra.Command{
		Use: "test CONNECTION...", Short: "Find out what keeps Amazon from letting a connection in", Args: args(cobra.MinimumNArgs(1)),
		Long: "Find out what keeps Amazon from letting a connection in, one thing after the other and with reads that change nothing: whether an access\n" +
			"token is issued, whether the region is the one the credentials belong to, whether the application has the role that confirming needs,\n" +
			"and whether the seller may be asked about each marketplace. Searches are scarce: a marketplace may be skipped for want of them.",
		Example: "  fertig accounts test EU",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			for _, id := range args {
				if err := c.showTest(cmd.Context(), id); err != nil {
					return err
				}
			}
			return nil
		}),
	}
}

func (c call) test(ctx context.Context, id string) (client.TestResult, error) {
	return bounded(ctx, func(ctx context.Context) (client.TestResult, error) {
		return take[client.TestResult](c.api.TestConnection(ctx, id))
	})
}

func (c call) showTest(ctx context.Context, id string) error {
	r, err := c.test(ctx, id)
	if err != nil {
		return err
	}
	rows, remedy := [][]string{}, ""
	for _, s := range r.Steps {
		rows = append(rows, []string{id, s.Name, verdict(s.Ok, deref(s.Skipped)), fmt.Sprintf("%d ms", s.Milliseconds), deref(s.Text)})
		if s.Remedy != nil && remedy == "" {
			remedy = s.Remedy.En
		}
	}
	if err := c.Table(r, []string{"connection", "step", "result", "took", "details"}, rows); err != nil {
		return err
	}
	switch {
	case r.Ok:
		return nil
	case remedy == "":
		remedy = "see above"
	}
	return &Failed{Text: "connection " + id + " does not work: " + remedy}
}

func verdict(ok, skipped bool) string {
	switch {
	case skipped:
		return "skipped"
	case ok:
		return "ok"
	}
	return "failed"
}
