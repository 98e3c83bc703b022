package page_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Keys as templates and Go code spell them. Those made at run time are listed by their beginnings.
var (
	literal = []*regexp.Regexp{
		regexp.MustCompile(`\{?\bt "([a-z_.]+)"`), regexp.MustCompile(`"hint" "(hint\.[a-z_.]+)"`), regexp.MustCompile(`"key" "([a-z_.]+)"`),
		regexp.MustCompile(`template "empty" "([a-z_.]+)"`), regexp.MustCompile(`[sS]ay\((?:page\.(?:Good|Warn|Bad), )?"([a-z_]+\.[a-z_.]*[a-z])"[,)]`),
		regexp.MustCompile(`plain\("([a-z_.]*[a-z])"[,)]`), regexp.MustCompile(`(?:Label|Problem|Empty)(?:: | = |, [a-z. ]+ = )"([a-z_]+\.[a-z_.]+)"`),
		regexp.MustCompile(`"((?:problem|flash|lead|list|login)\.[a-z_.]*[a-z])"`),
	}
	made = regexp.MustCompile(`^(state|detail|kind|door|label_source|labels\.by|test|open|mode|role|run\.kind|verdict|message|error|left|due|field|explain|step|rejected|help\.state|problem|flash|account|action)\.`)
)

func sources(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"templates/*.html", "*.go", "../*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v %v", pattern, names, err)
		}
		for _, n := range names {
			raw, err := os.ReadFile(n)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(n, "_test.go") {
				out[n] = string(raw)
			}
		}
	}
	return out
}

func TestEveryKeyIsInTheCatalogueAndUsed(t *testing.T) {
	c, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for file, text := range sources(t) {
		for _, re := range literal {
			for _, m := range re.FindAllStringSubmatch(text, -1) {
				used[m[1]] = true
				if !c.Has(m[1]) {
					t.Errorf("%s says %q, which the catalogue does not know", file, m[1])
				}
			}
		}
	}
	if len(used) < 150 {
		t.Fatalf("only %d keys found in templates and code: the patterns no longer fit", len(used))
	}
	for _, k := range c.Keys() {
		if !used[k] && !made.MatchString(k) {
			t.Errorf("%q is used nowhere", k)
		}
	}
}

// TestEveryStateHasWords: keys made of states, kinds, types and rules exist.
func TestEveryStateHasWords(t *testing.T) {
	c, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	need := func(key string) {
		t.Helper()
		if !c.Has(key) {
			t.Errorf("%q is missing", key)
		}
	}
	for _, s := range shipment.States {
		need("state." + string(s))
		need("help.state." + string(s))
	}
	for _, k := range []shipment.Kind{shipment.Transient, shipment.Throttled, shipment.Rejected, shipment.Incomplete, shipment.Elsewhere,
		shipment.Cancelled, shipment.Returned, shipment.Withdrawn, shipment.ByOperator, shipment.ByHand} {
		need("detail." + string(k))
	}
	for _, typ := range shipment.Types {
		need("step." + string(typ))
	}
	for _, r := range outcome.All() {
		if r.Field != "" {
			need("field." + page.FormField(r.Field))
		}
	}
	for _, d := range shipment.Diff(shipment.Data{}, shipment.Data{Carrier: "c", Service: "s", Tracking: "t", Reference: "r", Programs: []string{"p"},
		LabelSource: shipment.LabelOwn, Items: []shipment.Item{{OrderItemID: "1", Quantity: 1}}}) {
		need("field." + page.FormField(d.Field))
	}
	for _, s := range shipment.States {
		for _, say := range page.Explain(shipment.Shipment{State: s, Kind: shipment.Transient}, page.Situation{}) {
			if s != shipment.Closed {
				need(say.Key)
			}
		}
	}
}

// TestButtonsFollowTheStateTable: a button is open exactly when the state table allows what it does.
func TestButtonsFollowTheStateTable(t *testing.T) {
	open := func(role page.Role, s shipment.State) string {
		var ids []string
		for _, a := range page.OrderActions(role, shipment.Shipment{State: s}) {
			if a.Enabled() {
				ids = append(ids, a.ID)
			}
		}
		return strings.Join(ids, " ")
	}
	for s, want := range map[shipment.State]string{
		shipment.Pending: "replay exclude reported close", shipment.Deferred: "replay exclude reported close", shipment.Transmitting: "",
		shipment.Doubt: "exclude reported close", shipment.Confirmed: "", shipment.Expired: "replay exclude reported close",
		shipment.Excluded: "include reported close", shipment.NotRequired: "replay", shipment.Closed: "replay",
	} {
		if got := open(page.Operator, s); got != want {
			t.Errorf("%s offers %q, want %q", s, got, want)
		}
		if got := open(page.Viewer, s); got != "" {
			t.Errorf("%s offers a viewer %q", s, got)
		}
	}
	for s, want := range map[shipment.State]bool{shipment.Pending: true, shipment.Deferred: true, shipment.Expired: true, shipment.Excluded: true,
		shipment.Transmitting: false, shipment.Doubt: false, shipment.Confirmed: false, shipment.Closed: false} {
		if got := page.Editable(page.Operator, shipment.Shipment{State: s}).Key == ""; got != want {
			t.Errorf("%s editable: %v, want %v", s, got, want)
		}
	}
}
