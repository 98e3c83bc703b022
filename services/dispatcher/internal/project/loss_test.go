package project

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

func TestTheViewFollowsTheLedger(t *testing.T) {
	b := newBed(t)
	b.accept(0, 1200)
	_, stop := b.project(b.ledger)
	b.shows(1200, 0)
	b.exclude(3)
	b.exclude(7)
	b.shows(1198, 2)
	stop()
	b.exclude(9)
	b.accept(1200, 1210)
	_, stop = b.project(b.ledger) // goes on where it was
	defer stop()
	b.shows(1207, 3)
}

// Redis fails over to a replica that was behind, or comes back from an older snapshot, and nothing is written to the
// ledger for a while: the view must heal all the same, because the next run waits for it.
func TestARolledBackViewHealsWithoutNewEntries(t *testing.T) {
	b := newBed(t)
	b.accept(0, 50)
	_, stop := b.project(b.ledger)
	defer stop()
	b.shows(50, 0)
	old := b.image()
	b.exclude(1)
	b.accept(50, 60)
	b.shows(59, 1)
	b.restore(old)
	b.shows(59, 1)
}

func TestAWipedViewIsBuiltAnew(t *testing.T) {
	b := newBed(t)
	b.accept(0, 30)
	_, stop := b.project(b.ledger)
	defer stop()
	b.shows(30, 0)
	b.restore(nil)
	b.shows(30, 0)
	b.restore(nil)
	b.exclude(2)
	b.shows(29, 1)
}

// other is the same ledger, created anew as far as its epoch tells.
type other struct{ Ledger }

func (other) Epoch() string { return "another" }

func TestAViewOfAnotherLedgerIsBuiltAnew(t *testing.T) {
	b := newBed(t)
	b.accept(0, 20)
	_, stop := b.project(b.ledger)
	b.shows(20, 0)
	before, err := b.view.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop()
	_, stop = b.project(other{b.ledger})
	defer stop()
	b.shows(20, 0)
	b.position("the other ledger's view", func(c view.Cursor) bool { return c.Epoch == "another" && c.Prefix != before.Prefix })
}

func TestARebuildOnRequest(t *testing.T) {
	b := newBed(t)
	b.accept(0, 20)
	again, stop := b.project(b.ledger)
	defer stop()
	b.shows(20, 0)
	before, err := b.view.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again <- struct{}{}
	b.position("a fresh image", func(c view.Cursor) bool { return c.Prefix != before.Prefix })
	b.exclude(4)
	b.shows(19, 1)
}

// A projector that does not know it lost its lease works beside the new one: the view stays exact.
func TestTwoProjectorsDoNoHarm(t *testing.T) {
	b := newBed(t)
	b.accept(0, 300)
	_, stopOne := b.project(b.ledger)
	defer stopOne()
	again, stopTwo := b.project(b.ledger)
	defer stopTwo()
	var wg sync.WaitGroup
	for part := range 3 {
		wg.Go(func() {
			for n := part * 20; n < part*20+20; n++ {
				b.exclude(n)
			}
		})
	}
	b.accept(300, 600)
	again <- struct{}{}
	wg.Wait()
	b.shows(540, 60)
}

// The newest entry of all may have been purged with its shipment. Runs wait for that position all the same.
func TestAViewReachesAPurgedEnd(t *testing.T) {
	b := newBed(t)
	b.accept(0, 3)
	end, err := b.ledger.LastSeq(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, stop := b.project(purged{b.ledger, end})
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.view.WaitFor(ctx, end); err != nil {
		t.Fatal(err)
	}
}

// purged is a ledger whose newest shipment is gone.
type purged struct {
	Ledger
	end uint64
}

func (p purged) HeadsBut(ctx context.Context, c shipment.ConnectionID, skip func(shipment.State, time.Time) bool, visit func(shipment.Entry) error) (uint64, error) {
	var last uint64
	_, err := p.Ledger.HeadsBut(ctx, c, skip, func(e shipment.Entry) error {
		if e.Seq == p.end {
			return nil
		}
		last = e.Seq
		return visit(e)
	})
	return last, err
}

func (p purged) Follow(ctx context.Context, after uint64, limit int, visit func([]shipment.Entry) error) error {
	return p.Ledger.Follow(ctx, max(after, p.end), limit, visit)
}
