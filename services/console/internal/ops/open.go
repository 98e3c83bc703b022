package ops

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Unshipped is what is known of the orders that Amazon waits for.
type Unshipped interface {
	Each(after string, visit func(o orders.Order, at string) bool) error
	Sweeps() map[shipment.ConnectionID]orders.Sweep
}

// Packages tells which packages of orders were reported here.
type Packages interface {
	Orders(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error)
}

// OpenFilter selects open orders. Fields left empty do not limit.
type OpenFilter struct {
	Accounts   []shipment.AccountID
	DueBefore  time.Time // ship-by before this; orders without one are left out then
	Unreported bool      // only those of which no package has been reported here
}

// OpenOrder is an order that Amazon waits for, with what was reported of it here.
type OpenOrder struct {
	orders.Order
	Packages []shipment.Shipment // by package reference
}

// OpenPage is part of the list of open orders. Next is empty on the last page. Of several connections each has been compared
// with Amazon at another time.
type OpenPage struct {
	Items []OpenOrder
	Next  string
	Total int // that the filter selects; with Unreported an upper bound
	AsOf  []Compared
}

// Compared is how far what is known of a connection's orders goes.
type Compared struct {
	Connection shipment.ConnectionID
	At         time.Time // of the last comparison that was finished; zero: there was none
	Open       int       // orders that were open then
}

// lookAhead is how many open orders are looked at to fill one page: most of the nearest are reported already on a good day.
const lookAhead = 5000

// OpenOrders lists the orders that Amazon waits for, nearest ship-by first, as of the last comparison with Amazon. A page may
// be short, or empty, though there is a next one.
func (o *Ops) OpenOrders(ctx context.Context, a Actor, f OpenFilter, p Paging) (OpenPage, error) {
	if err := a.need(Viewer); err != nil {
		return OpenPage{}, err
	}
	in, err := o.within(a, Filter{Accounts: f.Accounts})
	if err != nil {
		return OpenPage{}, err
	}
	if p.Limit == 0 {
		p.Limit = DefaultPage
	}
	if p.Limit < 1 || p.Limit > MaxPage {
		return OpenPage{}, Advise(fault.Field("limit", "is %d", p.Limit), "ask for 1 to %d orders a page", MaxPage)
	}
	f.Accounts = in.Accounts
	page := OpenPage{AsOf: o.compared(a)}
	if err := o.cfg.Unshipped.Each("", func(x orders.Order, _ string) bool {
		if f.selects(x) {
			page.Total++
		}
		return true
	}); err != nil {
		return OpenPage{}, err
	}
	for looked := 0; ; {
		chunk, last, more, err := o.someOpen(f, p)
		if err != nil {
			return OpenPage{}, err
		}
		items, err := o.reported(ctx, chunk)
		if err != nil {
			return OpenPage{}, err
		}
		if f.Unreported {
			items = slices.DeleteFunc(items, func(x OpenOrder) bool { return len(x.Packages) > 0 })
		}
		page.Items, looked = append(page.Items, items...), looked+len(chunk)
		if p.After, p.Limit = last, p.Limit-len(items); !more {
			return page, nil
		}
		if p.Limit <= 0 || looked >= lookAhead {
			page.Next = last
			return page, nil
		}
	}
}

func (f OpenFilter) selects(x orders.Order) bool {
	return (len(f.Accounts) == 0 || slices.Contains(f.Accounts, x.Account)) && (f.DueBefore.IsZero() || !x.ShipBy.IsZero() && x.ShipBy.Before(f.DueBefore))
}

// someOpen reads as many open orders as are still wanted.
func (o *Ops) someOpen(f OpenFilter, p Paging) (chunk []OpenOrder, last string, more bool, err error) {
	err = o.cfg.Unshipped.Each(p.After, func(x orders.Order, at string) bool {
		if !f.selects(x) {
			return true
		}
		if more = len(chunk) == p.Limit; more {
			return false
		}
		chunk, last = append(chunk, OpenOrder{Order: x}), at
		return true
	})
	return chunk, last, more, err
}

// reported adds what was reported of the orders.
func (o *Ops) reported(ctx context.Context, list []OpenOrder) ([]OpenOrder, error) {
	keys := make([]shipment.Key, len(list))
	for i, x := range list {
		keys[i] = shipment.Key{Connection: x.Connection, Order: x.ID}
	}
	known, err := o.cfg.Packages.Orders(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read what was reported of open orders: %w", err)
	}
	of := map[shipment.Key][]shipment.Shipment{}
	for k, e := range known {
		k.Package = ""
		of[k] = append(of[k], e.After)
	}
	for i := range list {
		list[i].Packages = of[keys[i]]
		slices.SortFunc(list[i].Packages, func(a, b shipment.Shipment) int { return strings.Compare(a.Package, b.Package) })
	}
	return list, nil
}

// compared are the last comparisons of the connections the actor sees.
func (o *Ops) compared(a Actor) []Compared {
	var out []Compared
	sweeps := o.cfg.Unshipped.Sweeps()
	for _, c := range o.cfg.Settings.Current().Connections {
		if !a.seesSome(c, nil) {
			continue
		}
		s := Compared{Connection: c.ID}
		if sweep := sweeps[c.ID]; sweep.Finished {
			s.At, s.Open = sweep.At, sweep.Open
		}
		out = append(out, s)
	}
	return out
}
