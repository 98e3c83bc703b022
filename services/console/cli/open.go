package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

func (a *app) ordersOpen() *cobra.Command {
	var accounts []string
	var due time.Duration
	var all bool
	var limit int
	cmd := &cobra.Command{
		Use: "open", Short: "List the orders that Amazon waits for, nearest ship-by first", Args: args(cobra.NoArgs),
		Long: "List the orders that Amazon waits for and nobody has reported here, nearest ship-by first, as of the last comparison with Amazon; an order may\n" +
			"have been shipped or cancelled since. With --all also those that were reported and are not confirmed yet, or were a moment ago.",
		Example: "  fertig orders open --due 24h\n  fertig orders open --account DE --all -o json",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			if due < 0 {
				return Usage(fault.Field("--due", "must be positive: how far ahead is ship-by?"))
			}
			p := &client.ListOpenOrdersParams{Account: list(accounts)}
			if unreported := !all; unreported {
				p.Unreported = &unreported
			}
			if due > 0 {
				before := time.Now().Add(due)
				p.DueBefore = &before
			}
			got, err := c.openOrders(cmd.Context(), p, limit)
			if err != nil {
				return err
			}
			rows := make([][]string, len(got.Items))
			for i, x := range got.Items {
				rows[i] = openRow(x)
			}
			if err := c.Table(got, []string{"account", "order", "own number", "ship by", "service level", "programs", "units", "reported"}, rows); err != nil {
				return err
			}
			for _, as := range got.AsOf {
				c.Remark("%s", asOf(as))
			}
			if got.Next != nil {
				c.Remark("there are more: raise --limit")
			}
			return nil
		}),
	}
	cmd.Flags().StringSliceVar(&accounts, "account", nil, "only these accounts")
	cmd.Flags().DurationVar(&due, "due", 0, "only with ship-by within this time, as 24h")
	cmd.Flags().BoolVar(&all, "all", false, "also those that were reported here")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many")
	return cmd
}

func openRow(x client.OpenOrder) []string {
	by, units, reported := "", 0, []string{}
	if x.ShipBy != nil {
		by = when(*x.ShipBy)
	}
	for _, i := range x.Items {
		units += i.Unfulfilled
	}
	for _, p := range x.Packages {
		reported = append(reported, string(p.State))
	}
	return []string{x.Account, x.AmazonOrderId, deref(x.OwnNumber), by, deref(x.ServiceLevel), strings.Join(deref(x.Programs), " "), fmt.Sprint(units), strings.Join(reported, " ")}
}

func asOf(c client.Comparison) string {
	if c.At == nil {
		return c.Connection + ": not compared with Amazon yet, so no open orders are known but those that senders have told of"
	}
	return fmt.Sprintf("%s: as of %s, %d open then", c.Connection, when(*c.At), c.Open)
}

// openOrders reads pages until limit is reached. A page may be empty though there is a next one.
func (c call) openOrders(ctx context.Context, p *client.ListOpenOrdersParams, limit int) (client.OpenOrderPage, error) {
	out := client.OpenOrderPage{Items: []client.OpenOrder{}}
	for len(out.Items) < limit {
		n := min(500, limit-len(out.Items))
		p.Limit = &n
		page, err := bounded(ctx, func(ctx context.Context) (client.OpenOrderPage, error) {
			return take[client.OpenOrderPage](c.api.ListOpenOrders(ctx, p))
		})
		if err != nil {
			return out, err
		}
		out.Items, out.Total, out.AsOf, out.Next = append(out.Items, page.Items...), page.Total, page.AsOf, page.Next
		if page.Next == nil {
			break
		}
		p.After = page.Next
	}
	return out, nil
}
