package view_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

func TestRebuildShowsTheOldImageUntilItIsDone(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(3)
		old := must(v.Rebuild(ctx, "e", noon, h.feed))
		_, err := v.Rebuild(ctx, "f", noon, func(visit func(shipment.Entry) error) (uint64, error) {
			return 0, errors.New("the ledger is away")
		})
		if err == nil || must(v.Position(ctx)) != old {
			t.Fatalf("a rebuild that failed: %v, position %v", err, must(v.Position(ctx)))
		}
		more := some(5)
		at := must(v.Rebuild(ctx, "f", noon, func(visit func(shipment.Entry) error) (uint64, error) {
			seq, err := more.feed(visit)
			same(t, v, h.shipments(time.Hour), 20)
			return seq, err
		}))
		if at.Epoch != "f" || at.Seq != 5 || at.Prefix == old.Prefix {
			t.Fatalf("position %v", at)
		}
		same(t, v, more.shipments(time.Hour), 20)
		if n := images(c); len(n) != 1 {
			t.Fatalf("images %v are left", n)
		}
	})
}

// TestRebuildSeesChangesMeanwhile: the feed gives a shipment again that changed while it was read.
func TestRebuildSeesChangesMeanwhile(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(30)
		h.add(key(2, 1), shipment.Event{Type: shipment.Exclude})
		h.add(key(2, 1), shipment.Event{Type: shipment.Include})
		h.add(key(3, 1), shipment.Event{Type: shipment.CloseEvent, Kind: shipment.Cancelled})
		at := must(v.Rebuild(ctx, "e", noon, func(visit func(shipment.Entry) error) (uint64, error) {
			for _, e := range h.entries {
				if err := visit(e); err != nil {
					return 0, err
				}
			}
			return 30, nil
		}))
		if at.Seq != 33 {
			t.Fatalf("position %v", at)
		}
		same(t, v, h.shipments(time.Hour), 20)
	})
}

func TestARebuildOvertakenByAnotherGivesUp(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(3)
		var winner view.Cursor
		_, err := v.Rebuild(ctx, "e", noon, func(visit func(shipment.Entry) error) (uint64, error) {
			winner = must(v.Rebuild(ctx, "e", noon, h.feed))
			return h.feed(visit)
		})
		if !errors.Is(err, view.ErrMoved) {
			t.Fatalf("the slower one: %v", err)
		}
		if at := must(v.Position(ctx)); at != winner {
			t.Fatalf("position %v, want %v", at, winner)
		}
		same(t, v, h.shipments(time.Hour), 20)
	})
}

// An image of another layout is none.
func TestAnotherLayoutIsRebuilt(t *testing.T) {
	c := redistest.Mini(t)
	ctx := context.Background()
	v := view.New(c, view.Options{})
	must(v.Rebuild(ctx, "e", noon, some(1).feed))
	must(c.HSet(ctx, "fertig:{view}:cursor", "layout", "0").Result())
	if at := must(v.Position(ctx)); !at.IsZero() {
		t.Fatalf("position %v", at)
	}
}
