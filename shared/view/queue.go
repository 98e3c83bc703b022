package view

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// MaxPage bounds how many shipments one query returns.
const MaxPage = 1000

func bounded(limit int) int {
	if limit <= 0 || limit > MaxPage {
		return MaxPage
	}
	return limit
}

// Queue pages through a queue of an account, nearest deadline first. The returned Pos is where to go on, zero at the end.
// A page may be shorter than limit, even empty, before the end: what left the queue meanwhile is not returned.
func (v *View) Queue(ctx context.Context, a shipment.AccountID, q shipment.Queue, after Pos, limit int) ([]Item, Pos, error) {
	return v.page(ctx, "read queue "+string(q)+" of "+string(a), queueSet(a, q), after, limit,
		func(s shipment.Shipment) bool { return s.Account == a && s.Queue() == q })
}

// QueueLen counts a queue of an account.
func (v *View) QueueLen(ctx context.Context, a shipment.AccountID, q shipment.Queue) (int, error) {
	n := 0
	err := v.read(ctx, "count queue "+string(q)+" of "+string(a), func(img image) error {
		c, err := v.client.ZCard(ctx, img.key(queueSet(a, q))).Result()
		n = int(c)
		return err
	})
	return n, err
}

// Doubts pages through a connection's doubts that are not settled yet. Who was not asked about for the longest time
// comes first: by Inquiry.LastAsked, or Inquiry.Since before the first time.
func (v *View) Doubts(ctx context.Context, c shipment.ConnectionID, after Pos, limit int) ([]Item, Pos, error) {
	return v.page(ctx, "read doubts of "+string(c), doubtSet(c), after, limit,
		func(s shipment.Shipment) bool { return s.State == shipment.Doubt && !s.Sendable() })
}

// page reads one page of a set with the shipments that still belong there.
func (v *View) page(ctx context.Context, what, set string, after Pos, limit int, belongs func(shipment.Shipment) bool) ([]Item, Pos, error) {
	limit = bounded(limit)
	var out []Item
	var next Pos
	err := v.read(ctx, what, func(img image) error {
		out = nil
		m := newMerge(limit, newScan(img.key(set), false, after))
		m.last = after
		members, err := m.next(ctx, v.client, limit)
		if err != nil {
			return err
		}
		if next, err = m.place(ctx, v.client); err != nil {
			return err
		}
		out, err = v.load(ctx, img, members, belongs)
		return err
	})
	return out, next, err
}

// load reads shipments and keeps those that belong.
func (v *View) load(ctx context.Context, img image, members []string, belongs func(shipment.Shipment) bool) ([]Item, error) {
	found, err := fetch(ctx, v.client, img, members)
	if err != nil {
		return nil, err
	}
	out := make([]Item, 0, len(found))
	for _, it := range found {
		if it != nil && (belongs == nil || belongs(it.Shipment)) {
			out = append(out, *it)
		}
	}
	return out, nil
}

// Get reads shipments by key, in the order of the keys; those the view does not have are absent.
func (v *View) Get(ctx context.Context, keys ...shipment.Key) ([]Item, error) {
	members := make([]string, len(keys))
	for i, k := range keys {
		members[i] = k.String()
	}
	var out []Item
	err := v.read(ctx, "read shipments", func(img image) (err error) {
		out, err = v.load(ctx, img, members, nil)
		return err
	})
	return out, err
}

// Orphans finds shipments of a connection whose attempt will not be answered any more: its AnswerBy has passed, or it
// was written under an older lease than lease. At most MaxPage attempts are looked at, those first whose wait ends first;
// the next call finds the rest.
func (v *View) Orphans(ctx context.Context, c shipment.ConnectionID, now time.Time, lease uint64) ([]Item, error) {
	orphaned := func(s shipment.Shipment) bool {
		return s.State == shipment.Transmitting && s.Attempt != nil && (s.Attempt.Lease < lease || s.Attempt.AnswerBy.Before(now))
	}
	var out []Item
	err := v.read(ctx, "find orphaned attempts of "+string(c), func(img image) error {
		// No more is under way than a connection may have in flight, so looking at all of it is cheap.
		members, err := v.client.ZRangeByScore(ctx, img.key(sendingSet(c)), &redis.ZRangeBy{Min: "-inf", Max: "+inf", Count: MaxPage}).Result()
		if err != nil {
			return err
		}
		out, err = v.load(ctx, img, members, orphaned)
		return err
	})
	return out, err
}

func upTo(t time.Time) *redis.ZRangeBy {
	return &redis.ZRangeBy{Min: "-inf", Max: strconv.FormatInt(t.UnixMilli(), 10), Count: MaxPage}
}

// Aged finds pending and deferred shipments of an account that were shipped at or before a moment and have no waiver,
// oldest first. What the caller appends about them takes them out of the next answer.
func (v *View) Aged(ctx context.Context, a shipment.AccountID, shippedBefore time.Time, limit int) ([]Item, error) {
	limit = bounded(limit)
	aged := func(s shipment.Shipment) bool {
		_, ages := s.AgesAt(1)
		return s.Account == a && ages && !s.Data.ShippedAt.After(shippedBefore)
	}
	var out []Item
	err := v.read(ctx, "find aged shipments of "+string(a), func(img image) error {
		out = nil
		m := newMerge(limit)
		for _, s := range [...]shipment.State{shipment.Pending, shipment.Deferred} {
			of := newScan(img.key(cellSet(cellKey(Cell{Account: a, State: s}), ByShippedAt)), false, Pos{})
			of.max = strconv.FormatInt(shippedBefore.UnixMilli(), 10)
			m.scans = append(m.scans, of)
		}
		for len(out) < limit { // those with a waiver, which stand between them, are few
			members, err := m.next(ctx, v.client, limit-len(out))
			if err != nil || len(members) == 0 {
				return err
			}
			items, err := v.load(ctx, img, members, aged)
			if err != nil {
				return err
			}
			out = append(out, items...)
		}
		return nil
	})
	return out, err
}

// Due finds shipments of an account that carry the flag and whose ship-by is at or before a moment, nearest first.
// Those without a ship-by are never among them.
func (v *View) Due(ctx context.Context, a shipment.AccountID, before time.Time, limit int) ([]Item, error) {
	return v.until(ctx, "find due shipments of "+string(a), dueSet(a), before, limit, func(s shipment.Shipment) bool {
		return s.State.Flagged() && !s.Data.ShipBy.IsZero() && !s.Data.ShipBy.After(before)
	})
}

// DueCount counts what Due would find.
func (v *View) DueCount(ctx context.Context, a shipment.AccountID, before time.Time) (int, error) {
	n := 0
	err := v.read(ctx, "count due shipments of "+string(a), func(img image) error {
		c, err := v.client.ZCount(ctx, img.key(dueSet(a)), "-inf", strconv.FormatInt(before.UnixMilli(), 10)).Result()
		n = int(c)
		return err
	})
	return n, err
}

func (v *View) until(ctx context.Context, what, set string, t time.Time, limit int, belongs func(shipment.Shipment) bool) ([]Item, error) {
	var out []Item
	err := v.read(ctx, what, func(img image) error {
		by := upTo(t)
		by.Count = int64(bounded(limit))
		members, err := v.client.ZRangeByScore(ctx, img.key(set), by).Result()
		if err != nil {
			return err
		}
		out, err = v.load(ctx, img, members, belongs)
		return err
	})
	return out, err
}
