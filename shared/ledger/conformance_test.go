package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// What one server does and what a cluster does must look the same from here.
func TestOnOneServerAndOnACluster(t *testing.T) {
	natstest.Each(t,
		natstest.Case{Name: "an entry is read back by everybody", Run: readBack},
		natstest.Case{Name: "one winner", Run: func(t *testing.T, s natstest.Any) {
			race(t, []*ledger.Ledger{open(t, s.Connect(t)), open(t, s.Connect(t)), open(t, s.Connect(t)), open(t, s.Connect(t))}, 25)
		}},
		natstest.Case{Name: "a repeated append is the same one", Run: repeated},
		natstest.Case{Name: "batches", Run: batch},
		natstest.Case{Name: "batches against each other", Run: batchRace},
		natstest.Case{Name: "following", Run: following},
	)
}

func readBack(t *testing.T, s natstest.Any) {
	ctx, l, other := bounded(t), open(t, s.Connect(t)), open(t, s.Connect(t))
	if e, err := other.Last(ctx, key(1)); err != nil || e.Seq != 0 {
		t.Fatalf("an unknown shipment: %+v, %v", e, err)
	}
	last, err := l.Step(ctx, shipment.Entry{}, report(key(1), "0"))
	if err != nil {
		t.Fatal(err)
	}
	want := []shipment.Entry{last}
	for i := range 20 {
		if last, err = l.Step(ctx, last, note(fmt.Sprint(i+1))); err != nil {
			t.Fatal(err)
		}
		want = append(want, last)
		// Straight after its acknowledgement an entry is there for everybody, whichever replica they ask.
		if got, err := other.Last(ctx, key(1)); err != nil || !reflect.DeepEqual(got, last) {
			t.Fatalf("%+v, %v\nwant %+v", got, err, last)
		}
		if seq, err := other.LastSeq(ctx); err != nil || seq != last.Seq {
			t.Fatalf("position %d, %v; want %d", seq, err, last.Seq)
		}
		if got, err := other.History(ctx, key(1)); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("history has %d entries of %d, %v", len(got), len(want), err)
		}
	}
	if got, err := other.LastMany(ctx, []shipment.Key{key(1), key(2)}); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
	if l.Epoch() == "" || l.Epoch() != other.Epoch() {
		t.Errorf("epochs %q and %q", l.Epoch(), other.Epoch())
	}
}

func repeated(t *testing.T, s natstest.Any) {
	ctx, l := bounded(t), open(t, s.Connect(t))
	e := entry(t, shipment.Shipment{}, report(key(1), "a"))
	var first shipment.Entry
	for i := range 10 {
		got, err := l.Append(ctx, 0, e)
		if err != nil || i > 0 && got.Seq != first.Seq {
			t.Fatalf("try %d: at %d after %d, %v", i, got.Seq, first.Seq, err)
		}
		first = got
	}
	other := e
	other.ID = "b"
	var lost *ledger.LostRace
	if _, err := l.Append(ctx, 0, other); !errors.As(err, &lost) || lost.Current.ID != "a" || lost.Current.Seq != first.Seq {
		t.Fatalf("another event: %v", err)
	}
	if h, err := l.History(ctx, key(1)); err != nil || len(h) != 1 {
		t.Fatalf("%d entries, %v", len(h), err)
	}
}

// A batch in which some were appended before, by somebody else or by the same author.
func batch(t *testing.T, s natstest.Any) {
	ctx, l := bounded(t), open(t, s.Connect(t))
	const n = 60
	ds := drafts(t, 0, n)
	for i := range ds {
		e := ds[i].Entry
		switch i % 5 {
		case 1:
			e.ID = "other"
			fallthrough
		case 2:
			if _, err := l.Append(ctx, 0, e); err != nil {
				t.Fatal(err)
			}
		}
	}
	results := l.AppendAll(ctx, ds)
	for i, r := range results {
		stored, err := l.Last(ctx, key(i))
		var lost *ledger.LostRace
		switch {
		case err != nil:
			t.Fatal(err)
		case i%5 == 1 && (!errors.As(r.Err, &lost) || lost.Current.ID != "other"):
			t.Fatalf("%d should have lost: %v", i, r.Err)
		case i%5 != 1 && (r.Err != nil || r.Entry.Seq != stored.Seq || stored.ID != r.Entry.ID):
			t.Fatalf("%d: told %d, %v; stored %s at %d", i, r.Entry.Seq, r.Err, stored.ID, stored.Seq)
		}
	}
	count(t, l, n, n)
}

// Several append batches over the same shipments at once: every shipment has one winner, whose author knows it.
func batchRace(t *testing.T, s natstest.Any) {
	const authors, n = 3, 40
	results := make([][]ledger.Result, authors)
	var wg sync.WaitGroup
	for a := range authors {
		l, ds := open(t, s.Connect(t)), drafts(t, 0, n)
		for i := range ds {
			ds[i].Entry.ID = fmt.Sprint(a, "-", i)
		}
		wg.Go(func() { results[a] = l.AppendAll(bounded(t), ds) })
	}
	wg.Wait()
	l := open(t, s.Connect(t))
	for i := range n {
		stored, err := l.Last(bounded(t), key(i))
		if err != nil {
			t.Fatal(err)
		}
		for a := range authors {
			r := results[a][i]
			var lost *ledger.LostRace
			mine := stored.ID == fmt.Sprint(a, "-", i)
			if mine && (r.Err != nil || r.Entry.Seq != stored.Seq) || !mine && (!errors.As(r.Err, &lost) || lost.Current.ID != stored.ID) {
				t.Errorf("shipment %d, author %d: %d, %v; stored is %s at %d", i, a, r.Entry.Seq, r.Err, stored.ID, stored.Seq)
			}
		}
	}
	count(t, l, n, n)
}

// count looks how many entries and shipments there are.
func count(t *testing.T, l *ledger.Ledger, entries, shipments int) {
	t.Helper()
	all, heads := 0, map[shipment.Key]uint64{} // a head that was replaced meanwhile may be told of as well, before the newer one
	natstest.Until(t, goOn, "the ledger can be read", func() bool {
		all = 0
		clear(heads)
		err := l.All(bounded(t), func(shipment.Entry) error { all++; return nil })
		if err == nil {
			_, err = l.Heads(bounded(t), "", func(e shipment.Entry) error {
				if heads[e.After.Key] >= e.Seq {
					t.Errorf("head %d of %s after %d", e.Seq, e.After.Key, heads[e.After.Key])
				}
				heads[e.After.Key] = e.Seq
				return nil
			})
		}
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
	if all != entries || len(heads) != shipments {
		t.Errorf("%d entries of %d shipments, want %d of %d", all, len(heads), entries, shipments)
	}
}

func following(t *testing.T, s natstest.Any) {
	ctx, l := bounded(t), open(t, s.Connect(t))
	from, err := l.LastSeq(ctx)
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	got := make(chan []string, 1)
	go func() {
		var ids []string
		err := l.Follow(ctx, from, 10, func(es []shipment.Entry) error {
			for _, e := range es {
				ids = append(ids, e.ID)
			}
			if len(ids) >= 50 {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Error(err)
		}
		got <- ids
	}()
	fill(t, l, 50)
	for i, id := range <-got {
		if id != fmt.Sprint("id", i) {
			t.Fatalf("%d is %s", i, id)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := l.Append(done, 0, entry(t, shipment.Shipment{}, report(key(99), "late"))); !fault.Is(err, fault.Unavailable) {
		t.Errorf("an ended context: %v", err)
	}
}
