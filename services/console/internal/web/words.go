package web

import (
	"errors"
	"regexp"
	"strings"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// known are the sentences of the doors and of the state table that the console says in its own words. What is not among
// them is shown as it was said, in English.
var known = []struct {
	field string // empty: any
	text  *regexp.Regexp
	key   string
}{
	{"tracking", regexp.MustCompile(`is missing: Amazon refuses`), "problem.missing_tracking"},
	{"carrier", regexp.MustCompile(`is missing: Amazon refuses`), "problem.missing_carrier"},
	{"order", regexp.MustCompile(`is not an Amazon order id`), "problem.order"},
	{"package", regexp.MustCompile(`must be a positive number`), "problem.package"},
	{"account", regexp.MustCompile(`already known under account`), "problem.account_other"},
	{"", regexp.MustCompile(`is not among the accounts`), "problem.foreign_account"},
	{"account", regexp.MustCompile(`is missing|is not configured|is not an account`), "problem.account"},
	{"comment", regexp.MustCompile(`is missing`), "flash.comment"},
	{"items", regexp.MustCompile(`.`), "problem.items"},
	{"", regexp.MustCompile(`lies in the future`), "problem.future"},
	{"shipped_at", regexp.MustCompile(`.`), "problem.shipped_at"},
	{"", regexp.MustCompile(`is being sent right now`), "problem.being_sent"},
	{"", regexp.MustCompile(`is being checked with Amazon`), "problem.unanswered"},
	{"", regexp.MustCompile(`changes nothing`), "problem.nothing_new"},
	{"", regexp.MustCompile(`is (pending|transmitting|deferred|doubt|confirmed|expired|excluded|not_required|closed): "\w+" is not possible`), "problem.not_from_here"},
	{"", regexp.MustCompile(`characters long`), "problem.long"},
	{"", regexp.MustCompile(`control characters|blanks? (around|inside)|has a blank`), "problem.characters"},
	{"", regexp.MustCompile(`^is missing`), "problem.required"},
}

// phrase says a problem in the visitor's language; field is the form's name for it.
func (c *call) phrase(field, text string) string {
	for _, k := range known {
		if k.field != "" && k.field != field {
			continue
		}
		m := k.text.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		if k.key == "problem.not_from_here" {
			return c.plain(k.key, "state", c.plain("state."+m[1]))
		}
		return c.plain(k.key)
	}
	return text
}

// plain is a sentence as text, to be escaped by whoever draws it.
func (c *call) plain(key string, args ...any) string { return c.draw.Plain(c.lang, key, args...) }

// words say an error in the visitor's language. English keeps the error's own, which are more exact.
func (c *call) words(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err.Error()
	}
	text := f.Text
	if c.lang == i18n.EN {
		if f.Field != "" {
			text = f.Field + " " + text
		}
		if r := ops.Remedy(err); r != "" {
			text += ": " + r
		}
		return text
	}
	return c.phrase(formField(f.Field), text)
}

// formField is the form's name for a field of an error.
func formField(name string) string {
	switch name {
	case "carrierCode":
		return "carrier_code"
	case "carrierName":
		return "carrier_name"
	case "shippingMethod":
		return "method"
	}
	return page.FormField(name)
}

// problems sorts an error by form fields; what belongs to none is returned as a sentence.
func (c *call) problems(err error) (fields map[string]string, rest string) {
	var f *fault.Error
	if errors.As(err, &f) && formField(f.Field) != "" {
		name := formField(f.Field)
		return map[string]string{name: c.phrase(name, f.Text)}, ""
	}
	return nil, c.words(err)
}

// sort splits the problems of a verdict in the same way.
func (c *call) sorted(in []door.Problem) (fields map[string]string, rest []string) {
	fields = map[string]string{}
	for _, p := range in {
		name := formField(p.Field)
		said := c.phrase(name, p.Text)
		if name == "" {
			if p.Field != "" && said == p.Text {
				said = p.Field + ": " + said
			}
			rest = append(rest, said)
			continue
		}
		fields[name] = said
	}
	return fields, rest
}

// outcome words the result of an operation on several shipments.
func (c *call) outcome(key string, b ops.Bulk) flash {
	var f flash
	if b.Done > 0 {
		f.Notices = append(f.Notices, page.Notice{Tone: page.Good, Sentence: page.Say("flash."+key, "n", b.Done)})
	}
	if b.Failed > 0 {
		n := page.Notice{Tone: page.Bad, Sentence: page.Say("flash.failed", "n", b.Failed)}
		for _, it := range b.Items {
			if it.Err == nil {
				continue
			}
			if len(n.Lines) == maxLines {
				n.Lines = append(n.Lines, page.Line{Label: "…", Text: c.plain("flash.more", "n", b.Failed-maxLines)})
				break
			}
			n.Lines = append(n.Lines, page.Line{Label: it.Key.Order, URL: page.OrderURL(it.Key), Text: clip(c.words(it.Err), 120)})
		}
		f.Notices = append(f.Notices, n)
	}
	return f
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}

// texts of a set of states, for filters that come from an address.
func state(s string) (shipment.State, bool) {
	for _, x := range shipment.States {
		if string(x) == s {
			return x, true
		}
	}
	return "", false
}

func trimmed(s string) string { return strings.TrimSpace(s) }
