package settings

import (
	"strings"
	"testing"
)

func TestLabelRulesAreChecked(t *testing.T) {
	for want, l := range map[string]Labels{
		"":                    {Rules: []LabelRule{{Label: LabelAsk}, {ServiceLevel: "NEXT_DAY", From: "2026-01-01", To: "2026-01-01", Label: LabelByOwn}}},
		"rules[0].label":      {Rules: []LabelRule{{Label: "amzon"}}},
		"rules[1].label":      {Rules: []LabelRule{{Label: LabelAsk}, {}}},
		"rules[0].from":       {Rules: []LabelRule{{From: "1.1.2026", Label: LabelAsk}}},
		"rules[0].to: \"soon": {Rules: []LabelRule{{To: "soon", Label: LabelAsk}}},
		"rules[0].to: 2026":   {Rules: []LabelRule{{From: "2026-02-01", To: "2026-01-31", Label: LabelAsk}}},
		"rules: 201":          {Rules: make([]LabelRule, MaxLabelRules+1)},
		"at most 50":          {Rules: []LabelRule{{ServiceLevel: strings.Repeat("x", 51), Label: LabelAsk}}},
	} {
		err := l.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
