package view

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Apply brings the image from a position forward by consecutive ledger entries and returns the new position. Data,
// counters and position change in one transaction. Entries at or below from.Seq change nothing, so a batch may be
// delivered twice. It fails with ErrMoved, having changed nothing, when the image is not at from, and with a
// fault.Unavailable error when it is not known whether the transaction happened: the next Position tells.
func (v *View) Apply(ctx context.Context, from Cursor, entries []shipment.Entry) (Cursor, error) {
	if from.IsZero() {
		return from, ErrMoved
	}
	to := from
	latest := map[shipment.Key]Item{}
	for _, e := range entries {
		if e.Seq > from.Seq && e.Seq > latest[e.After.Key].Seq {
			latest[e.After.Key] = Item{Seq: e.Seq, Shipment: e.After}
			to.Seq = max(to.Seq, e.Seq)
		}
	}
	news := make([]Item, 0, len(latest))
	for _, it := range latest {
		news = append(news, it)
	}
	err := v.transact(ctx, from, func(tx *redis.Tx) (func(redis.Pipeliner), error) {
		p, t, err := replace(ctx, tx, image(from.Prefix), news)
		if err != nil {
			return nil, err
		}
		return func(pipe redis.Pipeliner) {
			p.write(ctx, pipe, t)
			pipe.HSet(ctx, cursorKey, "seq", strconv.FormatUint(to.Seq, 10))
		}, nil
	})
	if err != nil {
		return from, err
	}
	return to, nil
}

// replace plans the writes that put news into the image. Those the image already has, or has newer, are left out.
func replace(ctx context.Context, c redis.Cmdable, img image, news []Item) (*plan, totals, error) {
	p := newPlan(img)
	members := make([]string, len(news))
	for i, it := range news {
		members[i] = it.Shipment.Key.String()
	}
	olds, err := fetch(ctx, c, img, members)
	if err != nil {
		return nil, totals{}, err
	}
	for i, it := range news {
		if old := olds[i]; old != nil && old.Seq >= it.Seq {
			continue
		}
		if err := p.put(olds[i], it); err != nil {
			return nil, totals{}, err
		}
	}
	t, err := p.settle(ctx, c)
	return p, t, err
}

// fetch reads shipments by member; those the image does not have are nil.
func fetch(ctx context.Context, c redis.Cmdable, img image, members []string) ([]*Item, error) {
	const page = 1000
	out := make([]*Item, 0, len(members))
	for len(members) > 0 {
		n := min(page, len(members))
		docs, err := c.HMGet(ctx, img.docs(), members[:n]...).Result()
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			s, ok := d.(string)
			if !ok {
				out = append(out, nil)
				continue
			}
			it, err := decode(s)
			if err != nil {
				return nil, err
			}
			out = append(out, &it)
		}
		members = members[n:]
	}
	return out, nil
}

// transact runs prepare and what it returns as one transaction that holds only while the image stands at from.
func (v *View) transact(ctx context.Context, from Cursor, prepare func(*redis.Tx) (func(redis.Pipeliner), error)) error {
	once := func() error {
		return v.client.Watch(ctx, func(tx *redis.Tx) error {
			at, err := position(ctx, tx)
			if err != nil {
				return err
			}
			if at != from {
				return ErrMoved
			}
			write, err := prepare(tx)
			if err != nil {
				return err
			}
			_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				write(pipe)
				return nil
			})
			return err
		}, cursorKey)
	}
	// A sweep touches the cursor key without moving it, so a lost watch is looked at again before it counts as moved.
	for range 5 {
		err := once()
		switch {
		case err == nil || errors.Is(err, ErrMoved):
			return err
		case !errors.Is(err, redis.TxFailedErr):
			return unavailable(err, "write the view")
		}
	}
	return ErrMoved
}

// Sweep removes the shipments that became final longer ago than the retention and returns how many. It is the
// projector's to call, once an hour or so.
func (v *View) Sweep(ctx context.Context, now time.Time) (int, error) {
	const page = 500
	from, err := v.Position(ctx)
	if err != nil || from.IsZero() {
		return 0, err
	}
	img := image(from.Prefix)
	counts, err := readCells(ctx, v.client, img.counts())
	if err != nil {
		return 0, unavailable(err, "sweep the view")
	}
	removed := 0
	for _, c := range counts {
		if !c.State.Final() || c.Kind != "" {
			continue
		}
		set := img.key(cellSet(cellKey(c), BySince))
		for {
			n, err := v.sweepPage(ctx, set, now, page)
			removed += n
			if err != nil {
				return removed, err
			}
			if n < page {
				break
			}
		}
	}
	return removed, nil
}

func (v *View) sweepPage(ctx context.Context, set string, now time.Time, page int64) (int, error) {
	from, err := v.Position(ctx)
	if err != nil {
		return 0, err
	}
	removed := 0
	err = v.transact(ctx, from, func(tx *redis.Tx) (func(redis.Pipeliner), error) {
		removed = 0
		limit := strconv.FormatInt(now.Add(-v.retention).UnixMilli()-1, 10)
		members, err := tx.ZRangeByScore(ctx, set, &redis.ZRangeBy{Min: "-inf", Max: limit, Count: page}).Result()
		if err != nil {
			return nil, err
		}
		olds, err := fetch(ctx, tx, image(from.Prefix), members)
		if err != nil {
			return nil, err
		}
		p := newPlan(image(from.Prefix))
		for _, old := range olds {
			if old != nil {
				p.remove(*old)
				removed++
			}
		}
		t, err := p.settle(ctx, tx)
		return func(pipe redis.Pipeliner) {
			p.write(ctx, pipe, t)
			pipe.HIncrBy(ctx, cursorKey, "rev", 1)
		}, err
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

// outlived reports whether a shipment became final so long ago that the view no longer shows it. Whole milliseconds
// count, as they do in the sets.
func (v *View) outlived(s shipment.Shipment, now time.Time) bool {
	return s.State.Final() && s.Since.UnixMilli() < now.Add(-v.retention).UnixMilli()
}
