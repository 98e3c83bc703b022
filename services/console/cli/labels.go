package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

func (a *app) labels() *cobra.Command {
	var file, comment string
	cmd := &cobra.Command{
		Use: "labels ACCOUNT", Short: "Show or replace the rules that say who sells the labels of Prime orders", Args: args(cobra.ExactArgs(1)),
		Long: "Show an account's label rules, or replace them with those of a file (role support). They decide about Seller Fulfilled Prime orders whose\n" +
			"sender does not tell who sold the label; the first rule that fits counts, and where none does Amazon is asked. The file is YAML or JSON:\n\n" +
			"  - {serviceLevel: NEXT_DAY, from: 2026-01-01, label: amazon}\n  - {serviceLevel: STANDARD, label: own}\n  - {label: ask}\n\n" +
			"amazon: bought from Amazon, not sent; own: sent; ask: sent unless Amazon shows the order as shipped.",
		Example: "  fertig accounts labels DE\n  fertig accounts labels DE --file labels.yaml -m \"new carrier contract\"\n  fertig accounts labels DE --file - -m \"none any more\" <<< '[]'",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			now, err := c.labelsOf(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if file != "" {
				if now, err = c.setLabels(cmd, args[0], file, comment, now.Version); err != nil {
					return err
				}
			}
			rows := make([][]string, len(now.Rules))
			for i, r := range now.Rules {
				rows[i] = []string{fmt.Sprint(i + 1), orAll(r.ServiceLevel), orAll(r.Marketplace), deref(r.From), deref(r.To), string(r.Label)}
			}
			if len(rows) == 0 && !c.JSON {
				return c.Say(now, "account %s has no label rules (version %d): Prime orders whose label nobody tells of are looked up at Amazon", args[0], now.Version)
			}
			return c.Table(now, []string{fmt.Sprintf("version %d", now.Version), "service level", "marketplace", "from", "to", "label"}, rows)
		}),
	}
	cmd.Flags().StringVar(&file, "file", "", "replace the rules with those of a file; - is standard input")
	cmd.Flags().StringVarP(&comment, "comment", "m", "", "why (needed with --file)")
	return cmd
}

func orAll(s *string) string {
	if deref(s) == "" {
		return "*"
	}
	return *s
}

func (c call) labelsOf(ctx context.Context, id string) (client.LabelRules, error) {
	all, err := c.accountList(ctx)
	if err != nil {
		return client.LabelRules{}, err
	}
	for _, x := range all {
		if x.Id == id {
			return x.Labels, nil
		}
	}
	return client.LabelRules{}, fault.New(fault.NotFound, "account %q is not there: fertig accounts list shows which are", id)
}

// maxLabelsFile bounds a file of rules in bytes.
const maxLabelsFile = 256 << 10

func (c call) setLabels(cmd *cobra.Command, id, file, comment string, version int) (client.LabelRules, error) {
	if comment == "" {
		return client.LabelRules{}, Usage(fault.Field("--comment", "is missing: say why the rules change"))
	}
	var in io.Reader = cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return client.LabelRules{}, fault.Wrap(fault.Invalid, err, "read label rules")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxLabelsFile))
	if err != nil {
		return client.LabelRules{}, fault.Wrap(fault.Invalid, err, "read label rules")
	}
	rules := []client.LabelRule{}
	if err := yaml.UnmarshalWithOptions(text, &rules, yaml.Strict(), yaml.UseJSONUnmarshaler()); err != nil {
		return client.LabelRules{}, fault.Wrap(fault.Invalid, err, "label rules in %s", file)
	}
	return bounded(cmd.Context(), func(ctx context.Context) (client.LabelRules, error) {
		return take[client.LabelRules](c.api.SetLabelRules(ctx, id, client.SetLabelRulesRequest{Version: &version, Rules: rules, Comment: comment}))
	})
}
