package plan

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestLabelled(t *testing.T) {
	const here = "A1PA6795UKMFR9"
	table := []settings.LabelRule{
		{ServiceLevel: "NEXT_DAY", From: "2026-11-20", To: "2026-11-30", Label: settings.LabelByAmazon},
		{ServiceLevel: "next*", Label: settings.LabelByOwn},
		{Marketplace: "A1F83G8C2ARO7P", Label: settings.LabelByAmazon},
		{ServiceLevel: "SAME_DAY", Label: settings.LabelAsk},
	}
	known := func(level string, programs ...string) About {
		return About{Known: true, ServiceLevel: level, Programs: programs}
	}
	asked := func(a About) About { a.Asked = true; return a }
	for _, row := range []struct {
		name     string
		label    shipment.LabelSource
		programs []string
		rules    []settings.LabelRule
		about    About
		day      string // of shipping, in UTC
		want     Label
		why      string
	}{
		{"told: Amazon's", shipment.LabelAmazon, nil, nil, About{}, "", NotOurs, "label bought from Amazon"},
		{"told: own, Prime, rule says Amazon", shipment.LabelOwn, []string{"PRIME"}, table, known("NEXT_DAY", "PRIME"), "", Send, ""},
		{"Ship+ by the sender, even with an own label", shipment.LabelOwn, []string{"FBM_SHIP_PLUS"}, nil, About{}, "", NotOurs, "Ship+"},
		{"Ship+ by knowledge", "", nil, nil, known("", "PRIME", "FBM_SHIP_PLUS"), "", NotOurs, "Ship+"},
		{"Easy Ship", shipment.LabelOwn, nil, nil, known("", "AMAZON_EASY_SHIP"), "", NotOurs, "Easy Ship"},
		{"nothing known, no rules", "", nil, nil, About{}, "", Send, ""},
		{"nothing known, rules", "", nil, table, About{}, "", AskFirst, ""},
		{"known as no Prime order", "", nil, table, known("NEXT_DAY"), "", Send, ""},
		{"told as no Prime order", "", []string{"AMAZON_BUSINESS"}, table, About{}, "", Send, ""},
		{"Prime, no rules", shipment.LabelUnknown, []string{"PRIME"}, nil, About{}, "", AskFirst, ""},
		{"Prime, no rules, asked", shipment.LabelUnknown, []string{"PRIME"}, nil, asked(known("")), "", Send, ""},
		{"Prime, rule 1", "", nil, table, known("NEXT_DAY", "PRIME"), "2026-11-25T12:00:00Z", NotOurs, "rule 1 of version 7 of the label rules (NEXT_DAY, from 2026-11-20, until 2026-11-30: amazon)"},
		{"Prime, the first day, which begins earlier in Berlin", "", nil, table, known("NEXT_DAY", "PRIME"), "2026-11-19T23:30:00Z", NotOurs, "rule 1"},
		{"Prime, the day before", "", nil, table, known("NEXT_DAY", "PRIME"), "2026-11-19T22:30:00Z", Send, ""},
		{"Prime, the last day", "", nil, table, known("NEXT_DAY", "PRIME"), "2026-11-30T22:30:00Z", NotOurs, "rule 1"},
		{"Prime, the day after", "", nil, table, known("NEXT_DAY", "PRIME"), "2026-11-30T23:30:00Z", Send, ""},
		{"Prime, ask", "", nil, table, known("SAME_DAY", "PRIME"), "", AskFirst, ""},
		{"Prime, ask, asked", "", nil, table, asked(known("SAME_DAY", "PRIME")), "", Send, ""},
		{"Prime, no rule fits", "", nil, table, known("STANDARD", "PRIME"), "", AskFirst, ""},
		{"Prime, level unknown", "", []string{"PRIME"}, table, About{}, "", AskFirst, ""},
		{"Prime, level unknown, rule for all", "", []string{"PRIME"}, []settings.LabelRule{{Label: settings.LabelByAmazon}}, About{}, "", NotOurs, "any service level: amazon"},
		{"Prime, asked, then rule 1", "", nil, table, asked(known("NEXT_DAY", "PRIME")), "", NotOurs, "rule 1"},
	} {
		at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
		if row.day != "" {
			at, _ = time.Parse(time.RFC3339, row.day)
		}
		s := shipment.Shipment{State: shipment.Pending, Data: shipment.Data{LabelSource: row.label, Programs: row.programs, ShippedAt: at}}
		a := settings.Account{Marketplace: here, Schedule: settings.Schedule{Zone: "Europe/Berlin"}, Labels: settings.Labels{Version: 7, Rules: row.rules}}
		got, why := Labelled(s, a, row.about)
		if got != row.want || !strings.Contains(why, row.why) || (why != "") != (got == NotOurs) {
			t.Errorf("%s: %d %q, want %d %q", row.name, got, why, row.want, row.why)
		}
	}
}
