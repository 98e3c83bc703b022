package cli

import (
	"context"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

// change is a command that does the same to many shipments: named ones, or those a filter finds.
type change struct {
	use, short, long, done string
	send                   func(context.Context, call, client.BulkRequest) (*http.Response, error)
}

func (a *app) change(ch change) *cobra.Command {
	var f filter
	var comment string
	cmd := &cobra.Command{
		Use: ch.use + " [ORDER...]", Short: ch.short, Long: ch.long + "\n\nName shipments (an order id, ORDER/PACKAGE or CONNECTION/ORDER/PACKAGE each), or choose them by flags.",
		Example: "  fertig " + ch.use + " 302-1234567-1234567 -m \"checked by hand\"\n  fertig " + ch.use + " --state deferred --account DE -m \"after the repair\"",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			req := client.BulkRequest{Comment: comment}
			switch {
			case len(args) == 0 && f.empty():
				return Usage(fault.New(fault.Invalid, "%s what? name orders, or choose them with --state, --account, --kind or --search", ch.use))
			case len(args) > 0 && !f.empty():
				return Usage(fault.New(fault.Invalid, "name orders or choose them by flags, not both"))
			case len(args) == 0:
				req.Filter = f.body()
			}
			for _, text := range args {
				k, err := c.one(cmd.Context(), text)
				if err != nil {
					return err
				}
				req.Keys = list(append(deref(req.Keys), k))
			}
			done, err := bounded(cmd.Context(), func(ctx context.Context) (client.BulkResponse, error) {
				return take[client.BulkResponse](ch.send(ctx, c, req))
			})
			if err != nil {
				return err
			}
			return c.became(done, ch.done)
		}),
	}
	f.flags(cmd)
	cmd.Flags().StringVarP(&comment, "comment", "m", "", "why; it stays in the history (needed)")
	return cmd
}

// became tells what became of many shipments. Some that failed make the command fail.
func (c call) became(r client.BulkResponse, done string) error {
	if c.JSON {
		if err := c.json(r); err != nil {
			return err
		}
	} else {
		c.Say(nil, "%d %s", r.Done, done)
		for _, id := range r.Runs {
			c.Say(nil, "run %s: fertig runs watch %s", id, id)
		}
		for _, i := range r.Items {
			if i.Error != nil {
				c.Say(nil, "%s/%s/%s: %s", i.Connection, i.Order, i.Package, i.Error.Message)
			}
		}
	}
	if r.Failed > 0 {
		return &Failed{Text: "some shipments could not be changed: see above"}
	}
	return nil
}

func (a *app) replay() *cobra.Command {
	return a.change(change{"replay", "Send shipments again now, despite the age limit", "Put shipments in the queue again, waive their age limit (recorded), and run for exactly these.", "queued again",
		func(ctx context.Context, c call, r client.BulkRequest) (*http.Response, error) {
			return c.api.ReplayShipments(ctx, r)
		}})
}

func (a *app) exclude() *cobra.Command {
	return a.change(change{"exclude", "Take shipments out of automatic transmission", "Take shipments out of automatic transmission, to report them at Amazon by hand. include undoes it.", "excluded",
		func(ctx context.Context, c call, r client.BulkRequest) (*http.Response, error) {
			return c.api.ExcludeShipments(ctx, r)
		}})
}

func (a *app) include() *cobra.Command {
	return a.change(change{"include", "Take excluded shipments back in", "Take excluded shipments back in; the next run sends them.", "included again",
		func(ctx context.Context, c call, r client.BulkRequest) (*http.Response, error) {
			return c.api.IncludeShipments(ctx, r)
		}})
}

func (a *app) close() *cobra.Command {
	var kind string
	cmd := a.change(change{"close", "End shipments without transmission", "End shipments without transmission.", "closed",
		func(ctx context.Context, c call, r client.BulkRequest) (*http.Response, error) {
			return c.api.CloseShipments(ctx, client.CloseRequest{Keys: r.Keys, Filter: r.Filter, Comment: r.Comment, Kind: client.CloseRequestKind(kind)})
		}})
	cmd.Flags().StringVar(&kind, "reason", "operator", "cancelled, returned, withdrawn, operator, or by_hand (reported at Amazon by hand)")
	return cmd
}
