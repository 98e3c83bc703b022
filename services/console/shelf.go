package console

import (
	"context"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/services/console/internal/notify"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

// shelf shows the Redis view to ops and notify in their own words.
type shelf struct {
	view     *view.View
	settings func() settings.Set
}

// List is ops.View's.
func (s shelf) List(ctx context.Context, f ops.Filter, p ops.Paging) (ops.Page, error) {
	vf := view.Filter{States: f.States, Kind: f.Kind, Fingerprint: f.Fingerprint, DeferredUntil: f.DeferredUntil, Search: f.Search,
		Sort: view.Sort(f.Sort), Desc: f.Desc, After: p.After, Limit: p.Limit}
	if len(f.Accounts) > 0 {
		vf.Accounts = f.Accounts
	}
	if len(f.States) == 0 {
		vf.States = nil
	}
	if f.Flagged {
		vf.Flagged = &f.Flagged
	}
	page, err := s.view.List(ctx, vf)
	if err != nil {
		return ops.Page{}, err
	}
	out := ops.Page{Next: page.Next, Total: page.Total, Items: make([]shipment.Shipment, len(page.Items))}
	for i, it := range page.Items {
		out.Items[i] = it.Shipment
	}
	return out, nil
}

// Counts is ops.View's. Accounts that are no longer configured but still hold shipments are counted too.
func (s shelf) Counts(ctx context.Context) (map[shipment.AccountID]ops.Counts, error) {
	all, err := s.view.Counts(ctx)
	if err != nil {
		return nil, err
	}
	out := map[shipment.AccountID]ops.Counts{}
	at := func(a shipment.AccountID) ops.Counts {
		c, ok := out[a]
		if !ok {
			c = ops.Counts{States: map[shipment.State]int{}, Kinds: map[shipment.Kind]int{}, Queues: map[shipment.Queue]int{}, Flagged: all.FlaggedOrders(a)}
			out[a] = c
		}
		return c
	}
	for _, cell := range all.Cells {
		switch {
		case cell.Kind == "":
			at(cell.Account).States[cell.State] = cell.N
		case cell.State == shipment.Deferred:
			at(cell.Account).Kinds[cell.Kind] = cell.N
		}
	}
	for _, c := range s.settings().Connections {
		for _, a := range c.Accounts {
			for _, q := range []shipment.Queue{shipment.Again, shipment.New, shipment.Refused} {
				n, err := s.view.QueueLen(ctx, a.ID, q)
				if err != nil {
					return nil, err
				}
				at(a.ID).Queues[q] = n
			}
		}
	}
	return out, nil
}

// Deferred is notify.View's.
func (s shelf) Deferred(ctx context.Context, a shipment.AccountID, until time.Time) (int, error) {
	page, err := s.view.List(ctx, view.Filter{Accounts: []shipment.AccountID{a}, States: []shipment.State{shipment.Deferred}, DeferredUntil: until, Limit: 1})
	return page.Total, err
}

// Expired is notify.View's.
func (s shelf) Expired(ctx context.Context) (map[shipment.AccountID]int, error) {
	all, err := s.view.Counts(ctx)
	out := map[shipment.AccountID]int{}
	for _, cell := range all.Cells {
		if cell.State == shipment.Expired && cell.Kind == "" {
			out[cell.Account] = cell.N
		}
	}
	return out, err
}

// Found is notify.View's.
func (s shelf) Found(ctx context.Context) (notify.Findings, error) {
	out := notify.Findings{}
	count := func(k message.Kind, c view.Cell) {
		if out[c.Account] == nil {
			out[c.Account] = map[message.Kind]int{}
		}
		out[c.Account][k] += c.N
	}
	groups, err := s.view.Problems(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		switch {
		case g.State == shipment.Deferred && g.Fingerprint == shipment.NoEffect.Print():
			count(message.NoEffect, g)
		case (g.State == shipment.Excluded || g.State == shipment.NotRequired) && g.Fingerprint == shipment.StillOpen.Print():
			count(message.StillOpen, g)
		}
	}
	all, err := s.view.Counts(ctx)
	for _, c := range all.Cells {
		if c.State == shipment.Confirmed && c.Kind == shipment.EditRefused {
			count(message.EditRefused, c)
		}
	}
	return out, err
}

// Waiting is notify.View's.
func (s shelf) Waiting(ctx context.Context, a shipment.AccountID) (int, error) {
	all, err := s.view.Counts(ctx)
	n := 0
	for _, cell := range all.Cells {
		if cell.Account == a && cell.Kind == "" && (cell.State == shipment.Pending || cell.State == shipment.Deferred) {
			n += cell.N
		}
	}
	return n, err
}

// Seen is notify.View's.
func (s shelf) Seen(ctx context.Context) (uint64, error) {
	c, err := s.view.Position(ctx)
	return c.Seq, err
}
