// Package i18n holds every word of the console in German and English. A sentence exists in both languages or not at
// all, because the catalogue stores them as a pair; texts may name arguments and bend one word by a number. It returns
// HTML whose arguments are escaped, so that no value a sender chose can become markup. It does not choose the language
// for good (a visitor's cookie does, Pick only reads the browser's wish) and knows nothing of pages or time zones.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

// Lang is a language of the console.
type Lang string

// The languages. German is the default: the product's users are German merchants first.
const (
	DE Lang = "de"
	EN Lang = "en"
)

// Langs lists them.
var Langs = [...]Lang{DE, EN}

//go:embed catalog/*.json
var files embed.FS

// Catalog is the read-only collection of all texts. It is safe for concurrent use.
type Catalog struct{ texts map[string][2]string }

// Load reads the embedded catalogue and reports a key that occurs twice.
func Load() (*Catalog, error) {
	c := &Catalog{texts: map[string][2]string{}}
	names, err := fs.Glob(files, "catalog/*.json")
	if err != nil {
		return nil, fmt.Errorf("list catalogue: %w", err)
	}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		part := map[string][2]string{}
		if err := json.Unmarshal(raw, &part); err != nil {
			return nil, fmt.Errorf("decode %s: %w", name, err)
		}
		for k, v := range part {
			if _, twice := c.texts[k]; twice {
				return nil, fmt.Errorf("%s: key %q is defined twice", name, k)
			}
			c.texts[k] = v
		}
	}
	return c, nil
}

// Has reports whether the key exists.
func (c *Catalog) Has(key string) bool { _, ok := c.texts[key]; return ok }

// Keys lists all keys in order.
func (c *Catalog) Keys() []string {
	keys := make([]string, 0, len(c.texts))
	for k := range c.texts {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Raw returns a text with its placeholders as written.
func (c *Catalog) Raw(l Lang, key string) string {
	pair := c.texts[key]
	if l == EN {
		return pair[1]
	}
	return pair[0]
}

var placeholder = regexp.MustCompile(`\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}`)

// Text returns the text of a key with its arguments, given as name, value, name, value. {n} inserts a value,
// {n:order|orders} the first word when the integer n is 1, else the second. Strings are escaped, integers get the
// language's thousands separator, template.HTML goes in as it is. A missing key or argument shows in angle brackets.
func (c *Catalog) Text(l Lang, key string, args ...any) template.HTML {
	if !c.Has(key) {
		return template.HTML(template.HTMLEscapeString("⟨" + key + "⟩"))
	}
	values := map[string]any{}
	for i := 0; i+1 < len(args); i += 2 {
		values[fmt.Sprint(args[i])] = args[i+1]
	}
	text := template.HTMLEscapeString(c.Raw(l, key))
	return template.HTML(placeholder.ReplaceAllStringFunc(text, func(m string) string {
		p := placeholder.FindStringSubmatch(m)
		v, ok := values[p[1]]
		if !ok {
			return "⟨" + p[1] + "⟩"
		}
		if strings.Contains(m, ":") {
			if one(v) {
				return p[2]
			}
			return p[3]
		}
		return Format(l, v)
	}))
}

func one(v any) bool { return fmt.Sprint(v) == "1" }

// Format returns a value as escaped HTML in the manner of the language.
func Format(l Lang, v any) string {
	switch x := v.(type) {
	case template.HTML:
		return string(x)
	case int:
		return Number(l, int64(x))
	case int64:
		return Number(l, x)
	case uint64:
		return Number(l, int64(x))
	case float64:
		s := strconv.FormatFloat(x, 'f', 1, 64)
		if l == DE {
			s = strings.Replace(s, ".", ",", 1)
		}
		return s
	}
	return template.HTMLEscapeString(fmt.Sprint(v))
}

// Number writes n with the language's thousands separator.
func Number(l Lang, n int64) string {
	sep := byte('.')
	if l == EN {
		sep = ','
	}
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	var b []byte
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b = append(b, sep)
		}
		b = append(b, s[i])
	}
	if neg {
		return "-" + string(b)
	}
	return string(b)
}

// Valid reads a language from a cookie or a form; false for anything else.
func Valid(s string) (Lang, bool) {
	for _, l := range Langs {
		if s == string(l) {
			return l, true
		}
	}
	return "", false
}

// Pick reads an Accept-Language header: the wanted language with the highest weight that the console speaks, else English
// for those who named others only, German when nothing was named.
func Pick(header string) Lang {
	best, weight := Lang(""), 0.0
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				q = f
			}
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if l, ok := Valid(base); ok && q > weight {
			best, weight = l, q
		}
	}
	switch {
	case best != "":
		return best
	case strings.TrimSpace(header) == "":
		return DE
	}
	return EN
}
