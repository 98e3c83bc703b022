package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	// openWindow is how far back open orders are looked for. Amazon cancels an order seven business days after its ship-by
	// date, and every step on the way there is a change of it.
	openWindow = 60 * 24 * time.Hour

	// overlap makes up for clocks that differ, and for changes that could not be read yet when the last sweep looked.
	overlap = time.Hour

	// mostAsked bounds how many orders are read one by one in a sweep: what the reading quota gives in an hour.
	mostAsked = 1800

	// maxTries is how often a question is asked to which the answer tells nothing.
	maxTries = 4
)

// sweep is one reconciliation under way.
type sweep struct {
	*Reconciler
	orders.Sweep
	lag      time.Duration
	listed   map[string]bool               // orders on the list of open or cancelled ones
	suspects map[string]bool               // orders that a list shows otherwise than we believe: to be read
	accounts map[string]shipment.AccountID // by marketplace
}

func (r *Reconciler) sweep(ctx context.Context, last orders.Sweep) (orders.Sweep, error) {
	conn, now := r.Settings(), r.Now()
	s := &sweep{Reconciler: r, lag: time.Duration(conn.Limits.ReconcileAfter), listed: map[string]bool{}, suspects: map[string]bool{}, accounts: map[string]shipment.AccountID{},
		Sweep: orders.Sweep{Connection: r.Connection, StartedAt: now, At: now, Since: now.Add(-openWindow)}}
	if last.Finished {
		s.Since = last.StartedAt.Add(-s.lag - overlap)
	}
	for _, a := range conn.Accounts {
		s.accounts[a.Marketplace] = a.ID
	}
	if err := s.list(ctx, Search{UpdatedAfter: now.Add(-openWindow), Statuses: []orders.Status{orders.Unshipped, orders.PartiallyShipped}}); err != nil {
		return s.Sweep, err
	}
	s.Open = len(s.listed)
	if err := s.forget(ctx); err != nil {
		return s.Sweep, err
	}
	if err := s.list(ctx, Search{UpdatedAfter: s.Since, Statuses: []orders.Status{orders.Cancelled}}); err != nil {
		return s.Sweep, err
	}
	if err := s.askAll(ctx); err != nil {
		return s.Sweep, err
	}
	s.At, s.Finished = r.Now(), true
	if err := r.Log.Record(ctx, s.Sweep); err != nil {
		return s.Sweep, err
	}
	r.Logger.Info("reconciled with Amazon", "open", s.Open, "pages", s.Pages, "asked", s.Asked, "found", s.Found, "left", s.Left, "took", s.At.Sub(s.StartedAt).Round(time.Second))
	return s.Sweep, nil
}

// list goes through all pages of a search.
func (s *sweep) list(ctx context.Context, q Search) error {
	for {
		at := s.Now()
		p, err := insist(ctx, s, "search orders", func() (Page, bool, error) { at = s.Now(); return s.Amazon.Search(ctx, q) })
		if err != nil {
			return err
		}
		s.Pages++
		if err := s.page(ctx, p.Orders, at); err != nil {
			return err
		}
		if q.Page = p.Next; q.Page == "" {
			return nil
		}
		s.At = s.Now()
		if err := s.Log.Record(ctx, s.Sweep); err != nil { // so that people see it move
			return err
		}
	}
}

// insist asks until the answer is knowledge, and waits while Amazon is away.
func insist[T any](ctx context.Context, s *sweep, what string, ask func() (T, bool, error)) (T, error) {
	for tries := 1; ; {
		answer, known, err := ask()
		var away *Away
		switch {
		case err == nil && known:
			return answer, nil
		case errors.As(err, &away) && !away.Halted:
			_ = s.rest(ctx, max(away.Until.Sub(s.Now()), time.Second))
		case err != nil:
			return answer, fmt.Errorf("%s: %w", what, err)
		case tries == maxTries:
			return answer, fmt.Errorf("%s: %d answers told nothing", what, tries)
		default:
			tries++
		}
		if ctx.Err() != nil {
			return answer, ctx.Err()
		}
	}
}

// page takes in a page: what it tells of orders, and in what it differs from the ledger.
func (s *sweep) page(ctx context.Context, page []plan.Order, read time.Time) error {
	known := make(map[string]plan.Order, len(page))
	keys := make([]shipment.Key, 0, len(page))
	for _, o := range page {
		s.listed[o.ID] = true
		known[o.ID] = o
		keys = append(keys, shipment.Key{Connection: s.Sweep.Connection, Order: o.ID})
	}
	if err := s.learn(ctx, page, read); err != nil {
		return err
	}
	entries, err := s.Ledger.Orders(ctx, keys)
	if err != nil {
		return err
	}
	for k, e := range entries {
		switch d := plan.Compare(e.After, known[k.Order], read, s.lag); d.Finding {
		case "":
		case shipment.NoEffect: // the costliest to be wrong about, so the order itself is read
			s.suspects[k.Order] = true
		default:
			if err := s.find(ctx, k, known[k.Order], read); err != nil {
				return err
			}
		}
	}
	return nil
}

// learn keeps what Amazon told of orders of accounts we have.
func (s *sweep) learn(ctx context.Context, page []plan.Order, read time.Time) error {
	news := make([]orders.Order, 0, len(page))
	for _, o := range page {
		if a, ours := s.accounts[o.Marketplace]; ours {
			news = append(news, knowledge(s.Sweep.Connection, a, o, read))
		}
	}
	if len(news) == 0 {
		return nil
	}
	return s.Knowledge.Put(ctx, news...)
}

func knowledge(c shipment.ConnectionID, a shipment.AccountID, o plan.Order, read time.Time) orders.Order {
	k := orders.Order{Connection: c, Account: a, ID: o.ID, OwnNumber: o.OwnNumber, Status: orders.Status(o.Status), ServiceLevel: o.ServiceLevel,
		Programs: o.Programs, ShipBy: o.ShipBy, Packages: len(o.Packages), Source: orders.FromAmazon, AsOf: read}
	for _, i := range o.Items {
		k.Items = append(k.Items, orders.Item{ID: i.ID, Ordered: i.Ordered, Unfulfilled: i.Unfulfilled})
	}
	return k
}

// forget corrects what is known of orders that are no longer on the complete list of open ones.
func (s *sweep) forget(ctx context.Context) error {
	var gone []orders.Order
	err := s.Knowledge.EachOpen(ctx, s.Sweep.Connection, func(o orders.Order) {
		if !s.listed[o.ID] && o.AsOf.Before(s.StartedAt) {
			o.Status, o.AsOf, o.Source = orders.NotOpen, s.StartedAt, orders.FromAmazon
			gone = append(gone, o)
		}
	})
	for part := range slices.Chunk(gone, 500) {
		if err == nil {
			err = s.Knowledge.Put(ctx, part...)
		}
	}
	return err
}

// askAll reads the orders that a list shows otherwise than we believe, and those that should be open and are on no list.
func (s *sweep) askAll(ctx context.Context) error {
	asked := map[string]bool{}
	ask := func(order string) error {
		if asked[order] {
			return nil
		}
		asked[order] = true
		if s.Asked >= mostAsked {
			s.Left++
			return nil
		}
		return s.ask(ctx, order)
	}
	for order := range s.suspects {
		if err := ask(order); err != nil {
			return err
		}
	}
	for _, a := range s.Settings().Accounts {
		for after := ""; ; {
			page, next, err := s.Standing(ctx, a.ID, after)
			if err != nil {
				return err
			}
			for _, sh := range page {
				if s.listed[sh.Order] || s.StartedAt.Before(sh.AcceptedAt.Add(s.lag)) {
					continue
				}
				if err := ask(sh.Order); err != nil {
					return err
				}
			}
			if after = next; after == "" {
				break
			}
		}
	}
	return nil
}

// ask reads one order and records in what it differs.
func (s *sweep) ask(ctx context.Context, order string) error {
	at := s.Now()
	o, err := insist(ctx, s, "read order "+order, func() (plan.Order, bool, error) { at = s.Now(); return s.Amazon.Read(ctx, order) })
	if err != nil {
		return err
	}
	s.Asked++
	if !o.Found {
		return nil // whoever reported it is told by the attempt
	}
	if err := s.learn(ctx, []plan.Order{o}, at); err != nil {
		return err
	}
	entries, err := s.Ledger.Orders(ctx, []shipment.Key{{Connection: s.Sweep.Connection, Order: order}})
	if err != nil {
		return err
	}
	for k := range entries {
		if err := s.find(ctx, k, o, at); err != nil {
			return err
		}
	}
	return nil
}

// find records in what an order differs from the shipment as the ledger has it by now.
func (s *sweep) find(ctx context.Context, k shipment.Key, o plan.Order, read time.Time) error {
	var d plan.Difference
	e, err := s.Ledger.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
		sh := last.After
		if d = plan.Compare(sh, o, read, s.lag); d.Finding == "" {
			return shipment.Event{}, nil
		}
		return shipment.Event{ID: uuid.Must(uuid.NewV7()).String(), Type: shipment.Found, At: s.Now(), Actor: s.Actor, To: d.To, Kind: d.Kind, Comment: d.Text,
			Shown: &shipment.Shown{At: read, Finding: d.Finding, Status: o.Status, Packages: o.References()}}, nil
	})
	if err != nil || d.Finding == "" {
		return err
	}
	s.Note(e.After.Account, d.Finding)
	s.Logger.Info("Amazon shows something else", "shipment", k, "finding", d.Finding, "status", o.Status, "state", e.After.State)
	return nil
}
