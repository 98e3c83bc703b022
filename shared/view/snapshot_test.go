package view_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

// TestSnapshotRolledForwardEqualsLedger: whenever a snapshot was written, what came after it leads to the same image.
func TestSnapshotRolledForwardEqualsLedger(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		const keep = 20 * time.Minute
		rapid.Check(t, func(t *rapid.T) {
			must(c.FlushAll(ctx).Result())
			v := view.New(c, view.Options{Retention: keep})
			h := newHistory()
			at := must(v.Rebuild(ctx, "epoch", h.now, empty))
			grow(t, h, rapid.IntRange(0, 40).Draw(t, "before"))
			at = must(v.Apply(ctx, at, h.entries))
			var file bytes.Buffer
			saved := must(v.Save(ctx, &file))
			if saved != at {
				t.Fatalf("saved at %v, want %v", saved, at)
			}
			grow(t, h, rapid.IntRange(0, 40).Draw(t, "after"))
			must(c.FlushAll(ctx).Result())
			end := uint64(len(h.entries))
			at = must(v.Restore(ctx, bytes.NewReader(file.Bytes()), "epoch", end, h.now))
			if at.Seq != saved.Seq || at.Epoch != "epoch" {
				t.Fatalf("restored at %v, want entry %d", at, saved.Seq)
			}
			must(v.Apply(ctx, at, h.entries[at.Seq:]))
			must(v.Sweep(ctx, h.now))
			same(t, v, h.shipments(keep), 20)
			restored := dump(t, c, v)
			must(v.Rebuild(ctx, "epoch", h.now, h.feed))
			sameDump(t, "restored against rebuilt", dump(t, c, v), restored)
		})
	})
}

// meanwhile runs something before the first part of a snapshot is written.
type meanwhile struct {
	io.Writer
	run func()
}

func (m *meanwhile) Write(p []byte) (int, error) {
	if m.run != nil {
		m.run()
		m.run = nil
	}
	return m.Writer.Write(p)
}

// TestSnapshotWrittenWhileTheViewMoves: shipments that were read already, and others that were not, change and move.
func TestSnapshotWrittenWhileTheViewMoves(t *testing.T) {
	redistest.Each(t, func(t *testing.T, c redis.UniversalClient) {
		ctx := context.Background()
		v := view.New(c, view.Options{})
		h := some(2500)
		at := must(v.Rebuild(ctx, "e", noon, h.feed))
		var file bytes.Buffer
		saved := must(v.Save(ctx, &meanwhile{&file, func() {
			for i := 1; i <= 2500; i += 2 {
				h.add(key(i, 1), shipment.Event{Type: shipment.Exclude})
			}
			k := key(9001, 1)
			h.add(k, accept(k, shipment.Data{ShippedAt: noon}))
			must(v.Apply(ctx, at, h.entries[at.Seq:]))
		}}))
		if saved.Seq != 2500 {
			t.Fatalf("saved at %v", saved)
		}
		must(c.FlushAll(ctx).Result())
		at = must(v.Restore(ctx, &file, "e", uint64(len(h.entries)), noon))
		must(v.Apply(ctx, at, h.entries[at.Seq:]))
		restored := dump(t, c, v)
		must(v.Rebuild(ctx, "e", noon, h.feed))
		sameDump(t, "restored against rebuilt", dump(t, c, v), restored)
	})
}

func TestSnapshotOfAnImageThatIsReplacedMeanwhile(t *testing.T) {
	ctx := context.Background()
	v := view.New(redistest.Mini(t), view.Options{})
	h := some(2500)
	must(v.Rebuild(ctx, "e", noon, h.feed))
	_, err := v.Save(ctx, &meanwhile{io.Discard, func() { must(v.Rebuild(ctx, "e", noon, h.feed)) }})
	if !errors.Is(err, view.ErrMoved) {
		t.Fatalf("got %v", err)
	}
}

// TestASnapshotThatIsNoneLeavesTheViewAlone: each byte of it counts.
func TestASnapshotThatIsNoneLeavesTheViewAlone(t *testing.T) {
	ctx := context.Background()
	v := view.New(redistest.Mini(t), view.Options{})
	h := some(3)
	must(v.Rebuild(ctx, "e", noon, h.feed))
	var file bytes.Buffer
	must(v.Save(ctx, &file))
	was := must(v.Position(ctx))
	refused := func(what string, text []byte, epoch string, last uint64) {
		t.Helper()
		if _, err := v.Restore(ctx, bytes.NewReader(text), epoch, last, noon); !errors.Is(err, view.ErrNoSnapshot) {
			t.Errorf("%s: %v", what, err)
		}
		if at := must(v.Position(ctx)); at != was {
			t.Fatalf("%s: position %v, want %v", what, at, was)
		}
	}
	refused("another ledger", file.Bytes(), "f", 3)
	refused("a ledger that was put back", file.Bytes(), "e", 2)
	for n := 0; n < file.Len(); n += 13 {
		refused("cut short", file.Bytes()[:n], "e", 3)
		torn := bytes.Clone(file.Bytes())
		torn[n] ^= 0x10
		refused("a flipped bit", torn, "e", 3)
	}
	must(v.Restore(ctx, &file, "e", 3, noon))
	same(t, v, h.shipments(time.Hour), 20)
}
