package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// filter is the choice of shipments that several commands share.
type filter struct {
	accounts, states []string
	kind, search     string
	flagged          bool
}

func (f *filter) flags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.accounts, "account", nil, "only these accounts")
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "only these states: pending, transmitting, deferred, doubt, confirmed, expired, excluded, not_required, closed")
	cmd.Flags().StringVar(&f.kind, "kind", "", "only this kind: transient, throttled, rejected, incomplete, elsewhere, cancelled, ...")
	cmd.Flags().BoolVar(&f.flagged, "flagged", false, "only those not yet sent to the marketplace")
	cmd.Flags().StringVar(&f.search, "search", "", "order id or its beginning, tracking number, or own reference")
}

func (f filter) empty() bool {
	return len(f.accounts) == 0 && len(f.states) == 0 && f.kind == "" && f.search == "" && !f.flagged
}

func (f filter) state() []client.State {
	var out []client.State
	for _, s := range f.states {
		out = append(out, client.State(s))
	}
	return out
}

func (f filter) params() *client.ListShipmentsParams {
	return &client.ListShipmentsParams{Account: list(f.accounts), State: list(f.state()), Kind: given(client.Kind(f.kind)),
		Flagged: given(f.flagged), Search: given(f.search)}
}

func (f filter) body() *client.Filter {
	return &client.Filter{Accounts: list(f.accounts), States: list(f.state()), Kind: given(client.Kind(f.kind)),
		Flagged: given(f.flagged), Search: given(f.search)}
}

func (a *app) orders() *cobra.Command {
	return group("orders", "List, show and correct shipments, and list what Amazon waits for", a.ordersList(), a.ordersOpen(), a.ordersShow(), a.ordersCorrect())
}

func (a *app) ordersList() *cobra.Command {
	var f filter
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List shipments with state, reason and Amazon's words", Args: args(cobra.NoArgs),
		Example: "  fertig orders list --flagged\n  fertig orders list --state deferred --account DE\n  fertig orders list --search 302-1234567-1234567 -o json",
		RunE: a.run(func(cmd *cobra.Command, c call, _ []string) error {
			items, total, err := c.shipments(cmd.Context(), f.params(), limit)
			if err != nil {
				return err
			}
			rows := make([][]string, 0, len(items))
			for _, s := range items {
				rows = append(rows, row(s))
			}
			if err := c.Table(items, []string{"account", "order", "pkg", "state", "since", "carrier", "tracking", "reason"}, rows); err != nil {
				return err
			}
			if len(items) < total {
				c.Remark("%d of %d shown: raise --limit for more", len(items), total)
			}
			return nil
		}),
	}
	f.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many")
	return cmd
}

// shipments reads pages until limit is reached.
func (c call) shipments(ctx context.Context, p *client.ListShipmentsParams, limit int) ([]client.Shipment, int, error) {
	items := []client.Shipment{}
	total := 0
	for len(items) < limit {
		n := min(500, limit-len(items))
		p.Limit = &n
		page, err := bounded(ctx, func(ctx context.Context) (client.ShipmentPage, error) {
			return take[client.ShipmentPage](c.api.ListShipments(ctx, p))
		})
		if err != nil {
			return nil, 0, err
		}
		items, total = append(items, page.Items...), page.Total
		if page.Next == nil || len(page.Items) == 0 {
			break
		}
		p.After = page.Next
	}
	return items, total, nil
}

// bounded gives one call its time.
func bounded[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := within(ctx)
	defer cancel()
	return do(ctx)
}

func row(s client.Shipment) []string {
	return []string{s.Account, s.Order, s.Package, state(s), when(s.Since), deref(s.Data.Carrier), deref(s.Data.TrackingNumber), reason(s)}
}

func state(s client.Shipment) string {
	if s.Kind != nil && *s.Kind != "" {
		return string(s.State) + " (" + string(*s.Kind) + ")"
	}
	return string(s.State)
}

// reason is what people need to know of a shipment that is not done: the remedy, or else Amazon's words.
func reason(s client.Shipment) string {
	if !s.Flagged {
		return ""
	}
	if s.Answer != nil && deref(s.Answer.Message) != "" {
		return *s.Answer.Message
	}
	if s.Remedy != nil {
		return s.Remedy.En
	}
	return ""
}

func (a *app) ordersShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ORDER", Short: "Show a shipment with its whole history", Args: args(cobra.ExactArgs(1)),
		Long:    "Show a shipment with its whole history. ORDER is an Amazon order id, ORDER/PACKAGE, or CONNECTION/ORDER/PACKAGE.",
		Example: "  fertig orders show 302-1234567-1234567\n  fertig orders show EU/302-1234567-1234567/2",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			k, err := c.one(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			d, err := c.detail(cmd.Context(), k)
			if err != nil {
				return err
			}
			return c.show(d)
		}),
	}
}

func (c call) detail(ctx context.Context, k client.Key) (client.ShipmentDetail, error) {
	return bounded(ctx, func(ctx context.Context) (client.ShipmentDetail, error) {
		return take[client.ShipmentDetail](c.api.GetShipment(ctx, k.Connection, k.Order, k.Package))
	})
}

func (c call) show(d client.ShipmentDetail) error {
	if c.JSON {
		return c.json(d)
	}
	s := d.Shipment
	fmt.Fprintf(c.Out, "order %s, package %s, account %s: %s since %s\n", s.Order, s.Package, s.Account, state(s), when(s.Since))
	fmt.Fprintf(c.Out, "shipped %s, carrier %s %s, tracking %s\n", when(s.Data.ShippedAt), deref(s.Data.Carrier), deref(s.Data.Service), deref(s.Data.TrackingNumber))
	if text := reason(s); text != "" {
		fmt.Fprintf(c.Out, "Amazon says: %s\n", text)
	}
	if s.Flagged && s.Remedy != nil {
		fmt.Fprintf(c.Out, "what helps: %s\n", s.Remedy.En)
	}
	fmt.Fprintln(c.Out)
	rows := make([][]string, 0, len(d.History))
	for _, h := range d.History {
		rows = append(rows, []string{when(h.At), string(h.Type), string(h.State), deref(h.Actor), story(h)})
	}
	return c.Table(nil, []string{"when", "what", "state", "who", "details"}, rows)
}

// story words one line of a history.
func story(h client.HistoryEntry) string {
	var parts []string
	for _, ch := range deref(h.Changes) {
		parts = append(parts, fmt.Sprintf("%s: %q to %q", ch.Field, ch.Old, ch.New))
	}
	if h.Answer != nil {
		if n := deref(h.Answer.Status); n != 0 {
			parts = append(parts, strconv.Itoa(n))
		}
		parts = append(parts, deref(h.Answer.Message), deref(h.Answer.RequestId))
	}
	parts = append(parts, deref(h.Comment))
	kept := parts[:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ", ")
}

// one finds the shipment a person means: a whole key, or an order with one package.
func (c call) one(ctx context.Context, text string) (client.Key, error) {
	if k, err := shipment.ParseKey(text); err == nil {
		return client.Key{Connection: string(k.Connection), Order: k.Order, Package: k.Package}, nil
	}
	order, pkg, _ := strings.Cut(text, "/")
	if !shipment.ValidOrder(order) {
		return client.Key{}, Usage(fault.Field("ORDER", "%q is not an Amazon order id such as 302-1234567-1234567", text))
	}
	items, _, err := c.shipments(ctx, &client.ListShipmentsParams{Search: &order}, 50)
	if err != nil {
		return client.Key{}, err
	}
	var found []client.Key
	var names []string
	for _, s := range items {
		if s.Order == order && (pkg == "" || s.Package == pkg) {
			found = append(found, client.Key{Connection: s.Connection, Order: s.Order, Package: s.Package})
			names = append(names, s.Connection+"/"+s.Order+"/"+s.Package)
		}
	}
	switch len(found) {
	case 0:
		return client.Key{}, fault.New(fault.NotFound, "order %s is not known", text)
	case 1:
		return found[0], nil
	}
	return client.Key{}, Usage(fault.Field("ORDER", "%s has several packages: name one of %s", text, strings.Join(names, ", ")))
}

func (a *app) ordersCorrect() *cobra.Command {
	var r client.CorrectRequest
	var f filter
	var carrier, service, tracking, shippedAt, label string
	var sent, preview bool
	cmd := &cobra.Command{
		Use: "correct [ORDER...]", Short: "Correct carrier, service, tracking number, ship date or who sold the label",
		Long: "Correct what is wrong; what you leave out stays as it is. The next run sends the shipments among the first, replay sends them at once.\n\n" +
			"With --sent what Amazon has confirmed already is edited there, too; Amazon takes a limited number of edits of a package. Several orders, or\n" +
			"those you choose by flags, get the same correction (not a tracking number); --preview says beforehand how many that are.",
		Example: "  fertig orders correct 302-1234567-1234567 --carrier DHL --comment \"wrong carrier chosen\"\n  fertig orders correct EU/302-1234567-1234567/1 --tracking 00340434161094042557 --sent --comment \"label was reprinted\"\n" +
			"  fertig orders correct --state confirmed --account DE --carrier DPD --sent --preview -m \"wrong carrier chosen\"\n" +
			"  fertig orders correct --state not_required --account DE --label own -m \"labels were not Amazon's\"",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			r.Carrier, r.Service, r.TrackingNumber, r.ShippedAt = given(carrier), given(service), given(tracking), given(shippedAt)
			if sent {
				r.Sent = &sent
			}
			if label != "" {
				l := client.CorrectRequestLabelSource(label)
				r.LabelSource = &l
			}
			if len(args) == 1 && f.empty() && !preview {
				return c.correct(cmd.Context(), args[0], r)
			}
			if tracking != "" {
				return Usage(fault.Field("--tracking", "cannot be the same for many shipments: correct them one by one"))
			}
			many := client.CorrectManyRequest{Carrier: r.Carrier, Service: r.Service, ShippedAt: r.ShippedAt, Sent: r.Sent, Comment: r.Comment}
			if label != "" {
				l := client.CorrectManyRequestLabelSource(label)
				many.LabelSource = &l
			}
			if preview {
				many.Preview = &preview
			}
			return c.correctMany(cmd.Context(), args, f, many)
		}),
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&carrier, "carrier", "", "carrier, in your own words")
	cmd.Flags().StringVar(&service, "service", "", "its service")
	cmd.Flags().StringVar(&tracking, "tracking", "", "tracking number")
	cmd.Flags().StringVar(&shippedAt, "shipped-at", "", "when it left, as 2026-11-20T14:03:00+01:00 or 2026-11-20")
	cmd.Flags().StringVar(&label, "label", "", "who sold the label: own, amazon or unknown; own queues what was not required")
	cmd.Flags().BoolVar(&sent, "sent", false, "also what Amazon has confirmed already")
	cmd.Flags().BoolVar(&preview, "preview", false, "only say what it would do")
	cmd.Flags().StringVarP(&r.Comment, "comment", "m", "", "why; it stays in the history (needed)")
	return cmd
}

func (c call) correct(ctx context.Context, order string, r client.CorrectRequest) error {
	k, err := c.one(ctx, order)
	if err != nil {
		return err
	}
	s, err := bounded(ctx, func(ctx context.Context) (client.Shipment, error) {
		return take[client.Shipment](c.api.CorrectShipment(ctx, k.Connection, k.Order, k.Package, r))
	})
	if err != nil {
		return err
	}
	return c.Say(s, "corrected %s/%s: %s; fertig replay %s sends it at once", s.Order, s.Package, state(s), s.Order)
}

func (c call) correctMany(ctx context.Context, orders []string, f filter, r client.CorrectManyRequest) error {
	switch {
	case len(orders) == 0 && f.empty():
		return Usage(fault.New(fault.Invalid, "correct what? name orders, or choose them with --state, --account, --kind or --search"))
	case len(orders) > 0 && !f.empty():
		return Usage(fault.New(fault.Invalid, "name orders or choose them by flags, not both"))
	case len(orders) == 0:
		r.Filter = f.body()
	}
	for _, text := range orders {
		k, err := c.one(ctx, text)
		if err != nil {
			return err
		}
		r.Keys = list(append(deref(r.Keys), k))
	}
	done, err := bounded(ctx, func(ctx context.Context) (client.CorrectManyResponse, error) {
		return take[client.CorrectManyResponse](c.api.CorrectShipments(ctx, r))
	})
	if err != nil {
		return err
	}
	if err := c.Say(done, "%s", done.Text.En); err != nil {
		return err
	}
	for _, i := range done.Items {
		if i.Error != nil && !c.JSON {
			c.Say(nil, "%s/%s/%s: %s", i.Connection, i.Order, i.Package, i.Error.Message)
		}
	}
	if done.Failed > 0 {
		return &Failed{Text: "some shipments cannot be corrected: see above"}
	}
	return nil
}
