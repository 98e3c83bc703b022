package ops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Filter selects shipments and says in which order to list them. Fields left empty do not limit; those given all hold.
type Filter struct {
	Accounts      []shipment.AccountID
	States        []shipment.State
	Kind          shipment.Kind
	Flagged       bool      // only those that carry the flag
	Search        string    // Amazon order id or its beginning (6 characters or more), tracking number, own reference
	Fingerprint   string    // those that failed for the same reason
	DeferredUntil time.Time // deferred no later than this: what a message lists
	Sort          Sort      // empty: BySince
	Desc          bool
}

// Sort is what a list is ordered by.
type Sort string

// The orders of a list: time in the present state, time of shipping, ship-by (time of shipping where none is known).
const (
	BySince     Sort = "since"
	ByShippedAt Sort = "shippedAt"
	ByShipBy    Sort = "shipBy"
)

// Paging asks for one page. After is the Next of the page before, Limit 1 to MaxPage; 0 means DefaultPage.
type Paging struct {
	After string
	Limit int
}

// Bounds of a page.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// Page is part of a list. Next is empty on the last page. Total counts all that the filter selects.
type Page struct {
	Items []shipment.Shipment
	Next  string
	Total int
}

// Detail is one shipment with everything that happened to it.
type Detail struct {
	Shipment shipment.Shipment
	Version  uint64           // of the ledger entry it comes from
	History  []shipment.Entry // oldest first
	Remedy   outcome.Text     // what helps, for the last answer; empty when there is none
	Packages []shipment.Key   // the other packages of the order
}

// Shipments lists what the filter selects, as far as the actor sees it.
func (o *Ops) Shipments(ctx context.Context, a Actor, f Filter, p Paging) (Page, error) {
	if err := a.need(Viewer); err != nil {
		return Page{}, err
	}
	f, err := o.within(a, f)
	if err != nil {
		return Page{}, err
	}
	if p.Limit == 0 {
		p.Limit = DefaultPage
	}
	if p.Limit < 1 || p.Limit > MaxPage {
		return Page{}, Advise(fault.Field("limit", "is %d", p.Limit), "ask for 1 to %d shipments a page", MaxPage)
	}
	page, err := o.cfg.View.List(ctx, f, p)
	if err != nil {
		return Page{}, fmt.Errorf("list shipments: %w", err)
	}
	return page, nil
}

// within limits a filter to the actor's accounts and checks its words.
func (o *Ops) within(a Actor, f Filter) (Filter, error) {
	for _, id := range f.Accounts {
		if _, _, ok := o.cfg.Settings.Current().Account(id); !ok {
			return f, Advise(fault.Field("account", "%q is not configured", id), "see the list of accounts")
		}
		if err := a.needAccount(id); err != nil {
			return f, err
		}
	}
	if len(f.Accounts) == 0 {
		f.Accounts = slices.Clone(a.Accounts)
	}
	for _, s := range f.States {
		if !slices.Contains(shipment.States[:], s) {
			return f, Advise(fault.Field("state", "%q is not a state", s), "use one of %v", shipment.States)
		}
	}
	if f.Sort != "" && f.Sort != BySince && f.Sort != ByShippedAt && f.Sort != ByShipBy {
		return f, Advise(fault.Field("sort", "%q is not an order of a list", f.Sort), "use since, shippedAt or shipBy")
	}
	return f, nil
}

// Shipment returns one shipment with its history, read from the ledger.
func (o *Ops) Shipment(ctx context.Context, a Actor, k shipment.Key) (Detail, error) {
	if err := a.need(Viewer); err != nil {
		return Detail{}, err
	}
	history, err := o.cfg.Ledger.History(ctx, k)
	if err != nil {
		return Detail{}, fmt.Errorf("read shipment %s: %w", k, err)
	}
	if len(history) == 0 {
		return Detail{}, unknown(k)
	}
	last := history[len(history)-1]
	if err := a.needAccount(last.After.Account); err != nil {
		return Detail{}, err
	}
	d := Detail{Shipment: last.After, Version: last.Seq, History: history, Remedy: RemedyFor(last.After)}
	page, err := o.cfg.View.List(ctx, Filter{Search: k.Order}, Paging{Limit: MaxPage})
	if err != nil {
		return Detail{}, fmt.Errorf("read packages of %s: %w", k, err)
	}
	for _, s := range page.Items {
		if s.Key != k && s.Connection == k.Connection && a.Sees(s.Account) {
			d.Packages = append(d.Packages, s.Key)
		}
	}
	return d, nil
}

// RemedyFor is what helps against the last answer a shipment got, empty when there is nothing to do.
func RemedyFor(s shipment.Shipment) outcome.Text {
	if s.Shown != nil && s.Fingerprint != "" && s.Fingerprint == s.Shown.Finding.Print() {
		return outcome.RemedyFor(s.Shown.Finding)
	}
	if s.Answer == nil || s.State != shipment.Deferred && s.State != shipment.Doubt && s.State != shipment.Expired {
		return outcome.Text{}
	}
	r, ok := outcome.Lookup(s.Answer.Rule)
	if !ok {
		return outcome.Text{}
	}
	return r.Remedy
}

// Lookup finds shipments by what a clerk has at hand: Amazon's order number, the tracking number, the merchant's own
// number, or a key as connection/order/package.
func (o *Ops) Lookup(ctx context.Context, a Actor, text string) ([]shipment.Shipment, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, Advise(fault.Field("q", "is empty"), "give an order number, a tracking number or your own number")
	}
	if k, err := shipment.ParseKey(text); err == nil {
		text = k.Order
	}
	page, err := o.Shipments(ctx, a, Filter{Search: text}, Paging{Limit: MaxPage})
	return page.Items, err
}
