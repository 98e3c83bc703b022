package ops

import (
	"context"
	"fmt"
	"strings"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Mapped is the answer to MapCarrier.
type Mapped struct {
	Rules    []settings.MapRule // the account's rules now
	Repaired Bulk               // the refused shipments that go among the first of the next run
}

// MapCarrier adds a rule to an account's mapping, or replaces the one for the same carrier, service and country. The
// shipments Amazon had refused because of this carrier are put in the queue again, so that the next run sends them first.
func (o *Ops) MapCarrier(ctx context.Context, a Actor, id shipment.AccountID, rule settings.MapRule, comment string) (Mapped, error) {
	if err := a.need(Operator); err != nil {
		return Mapped{}, err
	}
	why, err := reason(comment)
	if err != nil {
		return Mapped{}, err
	}
	c, _, err := o.account(a, id)
	if err != nil {
		return Mapped{}, err
	}
	if err := checkRule(rule); err != nil {
		return Mapped{}, err
	}
	var m Mapped
	err = o.edit(ctx, c.ID, id, func(acc *settings.Account) {
		acc.Mapping.Rules = withRule(acc.Mapping.Rules, rule)
		acc.Mapping.Version++
		m.Rules = acc.Mapping.Rules
	})
	if err != nil {
		return Mapped{}, err
	}
	o.audit(ctx, a, "carrier mapped", "account", id, "carrier", rule.Carrier, "service", rule.Service, "country", rule.Country, "code", rule.CarrierCode, "comment", why)
	m.Repaired, err = o.repair(ctx, a, id, rule, why)
	return m, err
}

func checkRule(r settings.MapRule) error {
	switch {
	case strings.TrimSpace(r.Carrier) == "":
		return Advise(fault.Field("carrier", "is missing"), "give the carrier as the sender writes it; * stands for any characters")
	case r.CarrierCode == "":
		return Advise(fault.Field("carrierCode", "is missing"), "choose a code from Amazon's list, or Other with a carrierName")
	case strings.EqualFold(r.CarrierCode, "Other") && r.CarrierName == "":
		return Advise(fault.Field("carrierName", "is missing"), "Amazon wants a name with the code Other")
	}
	for _, f := range []struct{ name, value string }{{"carrier", r.Carrier}, {"service", r.Service}, {"carrierCode", r.CarrierCode},
		{"carrierName", r.CarrierName}, {"shippingMethod", r.ShippingMethod}, {"country", r.Country}} {
		if len([]rune(f.value)) > 50 {
			return Advise(fault.Field(f.name, "is %d characters long", len([]rune(f.value))), "use at most 50 characters")
		}
	}
	return nil
}

// withRule replaces the rule with the same left side. A new rule goes before the others, because the first that fits
// wins; one with a * goes last, so that it does not hide those that say more.
func withRule(rules []settings.MapRule, r settings.MapRule) []settings.MapRule {
	out := make([]settings.MapRule, 0, len(rules)+1)
	replaced := false
	for _, old := range rules {
		if strings.EqualFold(old.Carrier, r.Carrier) && strings.EqualFold(old.Service, r.Service) && strings.EqualFold(old.Country, r.Country) {
			out, replaced = append(out, r), true
			continue
		}
		out = append(out, old)
	}
	switch {
	case replaced:
		return out
	case strings.Contains(r.Carrier+r.Service, "*"):
		return append(out, r)
	}
	return append([]settings.MapRule{r}, out...)
}

// repair puts in the queue again what Amazon refused for its carrier or method and the rule now covers.
func (o *Ops) repair(ctx context.Context, a Actor, id shipment.AccountID, rule settings.MapRule, why string) (Bulk, error) {
	rule.Country = "" // a rule for another country than the account's marketplace changes nothing at the attempt
	only := settings.Mapping{Rules: []settings.MapRule{rule}}
	f := Filter{Accounts: []shipment.AccountID{id}, States: []shipment.State{shipment.Deferred}, Kind: shipment.Rejected}
	var keys []shipment.Key
	for after := ""; ; {
		page, err := o.cfg.View.List(ctx, f, Paging{After: after, Limit: MaxPage})
		if err != nil {
			return Bulk{}, fmt.Errorf("the rule is stored; find what it repairs: %w", err)
		}
		for _, s := range page.Items {
			if _, fits := only.Map(s.Data.Carrier, s.Data.Service, ""); fits && carrierRefused(s) {
				keys = append(keys, s.Key)
			}
		}
		if after = page.Next; after == "" || len(keys) >= MaxSelected {
			break
		}
	}
	if len(keys) == 0 {
		return Bulk{}, nil
	}
	b, _, err := o.bulk(ctx, a, Selection{Keys: keys}, fmt.Sprintf("carrier %q mapped to %q: %s", rule.Carrier, rule.CarrierCode, clip(why, maxComment-150)), func(last shipment.Entry) (shipment.Event, error) {
		return shipment.Event{Type: shipment.Requeued}, nil
	})
	return b, err
}

func carrierRefused(s shipment.Shipment) bool {
	return s.Answer != nil && (s.Answer.Field == outcome.FieldCarrier || s.Answer.Field == outcome.FieldMethod)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
