package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// batches counts the entries of the ledger by the atomic batch they came in; those that came alone are under "".
func batches(t *testing.T, s *natstest.Server) map[string]int {
	t.Helper()
	js, err := jetstream.New(s.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	err = stream.Scan(bounded(t), js, stream.Ledger, jetstream.OrderedConsumerConfig{}, func(m jetstream.Msg, _ uint64) error {
		out[m.Headers().Get("Nats-Batch-Id")]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestAppendsThatWaitShareABatch(t *testing.T) {
	s, l := start(t)
	const authors, each = 64, 5
	var wg sync.WaitGroup
	for a := range authors {
		wg.Go(func() {
			var last shipment.Entry
			for i := range each {
				ev := note(fmt.Sprint(a, "-", i))
				if i == 0 {
					ev = report(key(a), fmt.Sprint(a, "-", i))
				}
				e, err := l.Step(bounded(t), last, ev)
				if err != nil || e.Seq <= last.Seq {
					t.Errorf("author %d, entry %d: at %d after %d, %v", a, i, e.Seq, last.Seq, err)
					return
				}
				last = e
			}
			if stored, err := l.Last(bounded(t), key(a)); err != nil || stored.Seq != last.Seq || stored.ID != last.ID {
				t.Errorf("author %d was told %s at %d, stored is %s at %d, %v", a, last.ID, last.Seq, stored.ID, stored.Seq, err)
			}
		})
	}
	wg.Wait()
	shared := 0
	for id, n := range batches(t, s) {
		if id != "" {
			shared += n
			if n < 16 {
				t.Errorf("a batch of %d: single appends are cheaper", n)
			}
		}
	}
	if shared < authors*each/2 {
		t.Errorf("%d of %d entries shared a batch", shared, authors*each)
	}
}

func TestOneAloneDoesNotWaitForABatch(t *testing.T) {
	s, l := start(t)
	fill(t, l, 15)
	if got := batches(t, s); got[""] != 15 {
		t.Errorf("%v", got)
	}
}

// Authors race for few shipments while others fill batches: each shipment is won once a round, everybody is told which
// of the two happened to him, and the others of a refused batch are appended all the same.
func TestRacesInsideSharedBatches(t *testing.T) {
	_, l := start(t)
	const racers, bystanders, contested = 40, 60, 5
	won := make([]map[string]bool, contested)
	var mu sync.Mutex
	for i := range won {
		won[i] = map[string]bool{}
	}
	var wg sync.WaitGroup
	for r := range racers {
		wg.Go(func() {
			for c := range contested {
				id := fmt.Sprint("racer", r, "-", c)
				e, err := l.Step(bounded(t), shipment.Entry{}, report(key(c), id))
				var lost *ledger.LostRace
				switch {
				case err == nil && e.ID == id:
					mu.Lock()
					won[c][id] = true
					mu.Unlock()
				case !errors.As(err, &lost) || lost.Current.Seq == 0 || lost.Current.ID == id:
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	for b := range bystanders {
		wg.Go(func() {
			for i := range 5 {
				if _, err := l.Step(bounded(t), shipment.Entry{}, report(key(1000+10*b+i), fmt.Sprint("by", b, "-", i))); err != nil {
					t.Errorf("bystander %d: %v", b, err)
				}
			}
		})
	}
	wg.Wait()
	for c := range contested {
		h, err := l.History(bounded(t), key(c))
		if err != nil || len(h) != 1 || len(won[c]) != 1 || !won[c][h[0].ID] {
			t.Errorf("shipment %d: %d entries, winners %v, %v", c, len(h), won[c], err)
		}
	}
	n := 0
	if err := l.All(bounded(t), func(shipment.Entry) error { n++; return nil }); err != nil || n != contested+5*bystanders {
		t.Errorf("%d entries, %v", n, err)
	}
}

// While nobody answers, appends end with their contexts and say that it is unknown; the ledger works again afterwards.
func TestAppendsThatWaitEndWithTheirContext(t *testing.T) {
	s, l := start(t)
	fill(t, l, 1)
	s.Stop(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 80 {
		wg.Go(func() {
			if _, err := l.Step(ctx, shipment.Entry{}, report(key(10+i), fmt.Sprint("id", i))); !fault.Is(err, fault.Unavailable) {
				t.Errorf("append %d: %v", i, err)
			}
		})
	}
	cancel()
	wg.Wait()
	s.Again(t)
	ds := drafts(t, 200, 40)
	natstest.Until(t, goOn, "the ledger works after the server came back", func() bool { // the first batch may be lost while the client reconnects
		known := true
		for i, r := range l.AppendAll(bounded(t), ds) {
			if r.Err != nil && !fault.Is(r.Err, fault.Unavailable) {
				t.Fatalf("draft %d after the server came back: %v", i, r.Err)
			}
			known = known && r.Err == nil
		}
		return known
	})
}
