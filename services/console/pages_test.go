package console_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// visitor is a browser without scripts.
type visitor struct {
	t    *testing.T
	base string
	http *http.Client
	lang string
}

// shown is an answer, after redirects.
type shown struct {
	status int
	path   string
	body   string
	header http.Header
}

func (b *bed) visitor(token string) *visitor {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	b.must(err)
	v := &visitor{t: b.t, base: "http://" + b.svc.Addr().String(), http: &http.Client{Jar: jar, Transport: &http.Transport{}}, lang: "de"}
	b.t.Cleanup(v.http.CloseIdleConnections)
	if token != "" {
		if got := v.post("/login", "token", token, "next", "/help"); got.path != "/help" || got.status != 200 {
			b.t.Fatalf("signed in, but at %s with %d", got.path, got.status)
		}
	}
	return v
}

func (v *visitor) do(r *http.Request) shown {
	v.t.Helper()
	r.Header.Set("Accept-Language", v.lang)
	resp, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return shown{resp.StatusCode, resp.Request.URL.RequestURI(), string(body), resp.Header}
}

func (v *visitor) get(path string) shown {
	v.t.Helper()
	r, err := http.NewRequest(http.MethodGet, v.base+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(r)
}

// post sends a form as a browser does from a page of the site.
func (v *visitor) post(path string, pairs ...string) shown {
	v.t.Helper()
	return v.postFrom(v.base, path, pairs...)
}

func (v *visitor) postFrom(origin, path string, pairs ...string) shown {
	v.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, v.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	return v.do(r)
}

// has fails unless the page holds every text.
func (s shown) has(t *testing.T, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if !strings.Contains(s.body, x) {
			t.Errorf("%s (%d) lacks %q", s.path, s.status, x)
		}
	}
}

func (s shown) lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, x := range texts {
		if strings.Contains(s.body, x) {
			t.Errorf("%s holds %q", s.path, x)
		}
	}
}

// row is the part of a list about one shipment.
func (s shown) row(k shipment.Key) string {
	_, after, ok := strings.Cut(s.body, `data-key="`+k.String()+`"`)
	if !ok {
		return ""
	}
	row, _, _ := strings.Cut(after, "</tr>")
	return row
}

func test(name string) string { return `data-test="` + name + `"` }

func TestNothingIsSeenWithoutASession(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	v := b.visitor("")
	for _, path := range []string{"/", "/orders?q=x", "/deferred", "/orders/" + k.String(), "/open?all=1", "/ship", "/messages", "/runs", "/runs/new", "/runs/x", "/accounts", "/help", "/nowhere"} {
		got := v.get(path)
		if !strings.HasPrefix(got.path, "/login?") || got.status != 200 {
			t.Errorf("%s leads to %s with %d, not to the login", path, got.path, got.status)
		}
		got.lacks(t, test("row"), "R-1")
		next, _ := url.Parse(got.path)
		if n := next.Query().Get("next"); n != path {
			t.Errorf("after the login of %s comes %s", path, n)
		}
	}
	for _, path := range posts(k) {
		if got := v.post(path, "comment", "x"); !strings.HasPrefix(got.path, "/login") {
			t.Errorf("POST %s without a session leads to %s with %d", path, got.path, got.status)
		}
	}
	if got := v.get("/live"); got.status != 401 {
		t.Errorf("/live answers %d", got.status)
	}
	if got := v.post("/login", "token", "wrong-token-000000000000"); got.status != 401 {
		t.Errorf("a wrong token is answered with %d", got.status)
	} else {
		got.has(t, test("login-problem"), "Dieses Token gilt nicht")
	}
	in := b.visitor(viewer)
	in.post("/logout")
	if got := in.get("/orders"); !strings.HasPrefix(got.path, "/login") {
		t.Errorf("after signing out %s is shown", got.path)
	}
}

// posts are all forms that change something.
func posts(k shipment.Key) []string {
	at := "/orders/" + k.String()
	return []string{at + "/replay", at + "/exclude", at + "/include", at + "/reported", at + "/close", at + "/correct", "/orders/bulk/replay",
		"/orders/bulk/exclude", "/orders/bulk/include", "/orders/bulk/close", "/ship", "/messages/m/update", "/runs", "/accounts/map", "/accounts/EU/test"}
}

func TestRolesAndForeignPages(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	before, err := b.led.History(b.ctx, k)
	b.must(err)
	form := []string{"comment", "x", "key", k.String(), "account", "DE", "order", order(2), "shipped_at", "2026-01-02T10:00", "carrier", "UPS", "carrier_code", "UPS"}
	looker, worker, foreign := b.visitor(viewer), b.visitor(operator), b.visitor(french)
	for _, path := range posts(k) {
		if got := looker.post(path, form...); got.status != 403 {
			t.Errorf("POST %s of a viewer is answered with %d", path, got.status)
		}
		if got := worker.postFrom("https://evil.example", path, form...); got.status != 403 {
			t.Errorf("POST %s from another site is answered with %d", path, got.status)
		}
	}
	if got := foreign.post("/orders/"+k.String()+"/exclude", "comment", "x"); got.status != 403 {
		t.Errorf("an action on another account's order is answered with %d", got.status)
	}
	foreign.get("/orders").has(t, test("notice-bad"), "gehört nicht zu Ihren Accounts")
	foreign.get("/orders").lacks(t, k.Order)
	after, err := b.led.History(b.ctx, k)
	b.must(err)
	if len(after) != len(before) {
		t.Errorf("the shipment changed: %d entries, then %d", len(before), len(after))
	}
	for _, path := range []string{"/orders/" + k.String(), "/orders", "/ship", "/runs/new", "/"} {
		got := looker.get(path)
		if got.status != 200 || !strings.Contains(got.body, "Betrachter sehen Sie alles") {
			t.Errorf("%s (%d) does not tell a viewer why buttons are closed", path, got.status)
		}
	}
	got := looker.get("/orders/" + k.String())
	if csp := got.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("content security policy %q", csp)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("a page may be kept: %q", got.header.Get("Cache-Control"))
	}
	if got := worker.get("/orders/EU/302-0000000-9999999/1"); got.status != 404 {
		t.Errorf("an unknown order is answered with %d", got.status)
	}
	for _, path := range []string{"/orders/EU/..%2f..%2fx/1", "/orders/EU/302/1", "/orders?account=NO", "/nowhere"} {
		if got := worker.get(path); got.status < 400 || got.status >= 500 {
			t.Errorf("%s is answered with %d", path, got.status)
		}
	}
	if got := worker.post("/ship", "comment", strings.Repeat("x", 2<<20)); got.status != 413 {
		t.Errorf("an oversize form is answered with %d", got.status)
	}
}

func TestMarkAsShipped(t *testing.T) {
	b := start(t, redistest.Mini(t))
	v := b.visitor(operator)
	v.get("/ship").has(t, test("ship-form"), "Germany")
	now := time.Now().UTC().Format("2006-01-02")
	ship := func(n int, more ...string) shown {
		t.Helper()
		got := v.post("/ship", append([]string{"account", "DE", "order", order(n), "carrier", "DHL", "tracking", "T1", "shipped_at", now}, more...)...)
		b.caughtUp()
		return got
	}
	if got := ship(1); got.path != "/ship?account=DE" {
		t.Errorf("a report is answered with %s, not with a redirect", got.path)
	} else {
		got.has(t, test("verdict-accepted"), order(1))
	}
	v.get("/ship").lacks(t, "verdict-") // told once
	intake(b)
	ship(1).has(t, test("verdict-already_known"))
	v.post("/ship", "account", "DE", "order", order(1), "carrier", "UPS", "tracking", "T2", "shipped_at", now).has(t, test("verdict-differs"), "DHL", "UPS", "T1", "T2")
	old := time.Now().UTC().AddDate(0, 0, -9).Format("2006-01-02") + "T10:00"
	v.post("/ship", "account", "DE", "order", order(2), "carrier", "DHL", "tracking", "T3", "shipped_at", old).has(t, test("verdict-expired"), "vor mehr als 7 Tagen")
	v.post("/ship", "account", "DE", "order", order(3), "shipped_at", now).has(t, test("verdict-accepted"), "Ohne Trackingnummer", "Ohne Versender")
	bad := v.post("/ship", "account", "DE", "order", "12", "package", "0", "items", "x", "shipped_at", "gestern", "carrier", "Kept")
	if bad.status != 422 {
		t.Errorf("a wrong form is answered with %d", bad.status)
	}
	bad.has(t, test("problem-order"), test("problem-package"), test("problem-items"), test("problem-shipped_at"), `value="Kept"`)
	future := v.post("/ship", "account", "DE", "order", order(4), "shipped_at", time.Now().AddDate(0, 0, 3).Format("2006-01-02"))
	future.has(t, test("verdict-refused"), test("problem-shipped_at"), "Liegt in der Zukunft")
	fr := b.visitor(french).post("/ship", "account", "DE", "order", order(5), "shipped_at", now)
	fr.has(t, test("verdict-refused"))
}

// intake plays the dispatcher's part: what the door has stored becomes a pending shipment.
func intake(b *bed) {
	b.t.Helper()
	b.step(keyOf("EU", 1), shipment.Event{Type: shipment.Accepted, Key: keyOf("EU", 1), Account: "DE", Data: &shipment.Data{
		ShippedAt: endOfToday(), Carrier: "DHL", Tracking: "T1", Source: "hand"}})
}

// endOfToday is what a date without time of the day stands for in the zone of account DE.
func endOfToday() time.Time {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		panic(err)
	}
	y, m, d := time.Now().UTC().Date()
	return time.Date(y, m, d+1, 0, 0, -1, 0, zone).UTC()
}

func TestRepairOneOrder(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.reject(k, "r1")
	v := b.visitor(operator)
	at := "/orders/" + k.String()
	v.get("/deferred").has(t, k.Order, "InvalidCarrier", "Setzen des Versandstatus fehlgeschlagen", "Amazon kennt diesen Versanddienstleister nicht", test("kind-rejected"))
	page := v.get(at)
	page.has(t, test("state-deferred"), test("flag"), "InvalidCarrier", "HTTP 400", "r1", "field mark", "Amazon kennt diesen Versanddienstleister nicht")
	same := []string{"carrier", "Post", "service", "", "tracking", "T1"}
	shippedAt := b.head(k).Data.ShippedAt.In(berlin(t)).Format("2006-01-02T15:04")
	same = append(same, "shipped_at", shippedAt)
	v.post(at+"/correct", append(same, "comment", "x")...).has(t, "Die Korrektur ändert nichts")
	v.post(at+"/correct", append([]string{"carrier", "DHL"}, same[2:]...)...).has(t, test("problem-comment"), `value="DHL"`)
	got := v.post(at+"/correct", append([]string{"carrier", "DHL", "comment", "falsch <b>getippt</b>", "then", "replay"}, same[2:]...)...)
	b.caughtUp()
	if got.path != at {
		t.Errorf("a correction leads to %s", got.path)
	}
	got.has(t, "wird jetzt übermittelt")
	story := v.get(at)
	story.has(t, "<del>Post</del>", "<ins>DHL</ins>", "falsch &lt;b&gt;getippt&lt;/b&gt;", "otto", "Daten korrigiert", "Erneut eingereiht")
	if s := b.head(k); !s.Changed || s.Data.Carrier != "DHL" || !s.Data.ShippedAt.Equal(s.Data.ShippedAt.Truncate(time.Second)) || !s.AgeWaiver {
		t.Errorf("after the correction: %+v", s)
	}
	for _, step := range []struct {
		action string
		state  shipment.State
		say    string
	}{{"exclude", shipment.Excluded, "1 Sendung ausgenommen"}, {"include", shipment.Deferred, "wieder aufgenommen"}, {"reported", shipment.Closed, "von Hand gemeldet"},
		{"replay", shipment.Deferred, "jetzt übermittelt"}, {"close", shipment.Closed, "geschlossen"}} {
		v.post(at+"/"+step.action).has(t, "Bitte einen Kommentar angeben")
		v.post(at+"/"+step.action, "comment", "because "+step.action, "kind", "cancelled").has(t, step.say)
		if s := b.head(k); s.State != step.state {
			t.Fatalf("after %s the shipment is %s, want %s", step.action, s.State, step.state)
		}
	}
	if s := b.head(k); s.Kind != shipment.Cancelled {
		t.Errorf("closed as %q", s.Kind)
	}
	v.post(at+"/exclude", "comment", "x").has(t, test("notice-bad"), "nicht möglich")
	v.get(at).has(t, "because reported", "because close")
	v.lang = "en"
	v.get(at).has(t, "Closed", "Data corrected", "Queued again")
}

func berlin(t *testing.T) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// head is a shipment as the ledger has it.
func (b *bed) head(k shipment.Key) shipment.Shipment {
	b.t.Helper()
	h, err := b.led.History(b.ctx, k)
	b.must(err)
	return h[len(h)-1].After
}

func TestListsFiltersAndBulk(t *testing.T) {
	b := start(t, redistest.Mini(t))
	var keys []shipment.Key
	for n := 1; n <= 55; n++ {
		keys = append(keys, b.accept("DE", n))
	}
	fr := b.accept("FR", 100)
	b.reject(keys[0], "r1")
	v := b.visitor(operator)
	first := v.get("/orders?account=DE")
	first.has(t, "1–50 von 55", "55 Sendungen", test("next"), "Account DE")
	first.lacks(t, fr.Order)
	_, next, _ := strings.Cut(first.body, `rel="next" href="`)
	next, _, _ = strings.Cut(next, `"`)
	second := v.get(strings.ReplaceAll(next, "&amp;", "&"))
	second.has(t, "51–55 von 55")
	if n := strings.Count(first.body+second.body, "<tr data-row"); n != 55 {
		t.Errorf("two pages hold %d rows", n)
	}
	v.get("/orders?q=R-7").has(t, keys[6].Order, "1 Sendung")
	v.get("/orders?q=T9").has(t, keys[8].Order)
	v.get("/orders?q="+keys[3].Order).has(t, keys[3].Order, "1 Sendung")
	v.get("/orders?q=nothing-like-this").has(t, test("empty"), "entspricht diesen Filtern")
	v.get("/orders?state=deferred").has(t, keys[0].Order, "1 Sendung")
	if row := v.get("/orders?state=deferred").row(keys[0]); !strings.Contains(row, "Von Amazon abgelehnt") || !strings.Contains(row, test("flag")) {
		t.Errorf("the row of a deferred order: %s", row)
	}
	v.get("/orders?flag=1").has(t, "56 Sendungen")
	v.get("/deferred?kind=transient").has(t, test("empty"))

	back := "/orders?account=DE"
	v.post("/orders/bulk/exclude", "next", back, "comment", "x").has(t, "nichts angekreuzt")
	got := v.post("/orders/bulk/exclude", "next", back, "comment", "Abholer", "key", keys[1].String(), "key", keys[2].String())
	if got.path != back {
		t.Errorf("back at %s", got.path)
	}
	got.has(t, "2 Sendungen ausgenommen")
	b.caughtUp()
	v.get("/orders?state=excluded").has(t, keys[1].Order, keys[2].Order, "2 Sendungen")
	mixed := v.post("/orders/bulk/include", "next", "//evil.example/", "comment", "zurück", "key", keys[1].String(), "key", keys[5].String())
	mixed.has(t, "1 Sendung wieder aufgenommen", "Bei 1 Sendung nicht möglich", keys[5].Order)
	if mixed.path != "/orders" {
		t.Errorf("a foreign way back leads to %s", mixed.path)
	}
	for _, bad := range []string{"x", "EU/../1"} {
		if got := v.post("/orders/bulk/exclude", "comment", "x", "key", bad); got.status != 400 {
			t.Errorf("key %q is answered with %d", bad, got.status)
		}
	}
	run := v.post("/orders/bulk/replay", "next", "/deferred", "comment", "jetzt", "key", keys[0].String())
	run.has(t, "1 Sendung wird jetzt übermittelt")
}

func TestMessageAndItsButtons(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k, fine := b.accept("DE", 1), b.accept("DE", 2)
	v := b.visitor(operator)
	v.get("/messages").has(t, test("empty"))
	b.reject(k, "r1")
	b.finish("EU", "r1", map[shipment.AccountID]job.Counts{"DE": {Attempts: 1, Deferred: 1}})
	b.until("the message is raised", func() bool { return strings.Contains(v.get("/messages").body, test("message-update")) })
	page := v.get("/messages")
	page.has(t, "1 Auftrag – Übermittlung fehlgeschlagen (DE)", "Zu den Aufträgen", "Status bei Amazon aktualisieren", "InvalidCarrier")
	v.get("/").has(t, "1 Auftrag – Übermittlung fehlgeschlagen (DE)", "1 zurückgestellt", test("flagged"))
	_, link, _ := strings.Cut(page.body, `href="/orders?message=`)
	id, _, _ := strings.Cut(link, "&")
	list := v.get("/orders?message=" + id)
	list.has(t, k.Order, test("from-message"), "1 Sendung")
	list.lacks(t, fine.Order)
	plain, err := url.QueryUnescape(id)
	b.must(err)
	got := v.post("/messages/" + url.PathEscape(plain) + "/update")
	if !strings.HasPrefix(got.path, "/runs/") || got.status != 200 {
		t.Fatalf("the button leads to %s with %d", got.path, got.status)
	}
	run := strings.TrimPrefix(got.path, "/runs/")
	asked, err := b.board.Asked(b.ctx, "EU", run)
	b.must(err)
	if asked.Scope != job.Listed || asked.Kind != job.Message || asked.Actor != "otto" {
		t.Errorf("the button asked for %+v", asked)
	}
	b.confirm(k, run)
	b.finish("EU", run, map[shipment.AccountID]job.Counts{"DE": {Attempts: 1, Confirmed: 1}})
	b.until("the message is cleared", func() bool { return strings.Contains(v.get("/messages").body, test("cleared")) })
	v.get("/messages").lacks(t, test("message-update"))
	v.get("/runs/"+run).has(t, "Beendet", "1 übermittelt")
	v.lang = "en"
	v.get("/messages").has(t, "1 order – transmission failed (DE)", "Cleared")
	if got := v.post("/messages/none/update"); got.status != 404 {
		t.Errorf("the button of no message is answered with %d", got.status)
	}
}

func TestRunNowAndAccounts(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	v := b.visitor(operator)
	v.get("/").has(t, "Germany", "France", "Britain", "Noch kein Lauf", "Nächster Lauf")
	v.get("/runs").has(t, "0 12,15,18 * * *", "Europe/Berlin", test("schedule-DE"))
	v.get("/runs/new?for=DE").has(t, "Dieser Lauf würde 1 Auftrag übermitteln", "Drosselung durch Amazon", test("run-start"))
	v.get("/runs/new?for=FR").has(t, "nichts zu übermitteln")
	got := v.post("/runs", "account", "DE", "comment", "eilig")
	if !strings.HasPrefix(got.path, "/runs/") {
		t.Fatalf("a started run leads to %s", got.path)
	}
	got.has(t, "eilig", "otto", "Angefordert")
	asked, err := b.board.Asked(b.ctx, "EU", strings.TrimPrefix(got.path, "/runs/"))
	b.must(err)
	if asked.Kind != job.Manual || len(asked.Accounts) != 1 || asked.Reason != "eilig" {
		t.Errorf("asked for %+v", asked)
	}
	if got := v.post("/runs", "account", "NO"); got.status != 400 {
		t.Errorf("a run of an unknown account is answered with %d", got.status)
	}
	b.reject(k, "r1")
	v.get("/accounts").has(t, "Germany", "Wartet ohne Zuordnung", "Post")
	v.get("/accounts?map=DE&carrier=Post").has(t, `value="Post"`, test("map-save"))
	bad := v.post("/accounts/map", "account", "DE", "carrier", "Post", "comment", "x")
	if bad.status != 422 {
		t.Errorf("a rule without a code is answered with %d", bad.status)
	}
	bad.has(t, test("problem-carrier_code"))
	v.post("/accounts/map", "account", "DE", "carrier", "Post", "carrier_code", "Deutsche Post", "comment", "Briefpost").has(t, "Zuordnung ist gespeichert", "1 abgelehnte Sendung")
	b.until("the rule is shown", func() bool { return strings.Contains(v.get("/accounts").body, "<strong>Deutsche Post</strong>") })
	v.post("/accounts/EU/test").has(t, "Kein Dispatcher antwortet")
}

func TestPreferencesStayHere(t *testing.T) {
	b := start(t, redistest.Mini(t))
	v := b.visitor(viewer)
	v.get("/").has(t, `<html lang="de"`, "Übersicht")
	v.post("/preferences", "lang", "en", "next", "/orders").has(t, `<html lang="en"`, "Orders")
	v.post("/preferences", "theme", "dark", "next", "/").has(t, `data-theme="dark"`)
	v.post("/preferences", "theme", "auto", "lang", "xx", "next", "/").has(t, `<html lang="en">`)
	for _, next := range []string{"//evil.example", "https://evil.example/", `/\evil.example`, "javascript:alert(1)", "/x\r\nSet-Cookie: a=b"} {
		if got := v.post("/preferences", "next", next); got.path != "/" {
			t.Errorf("next %q leads to %s", next, got.path)
		}
	}
}

// TestNothingSendersWriteBecomesMarkup puts markup into every field a sender, Amazon or a colleague can fill.
func TestNothingSendersWriteBecomesMarkup(t *testing.T) {
	b := start(t, redistest.Mini(t))
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}`
	k := keyOf("EU", 1)
	b.step(k, shipment.Event{Type: shipment.Accepted, Key: k, Account: "DE", Actor: evil, Comment: evil, Data: &shipment.Data{ShippedAt: time.Now().Add(-time.Hour).UTC(),
		Carrier: evil, Service: evil, Tracking: evil, Reference: evil, Programs: []string{evil}, Items: []shipment.Item{{OrderItemID: evil, Quantity: 1}}, Source: "import"}})
	b.attempt(k, "r1")
	b.answer(k, "r1", shipment.Deferred, shipment.Rejected, &shipment.Answer{At: time.Now().UTC(), Status: 400, Code: evil, Message: evil, RequestID: evil, Rule: "carrier-unsupported", Field: "carrier"})
	l := b.finish("EU", "r1", map[shipment.AccountID]job.Counts{"DE": {Attempts: 1, Deferred: 1}})
	l.Trigger.Actor, l.Trigger.Reason, l.Left = evil, evil, map[string]int{evil: 1}
	b.must(b.board.Write(b.ctx, l))
	v := b.visitor(operator)
	b.until("the message is raised", func() bool { return strings.Contains(v.get("/messages").body, test("message-update")) })
	v.post("/orders/"+k.String()+"/exclude", "comment", "<script>alert(3)</script>")
	v.post("/orders/"+k.String()+"/include", "comment", "<script>alert(3)</script>")
	b.caughtUp()
	q := url.QueryEscape(evil)
	for _, path := range []string{"/", "/orders", "/orders?q=" + q, "/orders?state=" + q + "&kind=" + q + "&print=" + q + "&sort=" + q, "/deferred", "/orders/" + k.String(),
		"/messages", "/runs", "/accounts", "/accounts?map=" + q + "&carrier=" + q + "&service=" + q, "/ship?order=" + q + "&carrier=" + q + "&account=" + q, "/runs/new?for=" + q, "/runs/" + q, "/" + q,
		"/login?next=" + q} {
		got := v.get(path)
		got.lacks(t, "<script>alert", "<img src=x", "onerror=alert(2)>{{.}}\"", "javascript:")
		if !strings.Contains(got.body, "</html>") {
			t.Errorf("%s is no whole page (%d)", path, got.status)
		}
	}
	bad := v.post("/ship", "account", evil, "order", evil, "carrier", evil, "tracking", evil, "items", evil, "reference", evil, "shipped_at", evil)
	bad.lacks(t, "<script>alert", "<img src=x")
}

func TestOpenPagesHearOfChanges(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	v := b.visitor(viewer)
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base+"/live", nil)
	b.must(err)
	resp, err := v.http.Do(r)
	b.must(err)
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("/live is %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != "retry: 3000" {
		t.Fatalf("first line %q", lines.Text())
	}
	b.must(b.board.Tell(job.Progress{RunID: "r", Connection: "EU", Done: 1, Total: 2}))
	go b.stepQuietly(k)
	for lines.Scan() {
		if lines.Text() == "event: changed" {
			return
		}
	}
	t.Errorf("no change was told: %v", lines.Err())
}

// stepQuietly changes a shipment from another goroutine.
func (b *bed) stepQuietly(k shipment.Key) {
	_, _ = b.led.Change(b.ctx, k, func(shipment.Entry) (shipment.Event, error) { // a failure shows as a page that hears nothing
		return shipment.Event{ID: fmt.Sprint("live-", k), Type: shipment.Noted, At: time.Now().UTC(), Actor: "test"}, nil
	})
}
