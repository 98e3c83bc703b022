package view

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// chunk is how many shipments a rebuild writes at once.
const chunk = 1000

// Rebuild fills a fresh image from feed, which calls visit with the newest entry of every shipment in the order of their
// sequences (a shipment that changes meanwhile may come again) and returns the sequence up to which that is complete.
// Then the fresh image becomes the current one at once and the old one is deleted; until then readers see the old one.
// Shipments final for longer than the retention, counted back from now, are left out.
func (v *View) Rebuild(ctx context.Context, epoch string, now time.Time, feed func(visit func(shipment.Entry) error) (lastSeq uint64, err error)) (Cursor, error) {
	if err := v.clean(ctx); err != nil {
		return Cursor{}, unavailable(err, "clear away old images of the view")
	}
	b := &builder{v: v, ctx: ctx, now: now, img: image(strings.ToLower(rand.Text()[:12])), seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
	if err := v.client.HSet(ctx, b.img.building(), "since", now.UTC().Format(time.RFC3339)).Err(); err != nil {
		return Cursor{}, unavailable(err, "rebuild the view")
	}
	last, err := feed(b.visit)
	if err != nil {
		return Cursor{}, fmt.Errorf("rebuild the view: %w", err)
	}
	if err := b.flush(); err != nil {
		return Cursor{}, err
	}
	to := Cursor{Epoch: epoch, Seq: max(last, b.last), Prefix: string(b.img)}
	if err := v.promote(ctx, to); err != nil {
		return Cursor{}, err
	}
	// The new image is in force; what is left of the old one costs only memory and the next rebuild tries again.
	_ = v.clean(ctx)
	return to, nil
}

// builder fills an image nobody reads yet.
type builder struct {
	v    *View
	ctx  context.Context
	now  time.Time
	img  image
	last uint64
	buf  []Item
	seed maphash.Seed
	seen map[uint64]struct{} // hashes of the shipments written so far
	redo bool                // the buffer holds one that may be in the image already
}

// visit collects entries and writes them when there are enough. A shipment that comes again needs what was written of
// it taken back first; a collision of hashes only costs that detour.
func (b *builder) visit(e shipment.Entry) error {
	b.last = max(b.last, e.Seq)
	h := maphash.String(b.seed, e.After.Key.String())
	_, again := b.seen[h]
	if b.v.outlived(e.After, b.now) && !again {
		return nil
	}
	if again != b.redo || again {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.seen[h] = struct{}{}
	b.redo = again
	b.buf = append(b.buf, Item{Seq: e.Seq, Shipment: e.After})
	if len(b.buf) >= chunk {
		return b.flush()
	}
	return nil
}

func (b *builder) flush() error {
	if len(b.buf) == 0 {
		return nil
	}
	var p *plan
	var t totals
	var err error
	if b.redo {
		p, t, err = replace(b.ctx, b.v.client, b.img, b.buf)
	} else {
		p, t, err = b.fresh()
	}
	if err != nil {
		return unavailable(err, "write the rebuilt view")
	}
	pipe := b.v.client.Pipeline()
	p.write(b.ctx, pipe, t)
	if _, err := pipe.Exec(b.ctx); err != nil {
		return unavailable(err, "write the rebuilt view")
	}
	b.buf = b.buf[:0]
	return nil
}

func (b *builder) fresh() (*plan, totals, error) {
	p := newPlan(b.img)
	for _, it := range b.buf {
		if err := p.put(nil, it); err != nil {
			return nil, totals{}, err
		}
	}
	t, err := p.settle(b.ctx, b.v.client)
	return p, t, err
}

// promote makes a built image the current one, unless another projector has cleared it away as abandoned.
func (v *View) promote(ctx context.Context, to Cursor) error {
	img := image(to.Prefix)
	for range 5 {
		err := v.client.Watch(ctx, func(tx *redis.Tx) error {
			n, err := tx.Exists(ctx, img.building()).Result()
			if err != nil {
				return err
			}
			if n == 0 {
				return ErrMoved
			}
			_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.HSet(ctx, cursorKey, "layout", layout, "epoch", to.Epoch, "seq", strconv.FormatUint(to.Seq, 10), "image", to.Prefix)
				pipe.Del(ctx, img.building())
				return nil
			})
			return err
		}, cursorKey, img.building())
		switch {
		case err == nil || errors.Is(err, ErrMoved):
			return err
		case !errors.Is(err, redis.TxFailedErr):
			return unavailable(err, "switch to the rebuilt view")
		}
	}
	return ErrMoved
}

// clean deletes every image but the current one. Images have few keys, so the scan is short; UNLINK frees the large
// ones beside the server's work. What another projector is building right now loses its mark first, in a transaction
// against the switch, so that it can no longer become current when its keys go.
func (v *View) clean(ctx context.Context) error {
	var scan uint64
	spared := map[image]bool{}
	for {
		keys, next, err := v.client.Scan(ctx, scan, root+"*", 1000).Result()
		if err != nil {
			return err
		}
		var victims []string
		for _, k := range keys {
			name, _, ok := strings.Cut(strings.TrimPrefix(k, root), ":")
			if !ok {
				continue
			}
			img := image(name)
			spare, known := spared[img]
			if !known {
				if spare, err = v.disown(ctx, img); err != nil {
					return err
				}
				spared[img] = spare
			}
			if !spare {
				victims = append(victims, k)
			}
		}
		if len(victims) > 0 {
			if err := v.client.Unlink(ctx, victims...).Err(); err != nil {
				return err
			}
		}
		if scan = next; scan == 0 {
			return nil
		}
	}
}

// disown makes sure that an image is not current and never will be; it reports true when the image is current.
func (v *View) disown(ctx context.Context, img image) (current bool, err error) {
	for range 5 {
		err = v.client.Watch(ctx, func(tx *redis.Tx) error {
			at, err := tx.HGet(ctx, cursorKey, "image").Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			if current = at == string(img); current {
				return nil
			}
			_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
				pipe.Del(ctx, img.building())
				return nil
			})
			return err
		}, cursorKey)
		if !errors.Is(err, redis.TxFailedErr) {
			return current, err
		}
	}
	return false, fmt.Errorf("the view's position changes too often: %w", err)
}
