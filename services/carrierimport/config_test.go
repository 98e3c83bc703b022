package carrierimport_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/config"
)

type document struct {
	Imports []carrierimport.Import `yaml:"imports"`
}

func read(t *testing.T, text string) (document, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var d document
	return d, config.Read(path, &d)
}

func TestImportsInYAML(t *testing.T) {
	d, err := read(t, `imports:
  - {account: DE, folder: /in/dhl, profile: dhl, orderList: /in/orders.csv, settle: 30s}
  - account: FR
    profile: csv
    csv:
      delimiter: tab
      quote: none
      encoding: iso-8859-1
      header: false
      skipLines: 1
      comment: "#"
      columns: {order: 1, tracking: 3, shippedAt: "2", item: 4, quantity: 5}
      dateFormats: [yyyyMMdd]
      carrier: Colissimo
      service: Domicile
`)
	if err != nil {
		t.Fatal(err)
	}
	a, b := d.Imports[0], d.Imports[1]
	if a.Account != "DE" || a.Folder != "/in/dhl" || time.Duration(a.Settle) != 30*time.Second || a.OrderList != "/in/orders.csv" {
		t.Errorf("first %+v", a)
	}
	if b.CSV.Columns.Order != "1" || b.CSV.Columns.Tracking != "3" || *b.CSV.Header || b.CSV.SkipLines != 1 || b.CSV.Carrier != "Colissimo" {
		t.Errorf("second %+v", b)
	}
	if err := carrierimport.CheckImports(d.Imports); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestTheSampleConfiguration(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("samples", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	d, err := read(t, text)
	if err != nil || len(d.Imports) != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	if err := carrierimport.CheckImports(d.Imports); err != nil {
		t.Errorf("check: %v", err)
	}
}

func TestImportsAreChecked(t *testing.T) {
	ok := "columns: {order: a, tracking: b, shippedAt: c}, carrier: DHL"
	csv := func(s string) string { return "imports: [{account: DE, profile: csv, csv: {" + s + "}}]" }
	for name, c := range map[string]struct{ text, want string }{
		"account":          {"imports: [{account: de, profile: dhl}]", `imports[0].account: "de" is not an account`},
		"profile":          {"imports: [{account: DE, profile: fedex}]", `imports[0].profile: "fedex" must be dhl, dpd, gls or csv`},
		"dhl and csv":      {"imports: [{account: DE, profile: dhl, csv: {carrier: DHL}}]", "imports[0].csv: does not go with profile dhl"},
		"folder twice":     {"imports: [{account: DE, profile: dhl, folder: /a}, {account: FR, profile: dhl, folder: /a}]", "imports[1].folder: is watched by imports[0]"},
		"negative settle":  {"imports: [{account: DE, profile: dhl, settle: -1s}]", "imports[0].settle"},
		"delimiter":        {csv(ok + ", delimiter: ';;'"), "imports[0].csv.delimiter"},
		"quote":            {csv(ok + ", quote: single"), "imports[0].csv.quote"},
		"encoding":         {csv(ok + ", encoding: ebcdic"), `imports[0].csv.encoding: "ebcdic" must be`},
		"skip":             {csv(ok + ", skipLines: -1"), "imports[0].csv.skipLines"},
		"date format":      {csv(ok + ", dateFormats: [02.01.2006]"), "imports[0].csv.dateFormats"},
		"no tracking":      {csv("columns: {order: a}"), "imports[0].csv.columns.tracking: is missing"},
		"names, no header": {csv(ok + ", header: false"), "imports[0].csv.columns.order: \"a\" must be a column number"},
		"two at once":      {csv(ok + ", quote: single, encoding: ebcdic"), "imports[0].csv.quote"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := read(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			if err := carrierimport.CheckImports(d.Imports); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q in: %v", c.want, err)
			}
		})
	}
	if _, err := read(t, "imports: [{account: DE, profil: dhl}]"); err == nil || !strings.Contains(err.Error(), `c.yaml:1: unknown field "profil"`) {
		t.Errorf("a misspelt key: %v", err)
	}
	if _, err := carrierimport.New(t.Context(), carrierimport.Config{Poll: -1}); err == nil || !strings.Contains(err.Error(), "NATS") || !strings.Contains(err.Error(), "Poll") {
		t.Errorf("both problems must be named: %v", err)
	}
}
