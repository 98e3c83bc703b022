package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func set() settings.Set {
	return settings.Set{Connections: []settings.Connection{settings.Connection{ID: "EU", Accounts: []settings.Account{{ID: "DE"}, {ID: "FR"}}}.WithDefaults()}}
}

// book is a ledger in memory.
type book struct {
	mu    sync.Mutex
	seq   uint64
	heads map[shipment.Key]shipment.Entry
	all   []shipment.Entry
	down  error
}

func (b *book) append(expected uint64, e shipment.Entry) (shipment.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down != nil {
		return e, b.down
	}
	if last := b.heads[e.After.Key]; last.Seq != expected {
		return e, &ledger.LostRace{Current: last}
	}
	b.seq++
	e.Seq = b.seq
	b.heads[e.After.Key], b.all = e, append(b.all, e)
	return e, nil
}

func (b *book) AppendAll(_ context.Context, drafts []ledger.Draft) (out []ledger.Result) {
	for _, d := range drafts {
		e, err := b.append(d.Expected, d.Entry)
		out = append(out, ledger.Result{Entry: e, Err: err})
	}
	return out
}

func (b *book) Last(_ context.Context, k shipment.Key) (shipment.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.heads[k], b.down
}

func (b *book) Orders(_ context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[shipment.Key]shipment.Entry{}
	for _, k := range keys {
		for o, e := range b.heads {
			if o.Connection == k.Connection && o.Order == k.Order {
				out[o] = e
			}
		}
	}
	return out, b.down
}

func (b *book) Step(_ context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error) {
	e, err := shipment.Record(last.After, ev)
	if err != nil {
		return e, err
	}
	return b.append(last.Seq, e)
}

// message is a delivery that remembers what became of it.
type message struct {
	data  []byte
	at    uint64
	acked int
	later int
	since time.Time
}

func (m *message) Data() []byte                { return m.data }
func (m *message) Position() uint64            { return m.at }
func (m *message) Stored() time.Time           { return m.since }
func (m *message) Ack() error                  { m.acked++; return nil }
func (m *message) Later(_ time.Duration) error { m.later++; return nil }

type bench struct {
	t        *testing.T
	book     *book
	intake   *Intake
	rejected []door.Rejected
	deaf     error // of the record of unusable input
	n        uint64
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, book: &book{heads: map[shipment.Key]shipment.Entry{}}}
	b.intake = &Intake{Ledger: b.book, Settings: set, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
		Reject: func(_ context.Context, r door.Rejected) error {
			b.book.mu.Lock()
			defer b.book.mu.Unlock()
			if b.deaf == nil {
				b.rejected = append(b.rejected, r)
			}
			return b.deaf
		}}
	return b
}

func order(n int) string { return fmt.Sprintf("302-%07d-%07d", n, n) }

func key(n int) shipment.Key { return shipment.Key{Connection: "EU", Order: order(n), Package: "1"} }

func report(typ, id string, n int, edit ...func(*event.Shipped)) []byte {
	s := event.Shipped{Account: "DE", Order: order(n), Package: "1", ShippedAt: event.Time{Time: now.Add(-time.Hour)}, Carrier: "DHL", Tracking: "T1", Source: "api"}
	for _, e := range edit {
		e(&s)
	}
	b, err := event.Encode(event.New(typ, id, "/erp", now, s))
	if err != nil {
		panic(err)
	}
	return b
}

func tracking(s string) func(*event.Shipped) { return func(e *event.Shipped) { e.Tracking = s } }

// inbox delivers batches of messages once.
type inbox [][]Message

func (x inbox) Receive(ctx context.Context, visit func([]Message) error) error {
	for _, msgs := range x {
		if err := visit(msgs); err != nil {
			return err
		}
	}
	return nil
}

// run takes batches in, one behind the other.
func (b *bench) run(batches ...[]Message) error {
	b.intake.Inbox = inbox(batches)
	return b.intake.Run(b.t.Context())
}

// take delivers messages as one batch.
func (b *bench) take(data ...[]byte) ([]*message, error) {
	var out []*message
	var msgs []Message
	for _, d := range data {
		b.n++
		m := &message{data: d, at: b.n}
		out, msgs = append(out, m), append(msgs, m)
	}
	return out, b.run(msgs)
}

// must delivers messages and insists that each is acknowledged, except those to be tried later.
func (b *bench) must(data ...[]byte) {
	b.t.Helper()
	msgs, err := b.take(data...)
	if err != nil {
		b.t.Fatal(err)
	}
	for i, m := range msgs {
		if m.acked+m.later != 1 {
			b.t.Errorf("message %d: acknowledged %d times, put off %d times", i, m.acked, m.later)
		}
	}
}

func (b *bench) types(n int) (out []shipment.Type) {
	for _, e := range b.book.all {
		if e.After.Key == key(n) {
			out = append(out, e.Type)
		}
	}
	return out
}

func TestWhatBecomesOfAMessage(t *testing.T) {
	type types = []shipment.Type
	shipped := report(event.TypeShipped, "s1", 1)
	for _, row := range []struct {
		name    string
		batches [][][]byte
		types   types
		state   shipment.State
		stats   Stats
	}{
		{"a first report", [][][]byte{{shipped}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1}},
		{"twice in a batch", [][][]byte{{shipped, shipped}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Known: 1}},
		{"delivered again", [][][]byte{{shipped}, {shipped}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Known: 1}},
		{"the same under another id", [][][]byte{{shipped, report(event.TypeShipped, "s2", 1)}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Known: 1}},
		{"another tracking number", [][][]byte{{shipped, report(event.TypeShipped, "s2", 1, tracking("T2"))}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Differs: 1}},
		{"corrected in the same batch", [][][]byte{{shipped, report(event.TypeAmended, "a1", 1, tracking("T2"))}}, types{"accepted", "amended"}, shipment.Pending, Stats{Accepted: 1, Amended: 1}},
		{"corrected, then all again", [][][]byte{{shipped, report(event.TypeAmended, "a1", 1, tracking("T2"))}, {shipped, report(event.TypeAmended, "a1", 1, tracking("T2"))}},
			types{"accepted", "amended"}, shipment.Pending, Stats{Accepted: 1, Amended: 1, Known: 2}},
		{"withdrawn in the same batch", [][][]byte{{shipped, report(event.TypeWithdrawn, "w1", 1)}}, types{"accepted", "closed"}, shipment.Closed, Stats{Accepted: 1, Amended: 1}},
		{"withdrawn, then reported again by accident", [][][]byte{{shipped, report(event.TypeWithdrawn, "w1", 1)}, {shipped, report(event.TypeWithdrawn, "w1", 1)}},
			types{"accepted", "closed"}, shipment.Closed, Stats{Accepted: 1, Amended: 1, Known: 2}},
		{"withdrawn before it is known", [][][]byte{{report(event.TypeWithdrawn, "w1", 1), shipped}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Invalid: 1}},
		{"corrected before it is known", [][][]byte{{report(event.TypeAmended, "a1", 1), shipped}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Invalid: 1}},
		{"not JSON", [][][]byte{{[]byte("{"), shipped}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Invalid: 1}},
		{"unknown account", [][][]byte{{report(event.TypeShipped, "s1", 1, func(s *event.Shipped) { s.Account = "XX" })}}, nil, "", Stats{Invalid: 1}},
		{"in the future", [][][]byte{{report(event.TypeShipped, "s1", 1, func(s *event.Shipped) { s.ShippedAt = event.Time{Time: now.Add(time.Hour)} })}}, nil, "", Stats{Invalid: 1}},
		{"too old", [][][]byte{{report(event.TypeShipped, "s1", 1, func(s *event.Shipped) { s.ShippedAt = event.Time{Time: now.Add(-8 * 24 * time.Hour)} })}}, types{"accepted"}, shipment.Expired, Stats{Accepted: 1}},
		{"Amazon's label", [][][]byte{{report(event.TypeShipped, "s1", 1, func(s *event.Shipped) { s.Label = shipment.LabelAmazon })}}, types{"accepted"}, shipment.NotRequired, Stats{Accepted: 1}},
		{"the order under two accounts", [][][]byte{{shipped, report(event.TypeShipped, "s2", 1, func(s *event.Shipped) { s.Account = "FR" })}}, types{"accepted"}, shipment.Pending, Stats{Accepted: 1, Invalid: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			for _, batch := range row.batches {
				b.must(batch...)
			}
			if got := b.types(1); !slices.Equal(got, row.types) || b.book.heads[key(1)].After.State != row.state {
				t.Errorf("ledger: %v, %s; want %v, %s", got, b.book.heads[key(1)].After.State, row.types, row.state)
			}
			if got := b.intake.Stats(); got != row.stats {
				t.Errorf("counted %+v, want %+v", got, row.stats)
			}
			if got := uint64(len(b.rejected)); got != row.stats.Invalid+row.stats.Differs {
				t.Errorf("%d records of unusable input: %+v", got, b.rejected)
			}
		})
	}
}

func TestADifferenceIsRecordedWithBothValues(t *testing.T) {
	b := newBench(t)
	b.must(report(event.TypeShipped, "s1", 1), report(event.TypeShipped, "s2", 1, tracking("T2")))
	if len(b.rejected) != 1 || len(b.rejected[0].Changes) != 1 || b.rejected[0].Changes[0] != (shipment.Change{Field: "trackingNumber", Old: "T1", New: "T2"}) {
		t.Errorf("%+v", b.rejected)
	}
}

func TestWhatIsBeingSentIsPutOff(t *testing.T) {
	b := newBench(t)
	b.must(report(event.TypeShipped, "s1", 1))
	last := b.book.heads[key(1)]
	if _, err := b.book.Step(t.Context(), last, shipment.Event{ID: "x", Type: shipment.Attempted, At: now, Attempt: &shipment.Attempt{ID: "a", Hash: "h"}}); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{event.TypeAmended, event.TypeWithdrawn} {
		msgs, err := b.take(report(typ, "l1", 1, tracking("T9")))
		if err != nil || msgs[0].acked != 0 || msgs[0].later != 1 {
			t.Errorf("%s: %v, acknowledged %d times, put off %d times", typ, err, msgs[0].acked, msgs[0].later)
		}
	}
	if got := b.intake.Stats().Later; got != 2 || len(b.types(1)) != 2 {
		t.Errorf("counted %d; ledger %v", got, b.types(1))
	}
}

func TestNothingIsAcknowledgedWhileTheStoreIsAway(t *testing.T) {
	away := errors.New("away")
	b := newBench(t)
	b.must(report(event.TypeShipped, "s1", 1))
	b.book.down = away
	batch := [][]byte{report(event.TypeShipped, "s2", 2), report(event.TypeAmended, "a1", 1, tracking("T2")), report(event.TypeShipped, "s3", 3)}
	msgs, err := b.take(batch...)
	if !errors.Is(err, away) {
		t.Errorf("ended with %v", err)
	}
	for i, m := range msgs {
		if m.acked+m.later != 0 {
			t.Errorf("message %d: acknowledged %d times, put off %d times", i, m.acked, m.later)
		}
	}
	b.book.down = nil
	b.must(batch...)
	if len(b.book.all) != 4 || b.book.heads[key(1)].After.Data.Tracking != "T2" {
		t.Errorf("after the store came back: %+v", b.book.all)
	}

	b.deaf = away
	msgs, err = b.take([]byte("nonsense"), report(event.TypeShipped, "s4", 4))
	if !errors.Is(err, away) || msgs[0].acked != 0 {
		t.Errorf("unusable input that cannot be recorded: %v, acknowledged %d times", err, msgs[0].acked)
	}
}

// Whatever is delivered again, in whatever batches, the ledger stays as it is.
func TestDeliveringEverythingAgainChangesNothing(t *testing.T) {
	b := newBench(t)
	var all [][]byte
	for n := range 50 {
		all = append(all, report(event.TypeShipped, fmt.Sprint("s", n), n))
		if n%3 == 0 {
			all = append(all, report(event.TypeAmended, fmt.Sprint("a", n), n, tracking("T2")), report(event.TypeAmended, fmt.Sprint("b", n), n, tracking("T3")))
		}
		if n%7 == 0 {
			all = append(all, report(event.TypeWithdrawn, fmt.Sprint("w", n), n))
		}
	}
	b.must(all...)
	before := len(b.book.all)
	for _, size := range []int{len(all), 7, 1} {
		for rest := all; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			b.must(rest[:min(size, len(rest))]...)
		}
	}
	if len(b.book.all) != before || len(b.rejected) != 0 {
		t.Errorf("%d entries became %d; rejected %+v", before, len(b.book.all), b.rejected)
	}
}
