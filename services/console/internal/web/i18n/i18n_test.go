package i18n_test

import (
	"html/template"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
)

func load(t *testing.T) *i18n.Catalog {
	t.Helper()
	c, err := i18n.Load()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var names = regexp.MustCompile(`\{(\w+)`)

// TestBothLanguagesSayTheSame: every text is there in both languages and names the same arguments.
func TestBothLanguagesSayTheSame(t *testing.T) {
	c := load(t)
	if len(c.Keys()) < 200 {
		t.Fatalf("only %d keys", len(c.Keys()))
	}
	for _, k := range c.Keys() {
		var args [2][]string
		for i, l := range i18n.Langs {
			text := c.Raw(l, k)
			if strings.TrimSpace(text) == "" {
				t.Errorf("%s has no text in %s", k, l)
			}
			for _, m := range names.FindAllStringSubmatch(text, -1) {
				args[i] = append(args[i], m[1])
			}
			slices.Sort(args[i])
			args[i] = slices.Compact(args[i])
		}
		if !slices.Equal(args[0], args[1]) {
			t.Errorf("%s names %v in German and %v in English", k, args[0], args[1])
		}
	}
}

// TestTheProductsLabels holds the words that users know from elsewhere.
func TestTheProductsLabels(t *testing.T) {
	c := load(t)
	for key, want := range map[string][2]string{
		"label.order_status": {"Versendet/Offene Zahlung", "Shipped/open payment"},
		"label.flag":         {"Ausstehende Übertragung des Auftragsstatus an Marktplatz", "Order status not yet sent to marketplace"},
		"label.reason":       {"Setzen des Versandstatus fehlgeschlagen", "Setting the shipping status failed"},
		"action.orders":      {"Zu den Aufträgen", "Go to the orders"},
		"action.update":      {"Status bei Amazon aktualisieren", "Update status at Amazon"},
		"nav.deferred":       {"Rückstellungen", "Deferred"},
		"nav.messages":       {"Wartungscenter", "Maintenance centre"},
		"action.ship":        {"Als versendet markieren", "Mark as shipped"},
		"action.exclude":     {"Von der Übermittlung ausnehmen", "Exclude from sending"},
		"action.run":         {"Lauf jetzt starten", "Run now"},
	} {
		if got := [2]string{c.Raw(i18n.DE, key), c.Raw(i18n.EN, key)}; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestText(t *testing.T) {
	c := load(t)
	for _, x := range []struct {
		lang i18n.Lang
		key  string
		args []any
		want string
	}{
		{i18n.DE, "count.orders", []any{"n", 1}, "1 Auftrag"},
		{i18n.DE, "count.orders", []any{"n", 1034}, "1.034 Aufträge"},
		{i18n.EN, "count.orders", []any{"n", 1034567}, "1,034,567 orders"},
		{i18n.EN, "count.orders", []any{"n", 0}, "0 orders"},
		{i18n.DE, "health.rate", []any{"rate", 1.9}, "1,9 Anfragen/s erlaubt"},
		{i18n.EN, "chip.q", []any{"v", `<b>"x"</b>`}, "Search: &lt;b&gt;&#34;x&#34;&lt;/b&gt;"},
		{i18n.EN, "chip.q", []any{"v", template.HTML("<b>x</b>")}, "Search: <b>x</b>"},
		{i18n.EN, "chip.q", nil, "Search: ⟨v⟩"},
		{i18n.EN, "no.such<key>", nil, "⟨no.such&lt;key&gt;⟩"},
	} {
		if got := string(c.Text(x.lang, x.key, x.args...)); got != x.want {
			t.Errorf("%s %s %v: %q, want %q", x.lang, x.key, x.args, got, x.want)
		}
	}
}

func TestPick(t *testing.T) {
	for header, want := range map[string]i18n.Lang{
		"": i18n.DE, "de-AT,de;q=0.9,en;q=0.8": i18n.DE, "en-US,en;q=0.9,de;q=0.5": i18n.EN, "fr": i18n.EN,
		"fr,de;q=0.2": i18n.DE, "en;q=0.3, de;q=0.7": i18n.DE, "DE": i18n.DE, ";;;q=,": i18n.EN, "de;q=0": i18n.EN,
	} {
		if got := i18n.Pick(header); got != want {
			t.Errorf("Pick(%q) = %s, want %s", header, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1.000", -1234567: "-1.234.567"} {
		if got := i18n.Number(i18n.DE, n); got != want {
			t.Errorf("Number(%d) = %s, want %s", n, got, want)
		}
	}
}
