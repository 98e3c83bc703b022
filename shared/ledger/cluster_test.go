package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// goOn bounds how long writers may take to go on after a server is gone: an election or two on a machine that has other
// work to do. A few seconds are usual.
const goOn = time.Minute

// writers append for as long as a test lasts: single entries on a shipment of their own, and one of them batches.
type writers struct {
	t    *testing.T
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	acked map[string]uint64 // by event id
	last  map[int]time.Time // newest acknowledgement, by writer
}

const authors = 4

func write(t *testing.T, c *natstest.Cluster) *writers {
	ctx, cancel := context.WithCancel(context.Background())
	w := &writers{t: t, stop: cancel, acked: map[string]uint64{}, last: map[int]time.Time{}}
	for a := range authors {
		l := open(t, c.Connect(t))
		if a == 0 {
			w.wg.Go(func() { w.batches(ctx, l, a) })
		} else {
			w.wg.Go(func() { w.singles(ctx, l, a) })
		}
	}
	t.Cleanup(func() { cancel(); w.wg.Wait() })
	return w
}

func (w *writers) done(author int, es ...shipment.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range es {
		if at, again := w.acked[e.ID]; again {
			w.t.Errorf("%s was acknowledged at %d and at %d", e.ID, at, e.Seq)
		}
		w.acked[e.ID] = e.Seq
	}
	w.last[author] = time.Now()
}

// sure repeats an append until it is known what became of it, as every author does.
func (w *writers) sure(append func() error) bool {
	for range 1000 {
		err := append()
		if err == nil {
			return true
		}
		if !fault.Is(err, fault.Unavailable) {
			w.t.Errorf("nobody else writes there: %v", err)
			return false
		}
	}
	w.t.Error("never found out what became of an append")
	return false
}

func (w *writers) singles(ctx context.Context, l *ledger.Ledger, a int) {
	ev := report(key(a), fmt.Sprint("w", a, "-0"))
	var last shipment.Entry
	for n := 1; ctx.Err() == nil; n++ {
		e, err := shipment.Record(last.After, ev)
		if err != nil {
			w.t.Error(err)
			return
		}
		if !w.sure(func() error { got, err := l.Append(context.Background(), last.Seq, e); e = got; return err }) {
			return
		}
		w.done(a, e)
		last, ev = e, note(fmt.Sprint("w", a, "-", n))
	}
}

func (w *writers) batches(ctx context.Context, l *ledger.Ledger, a int) {
	const size = 30
	for n := 0; ctx.Err() == nil; n++ {
		ds := make([]ledger.Draft, size)
		for i := range ds {
			id := fmt.Sprint("b", n, "-", i)
			e, err := shipment.Record(shipment.Shipment{}, report(key(1000+n*size+i), id))
			if err != nil {
				w.t.Error(err)
				return
			}
			ds[i] = ledger.Draft{Entry: e}
		}
		var stored []shipment.Entry
		ok := w.sure(func() error {
			stored = stored[:0]
			var errs []error
			for _, r := range l.AppendAll(context.Background(), ds) {
				stored = append(stored, r.Entry)
				errs = append(errs, r.Err)
			}
			for _, err := range errs {
				if err != nil && !fault.Is(err, fault.Unavailable) {
					return err
				}
			}
			for _, err := range errs {
				if err != nil {
					return err
				}
			}
			return nil
		})
		if !ok {
			return
		}
		w.done(a, stored...)
	}
}

// goesOn waits until every writer has been answered for something it began after now, and says how long that took.
func (w *writers) goesOn(what string) {
	w.t.Helper()
	began := time.Now()
	w.mu.Lock()
	count := len(w.acked)
	w.mu.Unlock()
	natstest.Until(w.t, goOn, "writers go on after "+what, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for a := range authors {
			if !w.last[a].After(began) {
				return false
			}
		}
		return len(w.acked) > count+10*authors
	})
	w.t.Logf("%s: all writers had gone on after %s", what, time.Since(began).Round(time.Millisecond))
}

// end stops the writers and compares what they were told with what is there.
func (w *writers) end(l *ledger.Ledger) {
	w.t.Helper()
	w.stop()
	w.wg.Wait()
	there := map[string]uint64{}
	err := l.All(bounded(w.t), func(e shipment.Entry) error {
		if at, twice := there[e.ID]; twice {
			w.t.Errorf("%s is there twice, at %d and at %d", e.ID, at, e.Seq)
		}
		there[e.ID] = e.Seq
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for id, seq := range w.acked {
		if there[id] != seq {
			w.t.Errorf("%s was acknowledged at %d and stands at %d", id, seq, there[id])
		}
	}
	if len(there) != len(w.acked) {
		w.t.Errorf("%d entries, %d acknowledged", len(there), len(w.acked))
	}
	w.t.Logf("%d entries, each there once", len(there))
}

// Servers of a cluster stop under writers: the ledger's leader, the one that places streams, a follower.
func TestNothingAcknowledgedIsLostWhenAServerStops(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t)
	w := write(t, c)
	w.goesOn("the start")
	for _, s := range []struct {
		what string
		pick func() *natstest.Server
	}{
		{"the leader's stop", func() *natstest.Server { return c.Leader(t, stream.Ledger) }},
		{"a follower's stop", func() *natstest.Server { return c.Followers(t, stream.Ledger)[0] }},
		{"the stop of the cluster's own leader", func() *natstest.Server { return c.MetaLeader(t) }},
	} {
		victim := s.pick()
		victim.Stop(t)
		w.goesOn(s.what)
		victim.Again(t)
		c.Current(t, stream.Ledger)
	}
	w.end(open(t, c.Connect(t)))
}

// One server of three cannot agree with anybody: nothing may be told to be there that is not.
func TestWithoutAMajorityNothingIsAccepted(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t)
	l := open(t, c.Connect(t))
	kept := fill(t, l, 20)
	gone := c.Followers(t, stream.Ledger)
	for _, s := range gone {
		s.Stop(t)
	}
	ds := drafts(t, 100, 20)
	single := entry(t, kept[0].After, note("single"))
	soon, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := l.Append(soon, kept[0].Seq, single); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a single append: %v", err)
	}
	for i, r := range l.AppendAll(soon, ds) {
		if !fault.Is(r.Err, fault.Unavailable) {
			t.Errorf("draft %d of a batch: %v", i, r.Err)
		}
	}
	for _, s := range gone {
		s.Again(t)
	}
	// The same events again, until they are answered for: each is there once, whatever became of the first try.
	again := func(append func() error) {
		natstest.Until(t, goOn, "it goes on by itself", func() bool {
			err := append()
			if err != nil && !fault.Is(err, fault.Unavailable) {
				t.Fatal(err)
			}
			return err == nil
		})
	}
	again(func() error { _, err := l.Append(bounded(t), kept[0].Seq, single); return err })
	again(func() error {
		var errs []error
		for _, r := range l.AppendAll(bounded(t), ds) {
			errs = append(errs, r.Err)
		}
		if err := errors.Join(errs...); err != nil {
			return fault.Wrap(fault.Unavailable, err, "batch")
		}
		return nil
	})
	count(t, l, 41, 40)
}
