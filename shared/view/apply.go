package view

import (
	"context"
	"errors"
	"slices"
	"strconv"

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
	latest := make(map[shipment.Key]*shipment.Entry, len(entries))
	for i := range entries {
		e := &entries[i]
		if before := latest[e.After.Key]; e.Seq > from.Seq && (before == nil || e.Seq > before.Seq) {
			latest[e.After.Key] = e
			to.Seq = max(to.Seq, e.Seq)
		}
	}
	news := make([]*shipment.Entry, 0, len(latest))
	members := make([]string, 0, len(latest))
	for k, e := range latest {
		news, members = append(news, e), append(members, k.String())
	}
	err := v.transact(ctx, from, members, func(tx *redis.Tx, olds []*facts) (func(redis.Pipeliner), error) {
		p := newPlan(image(from.Prefix))
		for i, it := range news {
			if old := olds[i]; old != nil && old.seq >= it.Seq {
				continue // the image has it already, or has a newer one
			}
			if err := p.put(olds[i], it.Seq, &it.After); err != nil {
				return nil, err
			}
		}
		t, err := p.settle(ctx, tx)
		return func(pipe redis.Pipeliner) {
			p.write(ctx, pipe)
			t.write(ctx, pipe, p.img)
			pipe.HSet(ctx, cursorKey, "seq", strconv.FormatUint(to.Seq, 10))
		}, err
	})
	if err != nil {
		return from, err
	}
	return to, nil
}

// readPage is how many documents are read with one command.
const readPage = 1000

// fetch reads shipments by member; those the image does not have are nil.
func fetch(ctx context.Context, c redis.Cmdable, img image, members []string) ([]*Item, error) {
	out := make([]*Item, 0, len(members))
	for page := range slices.Chunk(members, readPage) {
		docs, err := c.HMGet(ctx, img.docs(), page...).Result()
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
	}
	return out, nil
}

// standing queues the question where shipments stand in the image; the returned function reads the answer, with nil for
// those that are not there.
func standing(ctx context.Context, pipe redis.Pipeliner, img image, members []string) func() ([]*facts, error) {
	var cmds []*redis.SliceCmd
	for page := range slices.Chunk(members, readPage) {
		cmds = append(cmds, pipe.HMGet(ctx, img.docs(), page...))
	}
	return func() ([]*facts, error) {
		all := make([]facts, len(members))
		out := make([]*facts, 0, len(members))
		for _, cmd := range cmds {
			for _, d := range cmd.Val() {
				s, ok := d.(string)
				if !ok {
					out = append(out, nil)
					continue
				}
				f := &all[len(out)]
				var err error
				if *f, _, err = glance(s); err != nil {
					return nil, err
				}
				out = append(out, f)
			}
		}
		return out, nil
	}
}

// transact runs prepare, which is told where members stand, and what it returns as one transaction that holds only while
// the image stands at from.
func (v *View) transact(ctx context.Context, from Cursor, members []string, prepare func(*redis.Tx, []*facts) (func(redis.Pipeliner), error)) error {
	once := func(tx *redis.Tx) error {
		pipe := tx.Pipeline()
		pipe.Do(ctx, "watch", cursorKey)
		cursor := askPosition(ctx, pipe)
		olds := standing(ctx, pipe, image(from.Prefix), members)
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		if at := toCursor(cursor.Val()); at != from {
			return ErrMoved
		}
		found, err := olds()
		if err != nil {
			return err
		}
		write, err := prepare(tx, found)
		if err != nil {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			write(pipe)
			return nil
		})
		return err
	}
	// A sweep touches the cursor key without moving it, so a lost watch is looked at again before it counts as moved.
	for range 5 {
		err := v.client.Watch(ctx, once)
		switch {
		case err == nil || errors.Is(err, ErrMoved):
			return err
		case !errors.Is(err, redis.TxFailedErr):
			return unavailable(err, "write the view")
		}
	}
	return ErrMoved
}
