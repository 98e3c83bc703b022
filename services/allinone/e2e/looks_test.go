package e2e

import (
	_ "embed"
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/looks.js
var looksScript string

// looks checks the pages at the widths people use: contrast in light and dark after WCAG 2.2, 1.4.3 (AA), and that
// nothing is cut off or has to be scrolled sideways.
func (v *visitor) looks(t *testing.T, lang string) {
	t.Helper()
	v.open("/deferred")
	order := ask[string](v, `document.querySelector('[data-test="row"] [data-open]').pathname`)
	run := ask[string](v, `fetch("/runs").then(r => r.text()).then(s => s.match(/\/runs\/[0-9a-f-]{36}/)[0])`)
	pages := []string{"/orders", "/deferred", "/messages", order, "/", "/open?all=1", "/ship", "/runs", "/runs/new", run, "/accounts", "/help"}
	if lang != "de" {
		pages = pages[:4] // where words share a line with data
	}
	for _, path := range pages {
		v.open(path)
		v.see("main h1")
		for _, width := range []int64{1280, 1360, 1440, 390} {
			v.do("resize", chromedp.EmulateViewport(width, 900))
			for _, found := range ask[[]string](v, looksScript+"; overflow()") {
				t.Errorf("%s in %s, %d px wide: %s", path, lang, width, found)
			}
			if lang != "de" || width == 1280 || width == 1360 {
				continue // colours depend neither on the language nor on a few pixels
			}
			for _, theme := range []string{"light", "dark"} {
				for _, found := range ask[[]string](v, fmt.Sprintf("%s; contrast(%q)", looksScript, theme)) {
					t.Errorf("%s in %s, %s, %d px wide: %s", path, lang, theme, width, found)
				}
			}
		}
		v.do("resize", chromedp.EmulateViewport(1360, 900))
	}
}
