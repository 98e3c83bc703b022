// Package storybook holds an example of every state that a page of the console can be in: empty, full, running, stale,
// failed, without rights. The examples are drawn by the same renderer as the real pages, without a backend, so that
// people can look at them and tests can compare them. Its time stands still; it holds no real order.
package storybook

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Story is one page in one state.
type Story struct {
	Name string // of the state, unique
	Page string // the page's name
	Make func(page.Frame) any
}

// Now is the moment at which the examples stand still.
var Now = time.Date(2026, 3, 10, 11, 9, 0, 0, time.UTC)

// Zone is the examples' account zone.
var Zone = must(time.LoadLocation("Europe/Berlin"))

func must(l *time.Location, err error) *time.Location {
	if err != nil {
		return time.UTC
	}
	return l
}

var places = map[string]string{"overview": "/", "list": "/orders", "order": "/orders/EU1/x/1", "ship": "/ship", "messages": "/messages", "runs": "/runs",
	"run": "/runs/run-1", "runnew": "/runs/new", "accounts": "/accounts"}

// Frame is the surroundings of the example.
func (s Story) Frame(l i18n.Lang, theme string, role page.Role) page.Frame {
	return page.Frame{User: "Anna Krüger", Role: role, Lang: l, Theme: theme, URL: places[s.Page], Now: Now, Zone: Zone, Deferred: 4, Messages: 1}
}

// Stories lists every example in the order of the navigation.
func Stories() []Story {
	var all []Story
	for _, part := range [][]Story{overviews(), lists(), orders(), ships(), others()} {
		all = append(all, part...)
	}
	return all
}

// states returns one story per state of a shipment.
func states() []Story {
	var out []Story
	for _, s := range shipments() {
		name := string(s.State)
		if s.Kind != "" {
			name += "-" + string(s.Kind)
		}
		out = append(out, Story{Name: "order-" + name, Page: "order", Make: func(f page.Frame) any { return order(f, s) }})
	}
	seen := map[string]bool{}
	kept := out[:0]
	for _, s := range out {
		if !seen[s.Name] {
			seen[s.Name], kept = true, append(kept, s)
		}
	}
	return kept
}

// Handler serves the examples: an index at /, each under /story/<name>?lang=&theme=&role=.
func Handler(r *page.Renderer, assets *page.Assets) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(page.Prefix, assets)
	mux.HandleFunc("GET /{$}", index)
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, q *http.Request) { // connected, and nothing ever changes
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush() // a visitor who has gone is seen below
		<-q.Context().Done()
	})
	mux.HandleFunc("GET /story/{name}", func(w http.ResponseWriter, q *http.Request) {
		lang, ok := i18n.Valid(q.FormValue("lang"))
		if !ok {
			lang = i18n.DE
		}
		role := page.Role(q.FormValue("role"))
		if role == "" {
			role = page.Operator
		}
		for _, s := range Stories() {
			if s.Name != q.PathValue("name") {
				continue
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := r.Render(w, lang, s.Page, s.Make(s.Frame(lang, q.FormValue("theme"), role))); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
			return
		}
		http.NotFound(w, q)
	})
	return mux
}

func index(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	b.WriteString("<!doctype html><meta charset=utf-8><title>Storybook</title><ul>")
	all := Stories()
	sort.SliceStable(all, func(i, j int) bool { return all[i].Page < all[j].Page })
	for _, s := range all {
		b.WriteString("<li>" + html.EscapeString(s.Name))
		for _, l := range i18n.Langs {
			for _, theme := range []string{"light", "dark"} {
				q := url.Values{"lang": {string(l)}, "theme": {theme}}
				fmt.Fprintf(&b, ` <a href="/story/%s?%s">%s %s</a>`, html.EscapeString(s.Name), html.EscapeString(q.Encode()), l, theme)
			}
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(b.String())) // the visitor has gone: nothing to do
}

func ago(d time.Duration) time.Time { return Now.Add(-d) }

func key(n int) shipment.Key {
	return shipment.Key{Connection: "EU1", Order: fmt.Sprintf("028-%07d-%07d", 4410273+n*7919, 1184042+n*104729), Package: "1"}
}
