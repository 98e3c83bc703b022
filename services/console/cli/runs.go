package cli

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

func (a *app) runs() *cobra.Command {
	return group("runs", "List, start and follow runs of the job", a.runsList(), a.runsSchedules(), a.runsStart(), a.runsWatch())
}

func (a *app) runsList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the latest runs", Args: args(cobra.NoArgs),
		Example: "  fertig runs list --limit 10",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			runs, err := bounded(cmd.Context(), func(ctx context.Context) (client.RunList, error) {
				return take[client.RunList](c.api.ListRuns(ctx, &client.ListRunsParams{Limit: &limit}))
			})
			if err != nil {
				return err
			}
			return c.tableOfRuns(runs.Runs)
		}),
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "at most so many")
	return cmd
}

func (a *app) runsSchedules() *cobra.Command {
	return &cobra.Command{
		Use: "schedules", Short: "List when each account's job runs", Args: args(cobra.NoArgs),
		Long:    "List when each account's job runs, in the account's own zone, with a warning where a time meets a change of clocks.",
		Example: "  fertig runs schedules",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			got, err := bounded(cmd.Context(), func(ctx context.Context) (client.ScheduleList, error) {
				return take[client.ScheduleList](c.api.ListSchedules(ctx))
			})
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(got.Schedules))
			for _, s := range got.Schedules {
				next := "off"
				if len(s.Next) > 0 {
					next = s.Next[0].Format("Mon 2 Jan 15:04 -07:00") // as the account's clocks show it
				}
				rows = append(rows, []string{s.Account, s.Cron, s.Zone, next})
				for _, w := range deref(s.Warnings) {
					c.Remark("%s: %s", s.Account, w.En)
				}
			}
			return c.Table(got.Schedules, []string{"account", "schedule", "zone", "next run"}, rows)
		}),
	}
}

func (c call) tableOfRuns(runs []client.Run) error {
	rows := make([][]string, 0, len(runs))
	for _, r := range runs {
		n := deref(r.Counts)
		rows = append(rows, []string{r.Id, r.Connection, string(r.Kind), string(r.Phase), when(r.AskedAt), fmt.Sprint(n.Confirmed), fmt.Sprint(n.Deferred),
			fmt.Sprint(n.Doubt), left(r), r.Actor})
	}
	return c.Table(runs, []string{"run", "connection", "kind", "phase", "asked", "confirmed", "deferred", "doubt", "left", "by"}, rows)
}

func left(r client.Run) string {
	var parts []string
	for why, n := range deref(r.Left) {
		parts = append(parts, fmt.Sprintf("%d %s", n, why))
	}
	return strings.Join(parts, ", ")
}

func (a *app) runsStart() *cobra.Command {
	var accounts []string
	var comment string
	var yes, watch bool
	cmd := &cobra.Command{
		Use: "start", Short: "Run the job now", Args: args(cobra.NoArgs),
		Long:    "Run the job now for everything queued. It first says what the run would do and asks; running it too often can make Amazon throttle you.",
		Example: "  fertig runs start\n  fertig runs start --account DE --yes --watch",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			if !yes {
				if ok, err := c.warned(cmd.Context(), accounts); !ok {
					return err
				}
			}
			runs, err := bounded(cmd.Context(), func(ctx context.Context) (client.RunList, error) {
				return take[client.RunList](c.api.StartRun(ctx, client.StartRunRequest{Accounts: list(accounts), Comment: given(comment)}))
			})
			if err != nil {
				return err
			}
			if !watch {
				return c.tableOfRuns(runs.Runs)
			}
			return c.watch(cmd.Context(), ids(runs.Runs))
		}),
	}
	cmd.Flags().StringSliceVar(&accounts, "account", nil, "only these accounts")
	cmd.Flags().StringVarP(&comment, "comment", "m", "", "why; it stays in the run's log")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "follow the runs to their end")
	return cmd
}

func ids(runs []client.Run) []string {
	var out []string
	for _, r := range runs {
		out = append(out, r.Id)
	}
	return out
}

// warned shows what a run would do and asks whether to go on.
func (c call) warned(ctx context.Context, accounts []string) (bool, error) {
	p, err := bounded(ctx, func(ctx context.Context) (client.RunPreview, error) {
		return take[client.RunPreview](c.api.PreviewRun(ctx, &client.PreviewRunParams{Account: list(accounts)}))
	})
	if err != nil {
		return false, err
	}
	c.Remark("%s", p.Text.En)
	fmt.Fprint(c.Err, "Run now? [y/N] ")
	answer, err := bufio.NewReader(c.In).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return true, nil
	}
	if err != nil && answer == "" {
		return false, Usage(fault.New(fault.Invalid, "nobody answers here: give --yes"))
	}
	c.Remark("nothing was started")
	return false, nil
}

func (a *app) runsWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch RUN...", Short: "Follow runs to their end", Args: args(cobra.MinimumNArgs(1)),
		Example: "  fertig runs watch 0193a1f2-7c1e-7b52-9f67-2f1f4c7f9c11",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			return c.watch(cmd.Context(), args)
		}),
	}
}

// watch follows runs one after the other; they go on side by side meanwhile.
func (c call) watch(ctx context.Context, runs []string) error {
	var ended []client.Run
	for _, id := range runs {
		r, err := c.watchOne(ctx, id)
		if err != nil {
			return err
		}
		ended = append(ended, r)
	}
	return c.tableOfRuns(ended)
}

func (c call) watchOne(ctx context.Context, id string) (client.Run, error) {
	bar := NewBar(c.Err, "run "+id)
	defer bar.End()
	for {
		r, err := bounded(ctx, func(ctx context.Context) (client.Run, error) {
			return take[client.Run](c.api.GetRun(ctx, id))
		})
		if err != nil || r.Phase == client.Finished || r.Phase == client.Joined || r.Phase == client.Missed {
			return r, err
		}
		// The stream may end early, by a restart of the console for example, so only the run's own log decides.
		_ = client.Watch(ctx, c.api, id, func(p client.Progress) { bar.Show(c.Now(), p.Done, p.Total, remark(p)) })
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func remark(p client.Progress) string {
	text := fmt.Sprintf("confirmed %d, deferred %d, %.1f/s", p.Confirmed, p.Deferred, p.PerSecond)
	if w := deref(p.Waiting); w != "" {
		text += ", waiting: " + w
	} else if p.Eta != nil && !p.Eta.IsZero() {
		text += ", done by " + p.Eta.Local().Format("15:04:05")
	}
	return text
}
