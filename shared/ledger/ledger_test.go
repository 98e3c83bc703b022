package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func open(t *testing.T, nc *nats.Conn) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(bounded(t), nc)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func start(t *testing.T) (*natstest.Server, *ledger.Ledger) {
	t.Helper()
	t.Parallel()
	s := natstest.Start(t)
	return s, open(t, s.Connect(t))
}

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func key(i int) shipment.Key {
	return shipment.Key{Connection: "EU", Order: fmt.Sprintf("302-0000000-%07d", i), Package: "1"}
}

func report(k shipment.Key, id string) shipment.Event {
	return shipment.Event{ID: id, Type: shipment.Accepted, At: noon, Key: k, Account: "DE",
		Data: &shipment.Data{ShippedAt: noon, Carrier: "DHL", Tracking: "1", Source: "test"}}
}

func entry(t *testing.T, before shipment.Shipment, e shipment.Event) shipment.Entry {
	t.Helper()
	out, err := shipment.Record(before, e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func note(id string) shipment.Event { return shipment.Event{ID: id, Type: shipment.Noted, At: noon} }

func TestAppendAndRead(t *testing.T) {
	_, l := start(t)
	ctx, k := bounded(t), key(1)
	if e, err := l.Last(ctx, k); err != nil || e.Seq != 0 || e.After.Exists() {
		t.Fatalf("an unknown shipment: %+v, %v", e, err)
	}
	first, err := l.Step(ctx, shipment.Entry{}, report(k, "a"))
	if err != nil || first.Seq == 0 {
		t.Fatal(first.Seq, err)
	}
	second, err := l.Step(ctx, first, note("b"))
	if err != nil || second.Seq <= first.Seq {
		t.Fatal(second.Seq, err)
	}
	last, err := l.Last(ctx, k)
	if err != nil || !reflect.DeepEqual(last, second) {
		t.Fatalf("%+v, %v\nwant %+v", last, err, second)
	}
	history, err := l.History(ctx, k)
	if err != nil || !reflect.DeepEqual(history, []shipment.Entry{first, second}) {
		t.Fatalf("history %+v, %v", history, err)
	}
	var refused *shipment.Refusal
	if _, err := l.Step(ctx, second, report(k, "c")); !errors.As(err, &refused) {
		t.Errorf("a step that is not possible: %v", err)
	}
	if seq, err := l.LastSeq(ctx); err != nil || seq != second.Seq || l.Epoch() == "" {
		t.Errorf("position %d, epoch %q, %v", seq, l.Epoch(), err)
	}
}

func TestLostAnswerIsResolvedByTheEventID(t *testing.T) {
	_, l := start(t)
	ctx, k := bounded(t), key(1)
	e := entry(t, shipment.Shipment{}, report(k, "a"))
	first, err := l.Append(ctx, 0, e)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.Append(ctx, 0, e)
	if err != nil || again.Seq != first.Seq {
		t.Fatalf("repeated: sequence %d, %v; want %d", again.Seq, err, first.Seq)
	}
	other := e
	other.ID = "b"
	var lost *ledger.LostRace
	if _, err := l.Append(ctx, 0, other); !errors.As(err, &lost) || lost.Current.ID != "a" || lost.Current.Seq != first.Seq {
		t.Fatalf("another event: %v", err)
	}
	if h, err := l.History(ctx, k); err != nil || len(h) != 1 {
		t.Fatalf("%d entries, %v", len(h), err)
	}
}

// race lets writers append to one subject at once, round by round, and wants exactly one winner each time.
func race(t *testing.T, ledgers []*ledger.Ledger, rounds int) {
	t.Helper()
	ctx, k := bounded(t), key(7)
	last, err := ledgers[0].Step(ctx, shipment.Entry{}, report(k, "start"))
	if err != nil {
		t.Fatal(err)
	}
	for r := range rounds {
		var wg sync.WaitGroup
		type result struct {
			entry shipment.Entry
			err   error
		}
		results := make([]result, len(ledgers))
		for w, l := range ledgers {
			wg.Go(func() { results[w].entry, results[w].err = l.Step(ctx, last, note(fmt.Sprint(r, "-", w))) })
		}
		wg.Wait()
		var won []shipment.Entry
		for w, res := range results {
			var lost *ledger.LostRace
			switch {
			case res.err == nil:
				won = append(won, res.entry)
			case !errors.As(res.err, &lost):
				t.Fatalf("round %d, writer %d: %v", r, w, res.err)
			case lost.Current.Seq == last.Seq:
				t.Fatalf("round %d, writer %d lost against what it had seen itself", r, w)
			}
		}
		if len(won) != 1 {
			t.Fatalf("round %d has %d winners", r, len(won))
		}
		last = won[0]
	}
	if h, err := ledgers[0].History(ctx, k); err != nil || len(h) != rounds+1 {
		t.Fatalf("%d entries of %d, %v", len(h), rounds+1, err)
	}
}

func TestChangeDecidesAgainAfterALostRace(t *testing.T) {
	s, l := start(t)
	ctx, k := bounded(t), key(1)
	if _, err := l.Step(ctx, shipment.Entry{}, report(k, "a")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const writers, each = 4, 5
	for w := range writers {
		mine := open(t, s.Connect(t))
		wg.Go(func() {
			for i := range each {
				n := 0
				_, err := mine.Change(ctx, k, func(shipment.Entry) (shipment.Event, error) {
					n++
					return note(fmt.Sprint(w, "-", i, "-", n)), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if h, err := l.History(ctx, k); err != nil || len(h) != 1+writers*each {
		t.Fatalf("%d entries, %v", len(h), err)
	}
	before, err := l.Last(ctx, k)
	if err != nil {
		t.Fatal(err)
	}
	same, err := l.Change(ctx, k, func(shipment.Entry) (shipment.Event, error) { return shipment.Event{}, nil })
	if err != nil || same.Seq != before.Seq {
		t.Errorf("nothing to do: %d, %v", same.Seq, err)
	}
	no := errors.New("no")
	if _, err := l.Change(ctx, k, func(shipment.Entry) (shipment.Event, error) { return shipment.Event{}, no }); !errors.Is(err, no) {
		t.Errorf("decide's error: %v", err)
	}
	n := 0
	_, err = l.Change(ctx, k, func(last shipment.Entry) (shipment.Event, error) {
		n++
		if _, err := l.Step(ctx, last, note(fmt.Sprint("spoiler", n))); err != nil {
			t.Fatal(err)
		}
		return note(fmt.Sprint("late", n)), nil
	})
	if !fault.Is(err, fault.Conflict) || n != 20 {
		t.Errorf("after %d tries: %v", n, err)
	}
}

func TestAppendSaysWhenNothingIsKnown(t *testing.T) {
	s, l := start(t)
	e := entry(t, shipment.Shipment{}, report(key(1), "a"))
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Append(done, 0, e); !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	s.Stop(t)
	soon, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := l.Append(soon, 0, e); !fault.Is(err, fault.Unavailable) {
		t.Errorf("append without a server: %v", err)
	}
	if _, err := l.Last(soon, key(1)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("read without a server: %v", err)
	}
	if got, err := l.LastMany(soon, []shipment.Key{key(1)}); !fault.Is(err, fault.Unavailable) || got != nil {
		t.Errorf("silence must not look like an unknown shipment: %v, %v", got, err)
	}
}
