package cli

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

func (a *app) accounts() *cobra.Command {
	listing := &cobra.Command{
		Use: "list", Short: "List accounts with their connection and how it is doing", Args: args(cobra.NoArgs), Example: "  fertig accounts list",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			got, err := c.accountList(cmd.Context())
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(got))
			for _, x := range got {
				rows = append(rows, []string{x.Id, x.Name, x.Connection, string(x.Mode), health(x)})
			}
			return c.Table(got, []string{"account", "name", "connection", "mode", "health"}, rows)
		}),
	}
	return group("accounts", "List accounts, test connections, keep label rules", listing, a.test(), a.labels())
}

func (c call) accountList(ctx context.Context) ([]client.Account, error) {
	got, err := bounded(ctx, func(ctx context.Context) (client.AccountList, error) {
		return take[client.AccountList](c.api.ListAccounts(ctx))
	})
	return got.Accounts, err
}

// health words how a connection is doing, the worst first.
func health(x client.Account) string {
	h := x.Health
	switch {
	case !h.Known:
		return "no dispatcher answers"
	case h.Halted != nil:
		return "halted: " + *h.Halted + "; what helps: fertig accounts test " + x.Connection
	case h.TokenBreaker != nil && *h.TokenBreaker == client.ConnectionHealthTokenBreakerOpen:
		return "no access token: test the connection"
	case x.PausedUntil != nil && x.PausedUntil.After(time.Now()):
		return "paused until " + when(*x.PausedUntil)
	case h.Breaker != nil && *h.Breaker != client.ConnectionHealthBreakerClosed:
		return "Amazon disturbed: " + deref(h.BreakerReason)
	}
	return "ok"
}

func (a *app) messages() *cobra.Command {
	listing := &cobra.Command{
		Use: "list", Short: "List the maintenance messages that are raised now", Args: args(cobra.NoArgs), Example: "  fertig messages list",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			got, err := bounded(cmd.Context(), func(ctx context.Context) (client.MessageList, error) {
				return take[client.MessageList](c.api.ListMessages(ctx))
			})
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(got.Messages))
			for _, m := range got.Messages {
				rows = append(rows, []string{when(m.At), string(m.Kind), deref(m.Account), fmt.Sprint(m.Count), m.Id})
			}
			return c.Table(got.Messages, []string{"since", "message", "account", "orders", "id"}, rows)
		}),
	}
	var watch bool
	send := &cobra.Command{
		Use: "send ID", Short: "Press a message's button: send what it lists, and only that, now", Args: args(cobra.ExactArgs(1)),
		Example: "  fertig messages send transmission_failed.DE.0193a1f2 --watch",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			r, err := bounded(cmd.Context(), func(ctx context.Context) (client.Run, error) {
				return take[client.Run](c.api.SendMessage(ctx, args[0], client.SendMessageRequest{}))
			})
			if err != nil {
				return err
			}
			if watch {
				return c.watch(cmd.Context(), []string{r.Id})
			}
			return c.Say(r, "run %s: fertig runs watch %s", r.Id, r.Id)
		}),
	}
	send.Flags().BoolVarP(&watch, "watch", "w", false, "follow the run to its end")
	return group("messages", "List maintenance messages and press their button", listing, send)
}

func (a *app) rebuild() *cobra.Command {
	return &cobra.Command{
		Use: "rebuild", Short: "Build the view in Redis anew from the ledger", Args: args(cobra.NoArgs),
		Long:    "Build the view in Redis anew from the ledger. Nothing is lost by it, and reports are taken in meanwhile; runs wait until it is done. Needs the role support.",
		Example: "  fertig rebuild",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			_, err := bounded(cmd.Context(), func(ctx context.Context) (struct{}, error) {
				return take[struct{}](c.api.RebuildView(ctx))
			})
			if err != nil {
				return err
			}
			return c.Say(map[string]bool{"started": true}, "the view is being rebuilt")
		}),
	}
}

// check is one line of doctor.
type check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text,omitempty"`
}

func (a *app) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check an installation and say what is wrong", Args: args(cobra.NoArgs),
		Long:    "Check that the console answers, that NATS, Redis and the view are well, and that each connection gets a token and an answer from Amazon.",
		Example: "  fertig doctor\n  fertig doctor -o json",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			checks := c.examine(cmd.Context())
			rows, bad := make([][]string, 0, len(checks)), 0
			for _, x := range checks {
				rows = append(rows, []string{x.Name, verdict(x.OK, false), x.Text})
				if !x.OK {
					bad++
				}
			}
			if err := c.Table(checks, []string{"check", "result", "details"}, rows); err != nil {
				return err
			}
			if bad > 0 {
				return &Failed{Text: fmt.Sprintf("%d of %d checks failed: see above", bad, len(checks))}
			}
			return nil
		}),
	}
}

func (c call) examine(ctx context.Context) []check {
	version, err := bounded(ctx, func(ctx context.Context) (client.Version, error) {
		return take[client.Version](c.api.GetVersion(ctx))
	})
	if err != nil {
		return []check{{"console", false, err.Error()}}
	}
	checks := []check{{"console", true, fmt.Sprintf("%s at %s, you are %s (%s)", version.Version, c.at.URL, version.Actor, version.Role)}}
	ready, err := bounded(ctx, func(ctx context.Context) (client.Health, error) {
		r, err := c.api.GetReadiness(ctx)
		if err == nil && r.StatusCode == 503 {
			r.StatusCode = 200 // the report says what is wrong
		}
		return take[client.Health](r, err)
	})
	if err != nil {
		checks = append(checks, check{"readiness", false, err.Error()})
	}
	for name, text := range deref(ready.Checks) {
		checks = append(checks, check{name, text == "ok", text})
	}
	sort.Slice(checks[1:], func(i, j int) bool { return checks[1+i].Name < checks[1+j].Name })
	return append(checks, c.examineConnections(ctx)...)
}

func (c call) examineConnections(ctx context.Context) []check {
	accounts, err := c.accountList(ctx)
	if err != nil {
		return []check{{"accounts", false, err.Error()}}
	}
	var checks []check
	seen := map[string]bool{}
	for _, x := range accounts {
		checks = append(checks, check{"account " + x.Id, health(x) == "ok", health(x)})
		if seen[x.Connection] {
			continue
		}
		seen[x.Connection] = true
		r, err := c.test(ctx, x.Connection)
		switch {
		case fault.Is(err, fault.Forbidden):
			checks = append(checks, check{"connection " + x.Connection, true, "not tested: that needs the role operator"})
		case err != nil:
			checks = append(checks, check{"connection " + x.Connection, false, err.Error()})
		default:
			for _, s := range r.Steps {
				checks = append(checks, check{"connection " + x.Connection + " " + s.Name, s.Ok || deref(s.Skipped), deref(s.Text)})
			}
		}
	}
	return checks
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the versions of this program and of the installation", Args: args(cobra.NoArgs), Example: "  fertig version -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.printer()
			if err != nil {
				return err
			}
			out := map[string]any{"fertig": a.Version}
			text := "fertig " + a.Version
			server, err := a.serverVersion(cmd.Context())
			if err == nil {
				out["installation"] = server
				text += fmt.Sprintf("\ninstallation %s (%s), you are %s (%s)", server.Version, server.Go, server.Actor, server.Role)
			}
			var f *fault.Error
			if err != nil && !errors.As(err, &f) {
				return err
			}
			return p.Say(out, "%s", text)
		},
	}
}

func (a *app) serverVersion(ctx context.Context) (client.Version, error) {
	at, err := a.access()
	if err != nil {
		return client.Version{}, err
	}
	api, err := connect(at, a.HTTP)
	if err != nil {
		return client.Version{}, err
	}
	return bounded(ctx, func(ctx context.Context) (client.Version, error) {
		return take[client.Version](api.GetVersion(ctx))
	})
}
