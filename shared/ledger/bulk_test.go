package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

func drafts(t *testing.T, from, n int) []ledger.Draft {
	t.Helper()
	out := make([]ledger.Draft, n)
	for i := range out {
		out[i] = ledger.Draft{Entry: entry(t, shipment.Shipment{}, report(key(from+i), fmt.Sprint("id", from+i)))}
	}
	return out
}

func fill(t *testing.T, l *ledger.Ledger, n int) []shipment.Entry {
	t.Helper()
	var out []shipment.Entry
	for i, r := range l.AppendAll(bounded(t), drafts(t, 0, n)) {
		if r.Err != nil {
			t.Fatalf("draft %d: %v", i, r.Err)
		}
		out = append(out, r.Entry)
	}
	return out
}

func TestAppendAll(t *testing.T) {
	_, l := start(t)
	from := 0
	for _, n := range []int{0, 1, 15, 16, 1000, 2500} {
		ds := drafts(t, from, n)
		keys := make([]shipment.Key, n)
		results := l.AppendAll(bounded(t), ds)
		if len(results) != n {
			t.Fatalf("%d results of %d", len(results), n)
		}
		for i := range keys {
			keys[i] = ds[i].Entry.After.Key
		}
		stored, err := l.LastMany(bounded(t), keys)
		if err != nil || len(stored) != n {
			t.Fatalf("%d stored of %d, %v", len(stored), n, err)
		}
		for i, r := range results {
			if want := stored[keys[i]]; r.Err != nil || r.Entry.ID != fmt.Sprint("id", from+i) || r.Entry.Seq != want.Seq || r.Entry.ID != want.ID {
				t.Fatalf("%d of %d: %s at %d, %v; stored %s at %d", i, n, r.Entry.ID, r.Entry.Seq, r.Err, want.ID, want.Seq)
			}
		}
		from += n
	}
}

// In every batch some lose, some were appended before by the same author, the rest must win.
func TestAppendAllSortsWinnersFromLosers(t *testing.T) {
	_, l := start(t)
	from := 0
	for _, n := range []int{15, 16, 60} {
		ds := drafts(t, from, n)
		for i := range ds {
			switch i % 5 {
			case 1: // somebody else was first
				e := ds[i].Entry
				e.ID = "other"
				if _, err := l.Append(bounded(t), 0, e); err != nil {
					t.Fatal(err)
				}
			case 2: // our own, the answer was lost
				if _, err := l.Append(bounded(t), 0, ds[i].Entry); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, r := range l.AppendAll(bounded(t), ds) {
			var lost *ledger.LostRace
			if i%5 == 1 {
				if !errors.As(r.Err, &lost) || lost.Current.ID != "other" {
					t.Fatalf("%d of %d should have lost: %v", i, n, r.Err)
				}
				continue
			}
			h, err := l.History(bounded(t), ds[i].Entry.After.Key)
			if r.Err != nil || err != nil || len(h) != 1 || h[0].Seq != r.Entry.Seq {
				t.Fatalf("%d of %d: %v, history %d entries, %v", i, n, r.Err, len(h), err)
			}
			if i > 20 {
				break // the others are alike
			}
		}
		from += n
	}
}

func TestAppendAllEndsWithItsContext(t *testing.T) {
	_, l := start(t)
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for _, n := range []int{3, 40} {
		for i, r := range l.AppendAll(done, drafts(t, 0, n)) {
			if !fault.Is(r.Err, fault.Unavailable) {
				t.Fatalf("%d of %d: %v", i, n, r.Err)
			}
		}
	}
}

func TestLastMany(t *testing.T) {
	_, l := start(t)
	fill(t, l, 1200)
	if got, err := l.LastMany(bounded(t), nil); err != nil || len(got) != 0 {
		t.Errorf("no keys: %v, %v", got, err)
	}
	if got, err := l.LastMany(bounded(t), []shipment.Key{key(5000), key(5001)}); err != nil || len(got) != 0 {
		t.Errorf("unknown keys: %v, %v", got, err)
	}
	var keys []shipment.Key
	for i := range 1210 {
		keys = append(keys, key(i))
	}
	got, err := l.LastMany(bounded(t), keys)
	if err != nil || len(got) != 1200 || got[key(1199)].ID != "id1199" {
		t.Fatalf("%d found, %v", len(got), err)
	}
	if _, there := got[key(1205)]; there {
		t.Error("an unknown shipment was found")
	}
}

func TestHeadsAndAll(t *testing.T) {
	_, l := start(t)
	ctx := bounded(t)
	never := func(shipment.Entry) error { return errors.New("an entry") }
	if last, err := l.Heads(ctx, "", never); err != nil || last != 0 {
		t.Fatalf("heads of nothing: %d, %v", last, err)
	}
	if err := l.All(ctx, never); err != nil {
		t.Fatal(err)
	}
	if h, err := l.History(ctx, key(1)); err != nil || len(h) != 0 {
		t.Fatalf("history of nothing: %v, %v", h, err)
	}

	first := fill(t, l, 30)
	us := report(shipment.Key{Connection: "US", Order: "302-0000000-0000001", Package: "1"}, "us")
	if _, err := l.Step(ctx, shipment.Entry{}, us); err != nil {
		t.Fatal(err)
	}
	newest, err := l.Step(ctx, first[3], note("n"))
	if err != nil {
		t.Fatal(err)
	}
	var seqs []uint64
	last, err := l.Heads(ctx, "EU", func(e shipment.Entry) error {
		if len(seqs) > 0 && e.Seq <= seqs[len(seqs)-1] {
			t.Errorf("%d after %d", e.Seq, seqs[len(seqs)-1])
		}
		seqs = append(seqs, e.Seq)
		return nil
	})
	if err != nil || len(seqs) != 30 || last != newest.Seq || seqs[29] != newest.Seq {
		t.Fatalf("%d heads, last %d, %v", len(seqs), last, err)
	}
	all := 0
	if err := l.All(ctx, func(shipment.Entry) error { all++; return nil }); err != nil || all != 32 {
		t.Fatalf("%d entries, %v", all, err)
	}
	stop := errors.New("stop")
	if _, err := l.Heads(ctx, "", func(shipment.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("visit's error: %v", err)
	}
}

func TestFollowSurvivesARestartOfTheServer(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	l := open(t, s.Connect(t))
	fill(t, l, 25)
	ctx, cancel := context.WithCancel(bounded(t))
	defer cancel()
	got := make(chan shipment.Entry, 1000)
	ended := make(chan error)
	go func() {
		ended <- l.Follow(ctx, 5, 10, func(batch []shipment.Entry) error {
			if len(batch) == 0 || len(batch) > 10 {
				return fmt.Errorf("a batch of %d", len(batch))
			}
			for _, e := range batch {
				got <- e
			}
			return nil
		})
	}()
	want := uint64(6)
	read := func(until uint64) {
		t.Helper()
		for ; want <= until; want++ {
			select {
			case e := <-got:
				if e.Seq != want {
					t.Fatalf("entry %d, want %d", e.Seq, want)
				}
			case err := <-ended:
				t.Fatalf("follow ended: %v", err)
			}
		}
	}
	read(25)
	s.Stop(t)
	s.Again(t)
	for i := range 5 {
		natstest.Until(t, 20*time.Second, "the ledger takes entries again", func() bool {
			_, err := l.Step(bounded(t), shipment.Entry{}, report(key(100+i), fmt.Sprint("after", i)))
			return err == nil
		})
	}
	read(30)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("follow ended with %v", err)
	}
	stop := errors.New("stop")
	if err := l.Follow(bounded(t), 0, 10, func([]shipment.Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("visit's error: %v", err)
	}
}
