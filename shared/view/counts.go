package view

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Cell is a group of shipments of one account and how many there are. An empty Kind means all of the state; an empty
// Fingerprint all of the kind.
type Cell struct {
	Account     shipment.AccountID
	State       shipment.State
	Kind        shipment.Kind
	Fingerprint string
	N           int
}

// Counts are the exact numbers of one moment. Cells holds, for each account, one cell per state and further ones per
// state and kind, empty ones left out.
type Counts struct {
	Cells  []Cell
	Orders map[shipment.AccountID]int // orders with the flag; an order has it if any of its shipments has
}

// Of counts the shipments of an account ("" for all) in a state, of one kind or ("") of any.
func (c Counts) Of(a shipment.AccountID, s shipment.State, k shipment.Kind) int {
	n := 0
	for _, cell := range c.Cells {
		if (a == "" || cell.Account == a) && cell.State == s && cell.Kind == k {
			n += cell.N
		}
	}
	return n
}

// Flagged counts the shipments of an account ("" for all) that carry the flag.
func (c Counts) Flagged(a shipment.AccountID) int {
	n := 0
	for _, s := range shipment.States {
		if s.Flagged() {
			n += c.Of(a, s, "")
		}
	}
	return n
}

// FlaggedOrders counts the orders of an account ("" for all) that carry the flag.
func (c Counts) FlaggedOrders(a shipment.AccountID) int {
	if a != "" {
		return c.Orders[a]
	}
	n := 0
	for _, m := range c.Orders {
		n += m
	}
	return n
}

// Counts reads all counters at one moment.
func (v *View) Counts(ctx context.Context) (Counts, error) {
	var out Counts
	err := v.read(ctx, "read counters", func(img image) error {
		pipe := v.client.TxPipeline()
		cells := pipe.HGetAll(ctx, img.counts())
		orders := pipe.HGetAll(ctx, img.flagged())
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		out = Counts{Cells: toCells(cells.Val()), Orders: map[shipment.AccountID]int{}}
		for a, n := range orders.Val() {
			if m := number(n); m > 0 {
				out.Orders[shipment.AccountID(a)] = int(m)
			}
		}
		return nil
	})
	return out, err
}

// Problems lists the groups of shipments that share a fingerprint, per account, state and kind, largest first: many
// shipments, one cause, one fix.
func (v *View) Problems(ctx context.Context) ([]Cell, error) {
	var out []Cell
	err := v.read(ctx, "read problem groups", func(img image) (err error) {
		out, err = readCells(ctx, v.client, img.prints())
		return err
	})
	slices.SortStableFunc(out, func(a, b Cell) int { return cmp.Compare(b.N, a.N) })
	return out, err
}

func readCells(ctx context.Context, c redis.Cmdable, key string) ([]Cell, error) {
	m, err := c.HGetAll(ctx, key).Result()
	return toCells(m), err
}

func toCells(m map[string]string) []Cell {
	var out []Cell
	for f, n := range m {
		c, ok := parseCell(f)
		if c.N, _ = strconv.Atoi(n); ok && c.N > 0 {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b Cell) int { return cmp.Compare(cellKey(a), cellKey(b)) })
	return out
}
