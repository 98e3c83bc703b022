package page

import (
	"bytes"
	"embed"
	"fmt"
	"html"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

//go:embed templates/*.html
var templates embed.FS

// Names lists the pages; each has a template of its name.
var Names = [...]string{"overview", "list", "order", "open", "ship", "messages", "runs", "run", "runnew", "accounts", "login", "failure", "help"}

// Renderer draws pages. It is safe for concurrent use.
type Renderer struct {
	catalog *i18n.Catalog
	assets  *Assets
	sets    map[i18n.Lang]map[string]*template.Template
}

// NewRenderer parses all templates once per language.
func NewRenderer(assets *Assets) (*Renderer, error) {
	c, err := i18n.Load()
	if err != nil {
		return nil, fmt.Errorf("load texts: %w", err)
	}
	r := &Renderer{catalog: c, assets: assets, sets: map[i18n.Lang]map[string]*template.Template{}}
	for _, l := range i18n.Langs {
		r.sets[l] = map[string]*template.Template{}
		for _, name := range Names {
			t, err := template.New(name).Funcs(r.funcs(l)).ParseFS(templates, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
			if err != nil {
				return nil, fmt.Errorf("parse page %s: %w", name, err)
			}
			r.sets[l][name] = t
		}
	}
	return r, nil
}

// Render draws the page of a name; data is its struct of this package. Nothing is written when drawing goes wrong.
func (r *Renderer) Render(w io.Writer, l i18n.Lang, name string, data any) error {
	t := r.sets[l][name]
	if t == nil {
		return fmt.Errorf("render %s in %q: there is no such page", name, l)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	_, err := b.WriteTo(w)
	return err
}

// Plain is a sentence of the catalogue as text, for places that escape it themselves.
func (r *Renderer) Plain(l i18n.Lang, key string, args ...any) string {
	return html.UnescapeString(string(r.catalog.Text(l, key, args...)))
}

// Has reports whether the catalogue knows a key.
func (r *Renderer) Has(key string) bool { return r.catalog.Has(key) }

func (r *Renderer) funcs(l i18n.Lang) template.FuncMap {
	text := func(key string, args ...any) template.HTML { return r.catalog.Text(l, key, args...) }
	return template.FuncMap{
		"t":   text,
		"has": r.catalog.Has,
		"say": func(s any) template.HTML {
			switch s := s.(type) {
			case Sentence:
				return r.sentence(l, s)
			case *Sentence:
				return r.sentence(l, *s)
			}
			return ""
		},
		"num":   func(n int) string { return i18n.Number(l, int64(n)) },
		"rate":  func(f float64) string { return i18n.Format(l, f) },
		"clash": func(c job.Clash) string { return c.Text(string(l)) },
		"when":  func(t time.Time, z *time.Location) template.HTML { return timeTag(l, t, z, "datetime") },
		"clock": func(t time.Time, z *time.Location) template.HTML { return timeTag(l, t, z, "time") },
		"until": func(now, t time.Time) template.HTML { return until(l, now, t) },
		"took":  func(d time.Duration) string { return took(d) },
		"words": func(t outcome.Text) string {
			if l == i18n.EN {
				return t.EN
			}
			return t.DE
		},
		"detail": func(s Row) template.HTML { return detail(text, s) },
		"field":  func(name string) template.HTML { return text(fieldKey(name)) },
		"asset":  r.assets.URL,
		"here":   here,
		"dict":   dict,
		"list":   func(v ...any) []any { return v },
		"items":  Items,
		"lang":   func() string { return string(l) },
		"other":  func() string { return string(other(l)) },
		"nl":     func() template.HTML { return "\n" },
		"join":   strings.Join,
		"iso":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}
}

func other(l i18n.Lang) i18n.Lang {
	if l == i18n.DE {
		return i18n.EN
	}
	return i18n.DE
}

// At is a moment in a sentence, shown in an account's zone until the script shows it in the visitor's.
type At struct {
	Time  time.Time
	Zone  *time.Location
	Clock bool // the time of day only
}

// sentence words s. Moments among its arguments become time elements, sentences are worded themselves.
func (r *Renderer) sentence(l i18n.Lang, s Sentence) template.HTML {
	args := make([]any, len(s.Args))
	for i, a := range s.Args {
		args[i] = a
		switch a := a.(type) {
		case At:
			form := "datetime"
			if a.Clock {
				form = "time"
			}
			args[i] = timeTag(l, a.Time, a.Zone, form)
		case Sentence:
			args[i] = r.sentence(l, a)
		}
	}
	return r.catalog.Text(l, s.Key, args...)
}

func timeTag(l i18n.Lang, t time.Time, z *time.Location, form string) template.HTML {
	if t.IsZero() {
		return `<span class="none">–</span>`
	}
	if z == nil {
		z = time.UTC
	}
	layout := map[string]string{"datetime": "02.01.06 15:04", "time": "15:04"}[form]
	if l == i18n.EN && form == "datetime" {
		layout = "2 Jan 06 15:04"
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" data-form="%s">%s</time>`,
		t.UTC().Format(time.RFC3339), form, template.HTMLEscapeString(t.In(z).Format(layout+" MST"))))
}

func until(l i18n.Lang, now, t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	return template.HTML(fmt.Sprintf(`<span data-until="%s">%s</span>`, t.UTC().Format(time.RFC3339), took(t.Sub(now))))
}

// took writes a duration in at most two units: 3 d 4 h, 2 h 05 min, 12 min, 40 s.
func took(d time.Duration) string {
	d = max(d, 0)
	day, h, m, s := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case day > 0:
		return fmt.Sprintf("%d d %d h", day, h)
	case h > 0:
		return fmt.Sprintf("%d h %02d min", h, m)
	case m >= 10:
		return fmt.Sprintf("%d min", m)
	case m > 0:
		return fmt.Sprintf("%d min %02d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}

// detail is what refines a state in the list: why it was deferred, how it was confirmed, why it was closed.
func detail(text func(string, ...any) template.HTML, s Row) template.HTML {
	switch {
	case s.State == shipment.Expired:
		return text("detail.expired", "days", s.AgeDays)
	case s.State == shipment.Excluded, s.State == shipment.Doubt:
		return text("detail." + string(s.State))
	case s.Kind == shipment.Incomplete:
		return text("detail.incomplete", "field", text(fieldKey(MissingField(s.Shipment))))
	case s.Kind != "":
		return text("detail." + string(s.Kind))
	}
	return ""
}

// MissingField is the form field an incomplete shipment lacks.
func MissingField(s shipment.Shipment) string {
	switch {
	case s.Answer != nil && s.Answer.Field != "":
		return FormField(s.Answer.Field)
	case s.Data.Tracking == "":
		return "tracking"
	case s.Data.Carrier == "":
		return "carrier"
	}
	return "items"
}

// FormField is the name of the form field behind a field of the event, of the ledger or of the outcome catalogue.
func FormField(name string) string {
	switch name {
	case "trackingNumber", "tracking", "data.trackingNumber":
		return "tracking"
	case "shippedAt", "shipDate", "shipped_at":
		return "shipped_at"
	case "service", "method", "shippingMethod":
		return "service"
	case "order", "amazonOrderId":
		return "order"
	case "packageReferenceId", "package":
		return "package"
	case "shipBy":
		return "ship_by"
	case "labelSource":
		return "label_source"
	case "carrier", "items", "account", "reference", "comment", "programs":
		return name
	}
	if strings.HasPrefix(name, "items") {
		return "items"
	}
	return ""
}

func fieldKey(name string) string {
	if f := FormField(name); f != "" {
		return "field." + f
	}
	return "field." + name
}

// Items writes a package's items as the form reads them: one per line, item id and quantity.
func Items(in []shipment.Item) string {
	lines := make([]string, len(in))
	for i, it := range in {
		lines[i] = fmt.Sprintf("%s %d", it.OrderItemID, it.Quantity)
	}
	return strings.Join(lines, "\n")
}

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: a name lacks its value")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m, nil
}

// here reports whether the page at an address belongs to an entry of the navigation.
func here(at, entry string) bool {
	path, _, _ := strings.Cut(at, "?")
	return path == entry || entry != "/" && strings.HasPrefix(path, entry+"/")
}
