package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/allinone/compose"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/settings"
)

// within bounds everything done in the browser: what is not to be seen by then will not be.
const within = 4 * time.Minute

// words are the labels a clerk goes by.
type words struct {
	lang, ship, run, warning, state, flag, failed, orders, update, done string
}

var (
	german = words{lang: "de", ship: "Als versendet markieren", run: "Lauf jetzt starten",
		warning: "Dieser Lauf würde 1 Auftrag übermitteln", state: "Ausstehend",
		flag: "Ausstehende Übertragung des Auftragsstatus an Marktplatz", failed: "1 Auftrag – Übermittlung fehlgeschlagen (DE)",
		orders: "Zu den Aufträgen", update: "Status bei Amazon aktualisieren", done: "Übermittelt"}
	english = words{lang: "en", ship: "Mark as shipped", run: "Run now", warning: "This run would send 1 order", state: "Pending",
		flag: "Order status not yet sent to marketplace", failed: "1 order – transmission failed (DE)",
		orders: "Go to the orders", update: "Update status at Amazon", done: "Confirmed"}
)

// TestTheConsoleInABrowser drives a real browser against the whole system: what a clerk does when Amazon refuses an
// order, in both languages; what a viewer cannot do; and how the pages look.
func TestTheConsoleInABrowser(t *testing.T) {
	browser := chrome(t)
	system, end := installation(t), time.Now().Add(within)
	t.Run("Deutsch", func(t *testing.T) {
		clerk := visit(t, browser, system.URL(), end)
		clerk.speak(german)
		clerk.write(test("token"), operatorToken)
		clerk.follow(test("login"))
		clerk.repairs(german, "302-1111111-0000001", "00340434161094000018")
	})
	t.Run("English", func(t *testing.T) {
		clerk := visit(t, browser, system.URL(), end)
		clerk.speak(english)
		clerk.open("/login#token=" + operatorToken)
		clerk.repairs(english, "302-1111111-0000002", "00340434161094000025")
	})
	clerk := visit(t, browser, system.URL(), end)
	clerk.speak(german)
	clerk.open("/login#token=" + operatorToken)
	clerk.see(test("nav-orders"))
	sample(t, system)
	clerk.open("/")
	clerk.until(fmt.Sprintf(`document.querySelector('[data-test="count-pending"] .fig-n').textContent === "%d"`, samples))
	clerk.runs()
	t.Run("viewer", func(t *testing.T) {
		v := visit(t, browser, system.URL(), end)
		v.speak(german)
		v.open("/login#token=" + viewerToken)
		v.see(test("nav-orders"))
		v.looksOn()
	})
	for _, w := range []words{german, english} {
		clerk.speakWithin(w)
		clerk.looks(t, w.lang)
	}
}

const (
	operatorToken = "operator-token-of-the-browser-test"
	viewerToken   = "viewer-token-of-the-browser-test-x"
)

// installation starts everything, with a simulated Amazon that has a few orders.
func installation(t *testing.T) *compose.System {
	t.Helper()
	scenario := amazonsim.Scenario{Faults: []amazonsim.Fault{
		{Kind: amazonsim.FaultErrorBefore, Operation: amazonsim.OpConfirmShipment, OrderID: sampleOrder(5), Times: 1}}}
	add := func(id string) {
		scenario.Orders = append(scenario.Orders, amazonsim.Order{ID: id, Items: []amazonsim.Item{{ID: "1" + id[4:11] + id[12:18], Quantity: 1}}})
	}
	add("302-1111111-0000001")
	add("302-1111111-0000002")
	for i := range samples {
		add(sampleOrder(i))
	}
	c := connectionTo("")
	c.Endpoint, c.TokenEndpoint = "", ""
	c.Accounts[0].Name = "Amazon.de"
	file := compose.File{File: config.File{DataDir: t.TempDir(), Set: settings.Set{Connections: []settings.Connection{c}},
		Listen: config.Listen{Console: "127.0.0.1:0"}, Tokens: []config.Token{
			{Name: "clerk", Role: "operator", Secret: "env:OPERATOR"}, {Name: "guest", Role: "viewer", Secret: "env:VIEWER"}}}}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := compose.Start(ctx, compose.Config{File: file, Scenario: &scenario, Version: "test", LeaseTTL: 6 * time.Second, WarmQuota: true,
		Secrets: func(ref string) (string, error) {
			if token, ok := map[string]string{"env:OPERATOR": operatorToken, "env:VIEWER": viewerToken}[ref]; ok {
				return token, nil
			}
			return secret(ref)
		}})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := s.Wait(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// speak chooses the language before signing in, speakWithin afterwards.
func (v *visitor) speak(w words) {
	v.t.Helper()
	v.open("/login")
	v.follow(test("lang-" + w.lang))
	v.see(`html[lang="` + w.lang + `"] ` + test("token"))
}

func (v *visitor) speakWithin(w words) {
	v.t.Helper()
	v.click(test("me"))
	v.follow(test("lang-" + w.lang))
	v.see(`html[lang="` + w.lang + `"] main`)
}

// repairs is a clerk's way from an order shipped by a carrier Amazon does not know to one that Amazon has confirmed.
func (v *visitor) repairs(w words, order, tracking string) {
	v.t.Helper()
	v.see(test("nav-ship"))
	v.reads(test("nav-ship"), w.ship)
	v.follow(test("nav-ship"))
	v.see(test("ship-form"))
	v.write("#f-order", order)
	v.write("#f-carrier", "Postkutsche")
	v.write("#f-tracking", tracking)
	v.reads(test("ship"), w.ship)
	v.follow(test("ship"))
	v.see(test("verdict-accepted"))
	v.reads(test("verdict-accepted"), order)
	v.follow(test("verdict-open"))
	v.see(test("state-pending"))
	v.reads("#order-head "+test("state-pending"), w.state)
	v.see("#order-head " + test("flag"))
	if got := ask[string](v, `document.querySelector('#order-head [data-test="flag"]').title`); got != w.flag {
		v.t.Errorf("the flag says %q, want %q", got, w.flag)
	}

	v.open("/runs/new")
	v.reads(test("run-warning"), w.warning)
	v.reads(test("run-start"), w.run)
	v.follow(test("run-start"))
	v.see(test("run-finished"))

	v.follow(test("nav-messages"))
	v.see(test("message"))
	v.reads(test("message")+" h3", w.failed)
	v.see(test("message") + " .remedy")
	v.reads(test("message-orders"), w.orders)
	v.reads(test("message-update"), w.update)
	v.follow(test("message-orders"))
	v.see(test("from-message"))
	if got := ask[[]string](v, `[...document.querySelectorAll('[data-test="row"] [data-open]')].map(a => a.textContent)`); len(got) != 1 || got[0] != order {
		v.t.Fatalf("the message leads to %v, want %s", got, order)
	}
	v.follow(test("row") + " [data-open]")
	v.see("#order-head " + test("state-deferred"))
	v.see(test("verbatim"))
	v.see(test("remedy"))
	v.write("#f-carrier", "DHL")
	v.write("#f-comment", "DHL")
	v.follow(test("correct"))
	v.see(test("notice-good"))
	here := ask[string](v, `location.pathname`)

	v.follow(test("nav-messages"))
	v.follow(test("message-update"))
	v.see(test("run-finished"))
	v.follow(test("nav-messages"))
	v.gone(test("message"))
	v.see(test("cleared"))
	v.open(here)
	v.see("#order-head " + test("state-confirmed"))
	v.reads("#order-head "+test("state-confirmed"), w.done)
	v.gone("#order-head " + test("flag"))
}

// runs starts a run by hand and stays until it has finished.
func (v *visitor) runs() {
	v.t.Helper()
	v.open("/runs/new")
	v.follow(test("run-start"))
	v.see(test("run-finished"))
	v.follow(test("nav-messages"))
	v.see(test("message"))
}

// looksOn visits every page as a viewer: no button may be pressed, and what is sent all the same is refused.
func (v *visitor) looksOn() {
	v.t.Helper()
	order := ""
	for _, path := range []string{"/messages", "/", "/orders", "/ship", "/runs", "/runs/new", "/accounts", "/deferred", "order"} {
		if path == "order" {
			path = order
		}
		v.open(path)
		v.see("main h1")
		const live = `[...document.querySelectorAll('main button:not(:disabled), main input[name=key]')]
			.filter(b => b.form?.method === 'post' || b.name === 'key').map(b => b.outerHTML)`
		if got := ask[[]string](v, live); len(got) > 0 {
			v.t.Errorf("a viewer can press on %s: %v", path, got)
		}
		if path == "/deferred" {
			order = ask[string](v, `document.querySelector('[data-test="row"] [data-open]').pathname`)
		}
	}
	v.reads("main", "Als Betrachter sehen Sie alles, ändern können Bearbeiter und Support.")
	v.open("/messages")
	v.see(test("message"))
	update := ask[string](v, `"/messages/" + document.querySelector('[data-test="message"]').id.slice("message-".length) + "/update"`)
	for path, form := range map[string]string{
		update:                 "",
		"/runs":                "connection=EU",
		order + "/correct":     "carrier=UPS&comment=x&shipped_at=2026-01-01T10:00",
		order + "/exclude":     "comment=x",
		"/orders/bulk/exclude": "comment=x&key=" + order[len("/orders/"):],
		"/ship":                "account=DE&order=302-9999999-0000001&carrier=DHL&tracking=1&shipped_at=2026-01-01T10:00",
	} {
		const post = `fetch(%q, {method: "POST", body: new URLSearchParams(%q)}).then(r => r.status)`
		if got := ask[int](v, fmt.Sprintf(post, path, form)); got != 403 {
			v.t.Errorf("a viewer's POST %s got %d, want 403", path, got)
		}
	}
}

// samples is how many shipments the pages are looked at with.
const samples = 7

func sampleOrder(i int) string { return fmt.Sprintf("028-7654321-%07d", i+1) }

// sample reports shipments that end in as many different ways, with the longest words there are.
func sample(t *testing.T, s *compose.System) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	api := must(client.Open(s.URL(), operatorToken, nil))(t)
	now := time.Now()
	one := func(i int, carrier, service, tracking string, left time.Duration) client.Report {
		shipped, shipBy := now.Add(-time.Hour).Format(time.RFC3339), now.Add(left).Format(time.RFC3339)
		ref := fmt.Sprintf("AB-2026-%05d", i)
		return client.Report{Account: "DE", AmazonOrderId: sampleOrder(i), Carrier: &carrier, Service: &service, TrackingNumber: &tracking,
			ShippedAt: &shipped, ShipBy: &shipBy, Reference: &ref}
	}
	r, err := api.ReportShipmentsWithResponse(ctx, client.ReportRequest{Reports: []client.Report{
		one(0, "DHL", "Paket", "00340434161094000100", time.Hour),
		one(1, "Deutsche Post Warenpost International", "Warenpost", "RR123456789DE", -time.Hour),
		one(2, "UPS", "Standard", "12", 10*time.Hour),
		one(3, "DHL", "Paket", "", 30*time.Hour),
		one(4, "UPS", "Express Saver", "1Z999AA10123456784", time.Hour),
		one(5, "DHL", "Paket", "00340434161094000506", 50*time.Hour),
		one(6, "Postkutsche", "", "00340434161094000605", time.Hour),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Check(r.StatusCode(), r.Body, r.JSONDefault); err != nil {
		t.Fatal(err)
	}
}
