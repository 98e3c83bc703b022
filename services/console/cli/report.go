package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

// batch is how many reports go in one call.
const batch = 500

func (a *app) ship() *cobra.Command {
	var r client.Report
	var carrier, service, tracking, shippedAt, pkg, reference string
	cmd := &cobra.Command{
		Use: "ship ORDER", Short: "Mark an order as shipped", Args: args(cobra.ExactArgs(1)),
		Long:    "Mark an order as shipped. It is queued at once and sent by the next run.",
		Example: "  fertig ship 302-1234567-1234567 --account DE --carrier DHL --tracking 00340434161094042557",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			hand := client.Hand
			r.AmazonOrderId, r.Source = args[0], &hand
			if shippedAt == "" {
				shippedAt = c.Now().Format("2006-01-02T15:04:05Z07:00")
			}
			r.ShippedAt, r.Carrier, r.Service, r.TrackingNumber = given(shippedAt), given(carrier), given(service), given(tracking)
			r.PackageReferenceId, r.Reference = given(pkg), given(reference)
			answers, err := c.report(cmd.Context(), []client.Report{r})
			if err != nil {
				return err
			}
			v := answers[0]
			if err := c.Say(v, "%s: %s%s", args[0], v.Result, notes(v)); err != nil {
				return err
			}
			if v.Result == client.VerdictResultRefused || v.Result == client.VerdictResultDiffers {
				return &Failed{Text: "the report was not taken in"}
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&r.Account, "account", "", "account of the order (needed)")
	f.StringVar(&carrier, "carrier", "", "carrier, in your own words")
	f.StringVar(&service, "service", "", "its service")
	f.StringVar(&tracking, "tracking", "", "tracking number")
	f.StringVar(&shippedAt, "shipped-at", "", "when it left, as 2026-11-20T14:03:00+01:00 or 2026-11-20 (default now)")
	f.StringVar(&pkg, "package", "", "packageReferenceId (default 1)")
	f.StringVar(&reference, "reference", "", "your own order number")
	return cmd
}

// notes words what an answer adds to its result.
func notes(v client.Verdict) string {
	var parts []string
	for _, p := range append(v.Problems, v.Warnings...) {
		if f := deref(p.Field); f != "" {
			parts = append(parts, f+": "+p.Text)
		} else {
			parts = append(parts, p.Text)
		}
	}
	for _, ch := range v.Changes {
		parts = append(parts, fmt.Sprintf("%s is %q, reported %q", ch.Field, ch.Old, ch.New))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func (c call) report(ctx context.Context, reports []client.Report) ([]client.Verdict, error) {
	r, err := bounded(ctx, func(ctx context.Context) (client.ReportResponse, error) {
		return take[client.ReportResponse](c.api.ReportShipments(ctx, client.ReportRequest{Reports: reports}))
	})
	if err == nil && len(r.Results) != len(reports) {
		err = fault.New(fault.Internal, "%d reports got %d answers", len(reports), len(r.Results))
	}
	return r.Results, err
}

func (a *app) imports() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Report the shipments of a file", Args: args(cobra.ExactArgs(1)),
		Long: `Report the shipments of a file, or of standard input for -. The file is CSV with a header that names fields of a report
(account, amazonOrderId, shippedAt, carrier, service, trackingNumber, packageReferenceId, shipBy, labelSource,
reference), separated by comma or semicolon; or one JSON report a line. Doing it again is safe: what is known is
recognised. Carriers' own files go into the folders of the configuration instead.`,
		Example: "  fertig import shipped-today.csv\n  fertig import - < reports.jsonl",
		RunE: a.run(func(cmd *cobra.Command, c call, args []string) error {
			reports, err := c.read(args[0])
			if err != nil {
				return err
			}
			return c.reportAll(cmd.Context(), args[0], reports)
		}),
	}
}

// outcome is what became of one line.
type outcome struct {
	Line int `json:"line"`
	client.Verdict
}

func (c call) reportAll(ctx context.Context, name string, reports []client.Report) error {
	bar := NewBar(c.Err, "import "+name)
	counts, bad := map[client.VerdictResult]int{}, []outcome{}
	for at := 0; at < len(reports); at += batch {
		answers, err := c.report(ctx, reports[at:min(at+batch, len(reports))])
		if err != nil {
			return fmt.Errorf("after %d of %d reports (do it again: what is known is recognised): %w", at, len(reports), err)
		}
		for i, v := range answers {
			counts[v.Result]++
			if v.Result == client.VerdictResultRefused || v.Result == client.VerdictResultDiffers {
				bad = append(bad, outcome{at + i + 1, v})
			}
		}
		bar.Show(c.Now(), at+len(answers), len(reports), "")
	}
	bar.End()
	rows := make([][]string, 0, len(bad))
	for _, b := range bad {
		rows = append(rows, []string{fmt.Sprint(b.Line), string(b.Result), notes(b.Verdict)})
	}
	if c.JSON {
		if err := c.json(map[string]any{"counts": counts, "bad": bad}); err != nil {
			return err
		}
	} else {
		for result, n := range counts {
			c.Say(nil, "%d %s", n, result)
		}
		if len(rows) > 0 {
			if err := c.Table(nil, []string{"report", "result", "why"}, rows); err != nil {
				return err
			}
		}
	}
	if len(bad) > 0 {
		return &Failed{Text: fmt.Sprintf("%d of %d reports were not taken in", len(bad), len(reports))}
	}
	return nil
}

func (c call) read(name string) ([]client.Report, error) {
	in := c.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, Usage(fault.Field("FILE", "%v", err))
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return readJSON(name, text)
	}
	return readCSV(name, text)
}

func readJSON(name, text string) ([]client.Report, error) {
	var out []client.Report
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	for {
		var r client.Report
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fault.New(fault.Invalid, "%s, report %d: %v", name, len(out)+1, err)
		}
		out = append(out, r)
	}
}

func readCSV(name, text string) ([]client.Report, error) {
	r := csv.NewReader(strings.NewReader(text))
	if head, _, _ := strings.Cut(text, "\n"); strings.Count(head, ";") > strings.Count(head, ",") {
		r.Comma = ';'
	}
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %v", name, err)
	}
	if len(rows) == 0 {
		return nil, fault.New(fault.Invalid, "%s is empty", name)
	}
	out := make([]client.Report, 0, len(rows)-1)
	for n, row := range rows[1:] {
		fields := map[string]string{}
		for i, column := range rows[0] {
			if row[i] != "" {
				fields[strings.TrimSpace(column)] = strings.TrimSpace(row[i])
			}
		}
		data, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		one, err := readJSON(fmt.Sprintf("%s, line %d", name, n+2), string(data))
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}
