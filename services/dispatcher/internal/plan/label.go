package plan

import (
	"fmt"
	"slices"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Amazon's programmes that decide whether an order is confirmed by us. Source: Amazon's model orders_2026-01-01.json,
// programs; "Ship+ orders do not support confirmShipment" in Amazon's guide to confirming shipments.
const (
	prime    = "PRIME"
	shipPlus = "FBM_SHIP_PLUS"
	easyShip = "AMAZON_EASY_SHIP"
)

// About is what is known of an order for deciding about its label.
type About struct {
	Known        bool // from a comparison, a sender or a reading; Programs and ServiceLevel say nothing otherwise
	Asked        bool // read at Amazon just now, which showed it as not shipped
	Programs     []string
	ServiceLevel string
}

// Label is what is to become of a shipment for the sake of its label.
type Label int

// The decisions about a label.
const (
	Send     Label = iota
	NotOurs        // Amazon confirms the order by itself, or sends it
	AskFirst       // read the order, then decide again
)

// Labelled decides by who sold a shipment's label: what the sender says, else the programme, else the account's rules, else
// Amazon. The reason names the rule and its version. That an order is a Prime one does not tell who sold the label.
func Labelled(s shipment.Shipment, a settings.Account, about About) (Label, string) {
	in := func(program string) bool {
		return slices.Contains(s.Data.Programs, program) || about.Known && slices.Contains(about.Programs, program)
	}
	switch {
	case s.Data.LabelSource == shipment.LabelAmazon:
		return NotOurs, "label bought from Amazon"
	case in(shipPlus):
		return NotOurs, "Ship+ orders need no confirmation"
	case in(easyShip):
		return NotOurs, "Amazon ships Easy Ship orders itself"
	case s.Data.LabelSource == shipment.LabelOwn:
		return Send, ""
	case in(prime):
		return byRule(s, a, about)
	case about.Known || len(s.Data.Programs) > 0 || len(a.Labels.Rules) == 0:
		return Send, "" // not a Prime order, or an account that sells none: no reading is spent on it
	}
	return AskFirst, ""
}

// byRule decides about a Prime order whose sender does not tell who sold the label.
func byRule(s shipment.Shipment, a settings.Account, about About) (Label, string) {
	level := ""
	if about.Known {
		level = about.ServiceLevel
	}
	rule, number := a.Labels.For(level, a.Marketplace, day(s, a))
	switch {
	case number > 0 && rule.Label == settings.LabelByAmazon:
		return NotOurs, fmt.Sprintf("label bought from Amazon, by rule %d of version %d of the label rules (%s)", number, a.Labels.Version, rule)
	case number > 0 && rule.Label == settings.LabelByOwn, about.Asked:
		return Send, ""
	}
	return AskFirst, ""
}

// day is the day of shipping where the account is at home.
func day(s shipment.Shipment, a settings.Account) string {
	return s.Data.ShippedAt.In(a.Schedule.Location()).Format(time.DateOnly)
}
