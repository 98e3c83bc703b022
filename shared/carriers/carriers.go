// Package carriers is what is known of Amazon's carrier codes, and of the form of carriers' tracking numbers, to warn whoever
// reports a shipment before Amazon refuses it. Both are data that Amazon may change, so they never decide anything. The codes
// are an excerpt of the enumeration CarrierCode of Amazon's feed schema amzn-base.xsd; the forms are the carriers' own common ones, for
// Amazon does not publish its patterns.
package carriers

import (
	_ "embed"
	"regexp"
	"strings"
)

//go:embed carriers.txt
var list string

var codes = func() map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(list) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			out[line] = true
		}
	}
	return out
}()

// Known reports whether the code is on the list. Case and blanks count.
func Known(code string) bool { return codes[code] }

const s10 = `[A-Z]{2}[0-9]{9}[A-Z]{2}` // the Universal Postal Union's form

var forms = func() map[string]*regexp.Regexp {
	out := map[string]*regexp.Regexp{}
	for _, f := range []struct {
		pattern string
		codes   []string
	}{
		{`[0-9]{12}|[0-9]{20}|JJD[0-9]{16,20}|` + s10, []string{"DHL", "DHL-Paket"}},
		{s10 + `|[0-9]{12}|[0-9]{20}`, []string{"Deutsche Post"}},
		{`[0-9]{14}|[0-9A-Z]{15,28}`, []string{"DPD"}},
		{`[0-9A-Za-z]{8,12}`, []string{"GLS"}},
		{`[0-9]{14}|H[0-9]{19}`, []string{"Hermes", "Hermes Logistik Gruppe"}},
		{`1Z[0-9A-Z]{16}`, []string{"UPS"}},
		{`[0-9]{12}|[0-9]{15}|[0-9]{20}`, []string{"FedEx"}},
	} {
		for _, c := range f.codes {
			out[c] = regexp.MustCompile("^(?:" + f.pattern + ")$")
		}
	}
	return out
}()

// Fits reports whether a tracking number has the form that numbers of the carrier have; true where no form is known.
func Fits(code, tracking string) bool {
	form, known := forms[code]
	return !known || form.MatchString(tracking)
}
