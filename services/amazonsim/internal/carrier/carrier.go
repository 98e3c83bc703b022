// Package carrier holds what Amazon checks about carriers: the carrier codes it accepts, as data in
// carriers.txt, and the form it expects of a tracking number. Amazon publishes the codes in its feed
// schema and announces the check of the form, but not its patterns: these are the carriers' own common
// forms, and a carrier without a pattern passes. It neither knows orders nor decides what is answered.
package carrier

import (
	_ "embed"
	"regexp"
	"strings"
)

//go:embed carriers.txt
var list string

// Book answers questions about carriers. It does not change after New and is safe for concurrent use.
type Book struct {
	codes map[string]bool
	forms map[string]*regexp.Regexp
}

// New returns a book of the embedded carrier codes and the extra ones.
func New(extra []string) *Book {
	b := &Book{codes: map[string]bool{}, forms: map[string]*regexp.Regexp{}}
	for line := range strings.Lines(list) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			b.codes[line] = true
		}
	}
	for _, code := range extra {
		b.codes[code] = true
	}
	for pattern, codes := range forms() {
		form := regexp.MustCompile("^(?:" + pattern + ")$")
		for _, code := range codes {
			b.forms[code] = form
		}
	}
	return b
}

// Known reports whether Amazon accepts code. Case and blanks count.
func (b *Book) Known(code string) bool { return b.codes[code] }

// Len is the number of known codes.
func (b *Book) Len() int { return len(b.codes) }

// Fits reports whether tracking has the form the carrier's numbers have.
func (b *Book) Fits(code, tracking string) bool {
	form, ok := b.forms[code]
	return !ok || form.MatchString(tracking)
}

const s10 = `[A-Z]{2}\d{9}[A-Z]{2}` // the Universal Postal Union's form

func forms() map[string][]string {
	return map[string][]string{
		`\d{12}|\d{20}|JJD\d{16,20}|` + s10: {"DHL", "DHL-Paket"},
		s10 + `|\d{12}|\d{20}`:              {"Deutsche Post"},
		`\d{14}|[0-9A-Z]{15,28}`:            {"DPD"},
		`[0-9A-Za-z]{8,12}`:                 {"GLS"},
		`\d{14}|H\d{19}`:                    {"Hermes", "Hermes Logistik Gruppe"},
		`1Z[0-9A-Z]{16}`:                    {"UPS"},
		`\d{12}|\d{15}|\d{20}`:              {"FedEx"},
		`[A-Z]{2}\d{6,}`:                    {"Amazon Shipping"},
	}
}
