package ops

import (
	"context"
	"fmt"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Reported is one report: shipped, amended or withdrawn. ID is the sender's and makes a repeated report recognisable;
// an empty one is made up. Data.Source names the door, "api" or "hand".
type Reported struct {
	ID   string
	Type string // of package event; empty: shipped
	Data event.Shipped
}

// Report takes 1 to door.MaxBatch reports in and answers each. What was taken is stored; an error says that nothing is
// known about any of them, and sending them all again is safe.
func (o *Ops) Report(ctx context.Context, a Actor, reports []Reported) ([]door.Verdict, error) {
	if err := a.need(Operator); err != nil {
		return nil, err
	}
	if n := len(reports); n < 1 || n > door.MaxBatch {
		return nil, Advise(fault.Field("reports", "holds %d reports", n), "send between 1 and %d at once", door.MaxBatch)
	}
	verdicts := make([]door.Verdict, len(reports))
	var events []event.Event
	var at []int
	for i, r := range reports {
		if err := a.needAccount(shipment.AccountID(r.Data.Account)); err != nil && r.Data.Account != "" {
			verdicts[i] = door.Verdict{Result: door.Refused, Account: r.Data.Account,
				Problems: []door.Problem{{Field: "account", Text: fmt.Sprintf("%q is not among the accounts of %s", r.Data.Account, a.Name)}}}
			continue
		}
		events, at = append(events, o.event(a, r)), append(at, i)
	}
	if len(events) == 0 {
		return verdicts, nil
	}
	given, err := o.cfg.Door.Submit(ctx, events)
	if err != nil {
		return nil, fmt.Errorf("report shipments: %w", err)
	}
	for j, v := range given {
		verdicts[at[j]] = v
	}
	return verdicts, nil
}

// event puts a report into an envelope that names who reported it.
func (o *Ops) event(a Actor, r Reported) event.Event {
	if r.ID == "" {
		r.ID = o.cfg.NewID()
	}
	if r.Type == "" {
		r.Type = event.TypeShipped
	}
	return event.New(r.Type, r.ID, "/"+r.Data.Source+"/"+a.Name, o.now(), r.Data)
}
