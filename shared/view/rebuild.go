package view

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Rebuild fills a fresh image from feed, which calls visit with the newest entry of every shipment in the order of their
// sequences (a shipment that changes meanwhile may come again) and returns the sequence up to which that is complete.
// Then the fresh image becomes the current one at once and the old one is deleted; until then readers see the old one.
// Shipments final for longer than the retention, counted back from now, are left out.
func (v *View) Rebuild(ctx context.Context, epoch string, now time.Time, feed func(visit func(shipment.Entry) error) (lastSeq uint64, err error)) (Cursor, error) {
	return v.build(ctx, epoch, now, func(b *builder) (uint64, error) {
		last, err := feed(b.visit)
		return max(last, b.last), err
	})
}

// build fills a fresh image, switches to it and clears the old one away.
func (v *View) build(ctx context.Context, epoch string, now time.Time, fill func(*builder) (uint64, error)) (Cursor, error) {
	if err := v.clean(ctx); err != nil {
		return Cursor{}, unavailable(err, "clear away old images of the view")
	}
	img := image(strings.ToLower(rand.Text()[:12]))
	if err := v.client.HSet(ctx, img.building(), "since", now.UTC().Format(time.RFC3339)).Err(); err != nil {
		return Cursor{}, unavailable(err, "rebuild the view")
	}
	b := newBuilder(ctx, v, img, now)
	defer b.close()
	last, err := fill(b)
	if err != nil {
		return Cursor{}, fmt.Errorf("rebuild the view: %w", err)
	}
	if err := b.finish(); err != nil {
		return Cursor{}, err
	}
	to := Cursor{Epoch: epoch, Seq: last, Prefix: string(img)}
	if err := v.promote(ctx, to); err != nil {
		return Cursor{}, err
	}
	// The new image is in force; what is left of the old one costs only memory and the next rebuild tries again.
	_ = v.clean(ctx)
	return to, nil
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
