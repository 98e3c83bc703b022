package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

func account(id string) func(*event.Shipped) {
	return func(s *event.Shipped) { s.Account = id }
}

// One message holds events of every fate. It is acknowledged when all are settled, and not before.
func TestAMessageOfSeveralEvents(t *testing.T) {
	b := newBench(t)
	b.must(report(event.TypeShipped, "s1", 1), report(event.TypeShipped, "s2", 2))
	events := [][]byte{
		report(event.TypeShipped, "s1", 1),                 // known
		report(event.TypeShipped, "x2", 2, tracking("T2")), // differs
		report(event.TypeShipped, "s3", 3),                 // new
		[]byte(`{"data":{}}`), []byte("7"),                 // unusable, each with a record of its own
		report(event.TypeAmended, "a3", 3, tracking("T3")), // of what is new in the same message
		report(event.TypeShipped, "s4", 4),
	}
	m := &message{data: event.Join(events), at: 9}
	if err := b.run([]Message{m}); err != nil {
		t.Fatal(err)
	}
	want := Stats{Accepted: 4, Known: 1, Differs: 1, Invalid: 2, Amended: 1}
	if got := b.intake.Stats(); got != want || m.acked != 1 || m.later != 0 {
		t.Errorf("counted %+v, want %+v; acknowledged %d times, put off %d times", got, want, m.acked, m.later)
	}
	if s := b.book.heads[key(3)]; s.After.Data.Tracking != "T3" || len(b.types(3)) != 2 {
		t.Errorf("the correction came before its report: %v, %+v", b.types(3), s.After)
	}
	var places []string
	for _, r := range b.rejected {
		places = append(places, r.Original)
	}
	slices.Sort(places)
	if !slices.Equal(places, []string{"/erp/x2", "FERTIG_SHIPPED/9/4", "FERTIG_SHIPPED/9/5"}) {
		t.Errorf("recorded %q", places)
	}
	// What has to wait holds back the message, not the others; delivered again, they are known.
	waits := &message{data: event.Join([][]byte{report(event.TypeShipped, "s5", 5), report(event.TypeShipped, "n", 6, account("NEW"))}), since: now}
	for round := range 2 {
		if err := b.run([]Message{waits}); err != nil {
			t.Fatal(err)
		}
		if waits.acked != 0 || waits.later != round+1 || len(b.types(5)) != 1 {
			t.Errorf("round %d: acknowledged %d times, put off %d times; %v", round, waits.acked, waits.later, b.types(5))
		}
	}
}

func TestAMessageIsNotAcknowledgedWithoutAllOfIt(t *testing.T) {
	away := errors.New("away")
	b := newBench(t)
	b.deaf = away
	m := &message{data: event.Join([][]byte{report(event.TypeShipped, "s1", 1), []byte("{}"), report(event.TypeShipped, "s2", 2)})}
	if err := b.run([]Message{m}); !errors.Is(err, away) || m.acked+m.later != 0 {
		t.Fatalf("%v; acknowledged %d times", err, m.acked)
	}
	b.deaf = nil
	if err := b.run([]Message{m}); err != nil || m.acked != 1 || len(b.book.all) != 2 || len(b.rejected) != 1 {
		t.Errorf("%v; acknowledged %d times; %d entries, %d records", err, m.acked, len(b.book.all), len(b.rejected))
	}
}

// overlapping is a ledger that appends a batch only when the next one has been judged.
type overlapping struct {
	*book
	mu      sync.Mutex
	changed *sync.Cond
	judged  int
	last    int
	batches int
}

func (o *overlapping) Orders(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	found, err := o.book.Orders(ctx, keys)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.judged++
	o.changed.Broadcast()
	return found, err
}

func (o *overlapping) AppendAll(ctx context.Context, drafts []ledger.Draft) []ledger.Result {
	o.mu.Lock()
	o.batches++
	for n := o.batches; o.judged <= n && n < o.last; {
		o.changed.Wait()
	}
	o.mu.Unlock()
	return o.book.AppendAll(ctx, drafts)
}

// A batch is judged while the one before is not in the ledger yet: what is about its shipments and orders must come out
// as if it had been.
func TestABatchIsJudgedInTheLightOfTheOneBefore(t *testing.T) {
	second := func(s *event.Shipped) { s.Package = "2" }
	for name, row := range map[string]struct {
		batches [][][]byte
		stats   Stats
	}{
		"the same":          {[][][]byte{{report(event.TypeShipped, "s1", 1)}, {report(event.TypeShipped, "s1", 1)}, {report(event.TypeShipped, "s1", 1)}}, Stats{Accepted: 1, Known: 2}},
		"another number":    {[][][]byte{{report(event.TypeShipped, "s1", 1)}, {report(event.TypeShipped, "s2", 1, tracking("T2"))}}, Stats{Accepted: 1, Differs: 1}},
		"a correction":      {[][][]byte{{report(event.TypeShipped, "s1", 1)}, {report(event.TypeAmended, "a1", 1, tracking("T2"))}}, Stats{Accepted: 1, Amended: 1}},
		"whole order twice": {[][][]byte{{report(event.TypeShipped, "s1", 1)}, {report(event.TypeShipped, "s2", 1, second)}}, Stats{Accepted: 1, Invalid: 1}},
		"order of two":      {[][][]byte{{report(event.TypeShipped, "s1", 1)}, {report(event.TypeShipped, "s2", 1, second, account("FR"))}}, Stats{Accepted: 1, Invalid: 1}},
		"behind one that waits": {[][][]byte{{report(event.TypeWithdrawn, "w1", 1), report(event.TypeShipped, "s1", 1)}, {report(event.TypeShipped, "s2", 1, second)}},
			Stats{Accepted: 1, Invalid: 2}},
		"known after a correction": {[][][]byte{{report(event.TypeShipped, "s1", 1)}, {report(event.TypeAmended, "a1", 1, tracking("T2"))}, {report(event.TypeShipped, "s3", 1)}},
			Stats{Accepted: 1, Amended: 1, Differs: 1}},
	} {
		b := newBench(t)
		o := &overlapping{book: b.book, last: len(row.batches)}
		o.changed = sync.NewCond(&o.mu)
		b.intake.Ledger = o
		var deliveries [][]Message
		for _, batch := range row.batches {
			deliveries = append(deliveries, []Message{&message{data: event.Join(batch)}})
		}
		if err := b.run(deliveries...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := b.intake.Stats(); got != row.stats {
			t.Errorf("%s: %+v, want %+v; rejected %+v", name, got, row.stats, b.rejected)
		}
	}
}

// Batches are bounded by their events, not by their messages.
func TestManyMessagesOfManyEvents(t *testing.T) {
	b := newBench(t)
	var msgs []Message
	const each, messages = 330, 10
	for m := range messages {
		var events [][]byte
		for n := range each {
			events = append(events, report(event.TypeShipped, fmt.Sprint("s", n), m*each+n))
		}
		msgs = append(msgs, &message{data: event.Join(events)})
	}
	largest := 0
	b.intake.Ledger = sized{b.book, &largest}
	if err := b.run(msgs); err != nil || len(b.book.all) != each*messages || largest > batch || largest < batch/2 {
		t.Errorf("%v; %d entries, at most %d at once", err, len(b.book.all), largest)
	}
	for n, m := range msgs {
		if m.(*message).acked != 1 {
			t.Errorf("message %d: acknowledged %d times", n, m.(*message).acked)
		}
	}
	if !strings.Contains(b.book.all[0].Actor, "erp") {
		t.Errorf("%+v", b.book.all[0])
	}
}

type sized struct {
	*book
	largest *int
}

func (s sized) AppendAll(ctx context.Context, drafts []ledger.Draft) []ledger.Result {
	*s.largest = max(*s.largest, len(drafts))
	return s.book.AppendAll(ctx, drafts)
}
