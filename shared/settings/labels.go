package settings

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
)

// Labels says who sold the label of Seller Fulfilled Prime orders whose sender does not tell. Rules are tried in order, the
// first that fits wins; where none does, Amazon is asked.
type Labels struct {
	Version int         `json:"version,omitempty" yaml:"version,omitempty"` // of the table; goes up with every change
	Rules   []LabelRule `json:"rules,omitempty" yaml:"rules,omitempty"`
}

// LabelBy is what a rule says of a label.
type LabelBy string

// What a rule can say.
const (
	LabelByAmazon LabelBy = "amazon" // bought from Amazon, which confirms the order by itself: nothing is sent
	LabelByOwn    LabelBy = "own"    // the seller's own: sent
	LabelAsk      LabelBy = "ask"    // look at the order at Amazon first: sent unless Amazon shows it as shipped
)

// LabelRule is one line of the table. The days are days of shipping in the account's zone.
type LabelRule struct {
	ServiceLevel string  `json:"serviceLevel,omitempty" yaml:"serviceLevel,omitempty"` // Amazon's: STANDARD, NEXT_DAY ...; * for any characters; empty for all
	Marketplace  string  `json:"marketplace,omitempty" yaml:"marketplace,omitempty"`   // Amazon's id; empty for the account's
	From         string  `json:"from,omitempty" yaml:"from,omitempty"`                 // first day, as 2026-01-31; empty: since ever
	To           string  `json:"to,omitempty" yaml:"to,omitempty"`                     // last day; empty: for ever
	Label        LabelBy `json:"label" yaml:"label"`
}

// String is the rule as people read it in a shipment's history.
func (r LabelRule) String() string {
	parts := []string{"any service level"}
	if r.ServiceLevel != "" {
		parts[0] = r.ServiceLevel
	}
	if r.Marketplace != "" {
		parts = append(parts, r.Marketplace)
	}
	if r.From != "" {
		parts = append(parts, "from "+r.From)
	}
	if r.To != "" {
		parts = append(parts, "until "+r.To)
	}
	return strings.Join(parts, ", ") + ": " + string(r.Label)
}

// For returns the rule for a service level, a marketplace and a day of shipping (2026-01-31), and its number from 1 on; 0
// when none fits, or when one of the first would have to know the service level and it is empty.
func (l Labels) For(level, marketplace, day string) (r LabelRule, number int) {
	for i, r := range l.Rules {
		if r.Marketplace != "" && r.Marketplace != marketplace || r.From != "" && day < r.From || r.To != "" && day > r.To {
			continue
		}
		if level == "" && strings.Trim(r.ServiceLevel, "*") != "" {
			return LabelRule{}, 0
		}
		if r.ServiceLevel == "" || like(r.ServiceLevel, level) {
			return r, i + 1
		}
	}
	return LabelRule{}, 0
}

// MaxLabelRules bounds the table of an account.
const MaxLabelRules = 200

func (l Labels) check(bad func(field, format string, args ...any)) {
	if len(l.Rules) > MaxLabelRules {
		bad("rules", "%d are too many: at most %d", len(l.Rules), MaxLabelRules)
		return
	}
	for i, r := range l.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		switch r.Label {
		case LabelByAmazon, LabelByOwn, LabelAsk:
		default:
			bad(at+".label", "%q must be amazon, own or ask", r.Label)
		}
		for _, d := range []struct{ f, v string }{{".from", r.From}, {".to", r.To}} {
			if _, err := time.Parse(time.DateOnly, d.v); d.v != "" && err != nil {
				bad(at+d.f, "%q is not a day such as 2026-01-31", d.v)
			}
		}
		if r.From != "" && r.To != "" && r.To < r.From {
			bad(at+".to", "%s lies before from, %s: the rule would never fit", r.To, r.From)
		}
		if len(r.ServiceLevel) > 50 || len(r.Marketplace) > 50 {
			bad(at, "serviceLevel and marketplace have at most 50 characters")
		}
	}
}

// Check reports what is wrong with the table, joined; nil when it is usable.
func (l Labels) Check() error {
	var errs []error
	l.check(func(f, format string, args ...any) { errs = append(errs, fault.Field(f, format, args...)) })
	return errors.Join(errs...)
}
