package view

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

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
	limit := strconv.FormatInt(now.Add(-v.retention).UnixMilli()-1, 10)
	members, err := v.client.ZRangeByScore(ctx, set, &redis.ZRangeBy{Min: "-inf", Max: limit, Count: page}).Result()
	if err != nil {
		return 0, unavailable(err, "sweep the view")
	}
	removed := 0
	err = v.transact(ctx, from, members, func(tx *redis.Tx, olds []*facts) (func(redis.Pipeliner), error) {
		removed = 0
		p := newPlan(image(from.Prefix))
		for _, old := range olds {
			if old != nil && v.outlived(old.state, old.since, now) {
				p.remove(old)
				removed++
			}
		}
		t, err := p.settle(ctx, tx)
		return func(pipe redis.Pipeliner) {
			p.write(ctx, pipe)
			t.write(ctx, pipe, p.img)
			pipe.HIncrBy(ctx, cursorKey, "rev", 1)
		}, err
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}

// Outlived reports whether a shipment in a state since a moment became final so long ago that the view no longer shows it.
func (v *View) Outlived(state shipment.State, since, now time.Time) bool {
	return v.outlived(state, since.UnixMilli(), now)
}

// outlived counts whole milliseconds, as the sets do.
func (v *View) outlived(state shipment.State, since int64, now time.Time) bool {
	return state.Final() && since < now.Add(-v.retention).UnixMilli()
}
