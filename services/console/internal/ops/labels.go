package ops

import (
	"context"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// SetLabels replaces an account's label rules; version, where it is given, is that of the table they replace. What waits
// to be sent is decided by the new table from the next attempt on.
func (o *Ops) SetLabels(ctx context.Context, a Actor, id shipment.AccountID, rules []settings.LabelRule, version *int, comment string) (settings.Labels, error) {
	if err := a.need(Support); err != nil {
		return settings.Labels{}, err
	}
	why, err := reason(comment)
	if err != nil {
		return settings.Labels{}, err
	}
	c, _, err := o.account(a, id)
	if err != nil {
		return settings.Labels{}, err
	}
	if err := (settings.Labels{Rules: rules}).Check(); err != nil {
		return settings.Labels{}, firstFault(err)
	}
	var now settings.Labels
	var clash error
	err = o.edit(ctx, c.ID, id, func(acc *settings.Account) {
		if clash = nil; version != nil && *version != acc.Labels.Version {
			clash = Advise(fault.New(fault.Conflict, "the label rules of account %s are version %d by now, not %d", id, acc.Labels.Version, *version), "read them again and repeat the change")
			return
		}
		acc.Labels = settings.Labels{Version: acc.Labels.Version + 1, Rules: rules}
		now = acc.Labels
	})
	if clash != nil {
		return settings.Labels{}, clash
	}
	if err != nil {
		return settings.Labels{}, err
	}
	o.audit(ctx, a, "label rules set", "account", id, "version", now.Version, "rules", len(rules), "comment", why)
	return now, nil
}
