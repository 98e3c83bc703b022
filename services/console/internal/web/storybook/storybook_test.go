package storybook_test

import (
	"bytes"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/services/console/internal/web/storybook"
)

var update = flag.Bool("update", false, "write the golden pages anew")

// golden are the examples kept as files: one per page.
var golden = []string{"overview", "orders-filtered", "deferred", "order-deferred-rejected", "open", "ship-differs", "messages", "runs", "run-finished", "runnew", "accounts-map", "login", "failure-forbidden", "help"}

func renderer(t *testing.T) (*page.Renderer, *page.Assets) {
	t.Helper()
	assets, err := page.NewAssets()
	if err != nil {
		t.Fatal(err)
	}
	r, err := page.NewRenderer(assets)
	if err != nil {
		t.Fatal(err)
	}
	return r, assets
}

func draw(t *testing.T, r *page.Renderer, s storybook.Story, l i18n.Lang, role page.Role) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Render(&b, l, s.Page, s.Make(s.Frame(l, "", role))); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return b.String()
}

// each draws every example for those who act, in German, and for those who do not, in English. A text is there in both
// languages or in none, so that two of the four suffice.
func each(t *testing.T, look func(name, html string)) {
	t.Helper()
	r, _ := renderer(t)
	for _, s := range storybook.Stories() {
		look(s.Name+" de operator", draw(t, r, s, i18n.DE, page.Operator))
		look(s.Name+" en viewer", draw(t, r, s, i18n.EN, page.Viewer))
	}
}

var (
	idAttr  = regexp.MustCompile(`\sid="([^"]*)"`)
	forAttr = regexp.MustCompile(`\s(?:for|aria-labelledby|aria-describedby|list)="([^"]*)"`)
	field   = regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`)
	inline  = regexp.MustCompile(`(?i)\sstyle="|\son[a-z]+="|<style|javascript:|<script(?: [^>]*)?>[^<]`)
)

// TestPagesAreSound: nothing untranslated, nothing inline that the content security policy forbids, ids that occur once,
// references that lead somewhere, fields with names people can hear.
func TestPagesAreSound(t *testing.T) {
	t.Parallel()
	each(t, func(name, html string) {
		if i := strings.IndexAny(html, "⟨⟩"); i >= 0 {
			t.Errorf("%s: untranslated %q", name, html[i:min(len(html), i+60)])
		}
		if m := inline.FindString(html); m != "" {
			t.Errorf("%s: inline %q", name, m)
		}
		if strings.Contains(html, "ZgotmplZ") || strings.Contains(html, "%!") {
			t.Errorf("%s: a value did not fit its place", name)
		}
		ids := map[string]bool{}
		for _, m := range idAttr.FindAllStringSubmatch(html, -1) {
			if ids[m[1]] {
				t.Errorf("%s: id %q occurs twice", name, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range forAttr.FindAllStringSubmatch(html, -1) {
			if !ids[m[1]] {
				t.Errorf("%s: nothing has the id %q", name, m[1])
			}
		}
		for _, f := range field.FindAllString(html, -1) {
			m := idAttr.FindStringSubmatch(f)
			labelled := strings.Contains(f, `type="hidden"`) || strings.Contains(f, "aria-label") || strings.Contains(f, `name="flag"`) ||
				m != nil && strings.Contains(html, `for="`+m[1]+`"`)
			if !labelled {
				t.Errorf("%s: a field without a label: %s", name, f)
			}
		}
		if n := strings.Count(html, "<h1"); n != 1 {
			t.Errorf("%s: %d main headings", name, n)
		}
	})
}

// TestPageWeight: a page with everything it loads stays under 150 KB.
func TestPageWeight(t *testing.T) {
	t.Parallel()
	r, assets := renderer(t)
	loads := 0
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		w := httptest.NewRecorder()
		assets.ServeHTTP(w, httptest.NewRequest("GET", assets.URL(name), nil))
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s is answered with %d %v", name, w.Code, w.Header())
		}
		loads += w.Body.Len()
	}
	for _, s := range storybook.Stories() {
		if n := loads + len(draw(t, r, s, i18n.DE, page.Operator)); n > 150<<10 {
			t.Errorf("%s weighs %d KB", s.Name, n>>10)
		}
	}
	w := httptest.NewRecorder()
	if assets.ServeHTTP(w, httptest.NewRequest("GET", "/static/../page.go", nil)); w.Code != 404 {
		t.Errorf("a file that is no asset is answered with %d", w.Code)
	}
}

// TestViewersCannotSend: without rights no form that changes something is offered.
func TestViewersCannotSend(t *testing.T) {
	t.Parallel()
	r, _ := renderer(t)
	button := regexp.MustCompile(`<button [^>]*class="btn[^>]*>`)
	for _, s := range storybook.Stories() {
		if s.Page == "login" || strings.HasPrefix(s.Name, "ship-") || s.Name == "messages-busy" || s.Name == "accounts-map" {
			continue // examples made for those who act
		}
		html := draw(t, r, s, i18n.EN, page.Viewer)
		_, main, _ := strings.Cut(html, "<main")
		main, _, _ = strings.Cut(main, "</main>")
		for _, b := range button.FindAllString(main, -1) {
			if !strings.Contains(b, " disabled") && !strings.Contains(b, `data-test="filter"`) && b != `<button class="btn">` {
				t.Errorf("%s offers a viewer %s", s.Name, b)
			}
		}
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	r, _ := renderer(t)
	all := map[string]storybook.Story{}
	for _, s := range storybook.Stories() {
		if _, twice := all[s.Name]; twice {
			t.Errorf("story %s exists twice", s.Name)
		}
		all[s.Name] = s
	}
	pages := map[string]bool{}
	for _, name := range golden {
		s, ok := all[name]
		if !ok {
			t.Fatalf("there is no story %s", name)
		}
		pages[s.Page] = true
		for _, l := range i18n.Langs {
			html := draw(t, r, s, l, page.Operator)
			_, main, _ := strings.Cut(html, `<main id="main" tabindex="-1">`)
			main, _, _ = strings.Cut(main, "</main>")
			file := filepath.Join("testdata", name+"."+string(l)+".html")
			if *update {
				if err := os.WriteFile(file, []byte(main), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if main != string(want) {
				t.Errorf("%s is not as in %s; if it is better now: go test ./internal/web/storybook -update", name, file)
			}
		}
	}
	for _, p := range page.Names {
		if !pages[p] {
			t.Errorf("page %s has no golden example", p)
		}
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	r, assets := renderer(t)
	h := storybook.Handler(r, assets)
	for path, want := range map[string]int{"/": 200, "/story/overview?lang=en&theme=dark&role=viewer": 200, "/story/none": 404, assets.URL("app.css"): 200} {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, httptest.NewRequest("GET", path, nil)); w.Code != want {
			t.Errorf("%s is answered with %d, want %d", path, w.Code, want)
		}
	}
}
