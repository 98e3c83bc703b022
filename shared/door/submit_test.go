package door

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixed settings.Set

func (f fixed) Current() settings.Set { return settings.Set(f) }

type bed struct {
	server *natstest.Server
	js     jetstream.JetStream
	ledger *ledger.Ledger
	door   *Door
	ctx    context.Context
}

func start(t *testing.T) bed {
	t.Helper()
	t.Parallel()
	s := natstest.Start(t)
	b := on(t, s)
	b.server = s
	return b
}

func on(t *testing.T, s natstest.Any) bed {
	t.Helper()
	b := bed{}
	nc := s.Connect(t)
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	var err error
	if b.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	if b.ledger, err = ledger.Open(b.ctx, nc); err != nil {
		t.Fatal(err)
	}
	if b.door, err = Open(nc, b.ledger, fixed(config), func() time.Time { return now }); err != nil {
		t.Fatal(err)
	}
	return b
}

// stored reads all messages of a stream.
func (b bed) stored(t *testing.T, name string) [][]byte {
	t.Helper()
	var out [][]byte
	err := stream.Scan(b.ctx, b.js, name, jetstream.OrderedConsumerConfig{}, func(m jetstream.Msg, _ uint64) error {
		out = append(out, m.Data())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func results(vs []Verdict) []Result {
	var out []Result
	for _, v := range vs {
		out = append(out, v.Result)
	}
	return out
}

func TestSubmit(t *testing.T) {
	natstest.Each(t, natstest.Case{Name: "submit", Run: submit})
}

func submit(t *testing.T, s natstest.Any) {
	b := on(t, s)
	_, known := Judge(config, now, shipped(9), shipment.Entry{})
	if _, err := b.ledger.Step(b.ctx, shipment.Entry{}, known); err != nil {
		t.Fatal(err)
	}
	natstest.Until(t, 10*time.Second, "every replica knows it", func() bool { // the door's preview may be a moment behind
		for range 10 {
			if got, err := b.ledger.LastMany(b.ctx, []shipment.Key{known.Key}); err != nil || len(got) != 1 {
				return false
			}
		}
		return true
	})
	other := func(n int) event.Event {
		return with(shipped(n), func(e *event.Event) { e.ID, e.Data.Tracking = "other", "2" })
	}
	batch := []event.Event{
		shipped(1), shipped(2), shipped(1), other(2), // twice in one batch: the same, and with other content
		shipped(9), other(9), // known already
		with(shipped(3), func(e *event.Event) { e.Data.Order = "1" }),
		with(shipped(4), func(e *event.Event) { e.ID = "" }),                                       // intake could not read it
		with(shipped(5), func(e *event.Event) { e.Subject = strings.Repeat("x", event.MaxBytes) }), // nor this
	}
	got, err := b.door.Submit(b.ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	want := []Result{Accepted, Accepted, AlreadyKnown, Differs, AlreadyKnown, Differs, Refused, Refused, Refused}
	if !slices.Equal(results(got), want) {
		t.Fatalf("got  %v\nwant %v", results(got), want)
	}
	if p := got[7].Problems; len(p) != 1 || p[0].Field != "id" {
		t.Errorf("problems %+v", p)
	}
	inbox := b.stored(t, stream.Shipped)
	if len(inbox) != 2 {
		t.Fatalf("%d events stored", len(inbox))
	}
	for i, raw := range inbox {
		if e, err := event.Decode(raw); err != nil || EventID(e) != EventID(batch[i]) {
			t.Errorf("stored %s, %v", raw, err)
		}
	}
	rejects := b.stored(t, stream.Invalid)
	if len(rejects) != 2 {
		t.Fatalf("%d contradictions recorded", len(rejects))
	}
	for _, raw := range rejects {
		var r Rejected
		if err := json.Unmarshal(raw, &r); err != nil || r.Reason != Differs || r.Original != "/erp/other" || len(r.Changes) != 1 || r.Source != "api" {
			t.Errorf("recorded %s, %v", raw, err)
		}
	}
	// The sender heard nothing and sends everything again: intake has not been there yet, and still nothing is doubled.
	if _, err := b.door.Submit(b.ctx, batch); err != nil {
		t.Fatal(err)
	}
	if inbox := b.stored(t, stream.Shipped); len(inbox) != 2 {
		t.Errorf("%d events stored after a repetition", len(inbox))
	}
}

// A sender that uses an id twice within the window of duplicates must not lose what was promised to be stored.
func TestAnIDUsedTwiceLosesNothing(t *testing.T) {
	b := start(t)
	for _, e := range []event.Event{shipped(1), with(shipped(2), func(e *event.Event) { e.ID = "s1" }), amended("s1", "7")} {
		vs, err := b.door.Submit(b.ctx, []event.Event{e})
		if err != nil || len(vs) != 1 {
			t.Fatal(err)
		}
	}
	if inbox := b.stored(t, stream.Shipped); len(inbox) != 2 { // the amendment of a shipment not yet known is refused
		t.Errorf("%d events stored", len(inbox))
	}
}

func TestSubmitIsBounded(t *testing.T) {
	b := start(t)
	if vs, err := b.door.Submit(b.ctx, make([]event.Event, MaxBatch+1)); vs != nil || !fault.Is(err, fault.Invalid) {
		t.Errorf("%d verdicts, %v", len(vs), err)
	}
	if vs, err := b.door.Submit(b.ctx, nil); len(vs) != 0 || err != nil {
		t.Errorf("nothing: %v, %v", vs, err)
	}
}

func TestNoVerdictWithoutNATS(t *testing.T) {
	b := start(t)
	b.server.Stop(t)
	ctx, cancel := context.WithTimeout(b.ctx, 300*time.Millisecond)
	defer cancel()
	if vs, err := b.door.Submit(ctx, []event.Event{shipped(1)}); vs != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, %v", vs, err)
	}
	// The ledger answers, and then the inbox does not.
	b.door.ledger = nothing{}
	ctx, cancel = context.WithTimeout(b.ctx, 300*time.Millisecond)
	defer cancel()
	if vs, err := b.door.Submit(ctx, []event.Event{shipped(1), shipped(2)}); vs != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("%v, %v", vs, err)
	}
}

// What is stored together is read together, whatever the sizes, and nothing is longer than a message may be.
func TestManyShareMessages(t *testing.T) {
	b := start(t)
	long := strings.Repeat("x", 400)
	for _, n := range []int{joinFrom - 1, 2 * joinFrom, 333, MaxBatch} {
		before := len(b.stored(t, stream.Shipped))
		var batch []event.Event
		want := map[shipment.ConnectionID][]string{}
		for i := range n {
			e := with(shipped(1000*n+i), func(e *event.Event) {
				if i%7 == 0 {
					e.Data.Account = "COM"
				}
				e.Data.Items = make([]shipment.Item, i%20)
				for j := range e.Data.Items {
					e.Data.Items[j] = shipment.Item{OrderItemID: fmt.Sprint(j), Quantity: 1, TransparencyCodes: []string{long[:100]}}
				}
			})
			k, err := KeyOf(config, e)
			if err != nil {
				t.Fatal(err)
			}
			want[k.Connection] = append(want[k.Connection], e.ID)
			batch = append(batch, e)
		}
		vs, err := b.door.Submit(b.ctx, batch)
		if err != nil || slices.ContainsFunc(vs, func(v Verdict) bool { return v.Result != Accepted }) {
			t.Fatalf("%d: %v", n, err)
		}
		got := map[shipment.ConnectionID][]string{}
		msgs := b.stored(t, stream.Shipped)[before:]
		for _, raw := range msgs {
			if len(raw) > event.MaxTogether {
				t.Errorf("%d: a message of %d bytes", n, len(raw))
			}
			for _, d := range event.DecodeAll(raw) {
				k, err := KeyOf(config, d.Event)
				if d.Err != nil || err != nil {
					t.Fatal(d.Err, err)
				}
				got[k.Connection] = append(got[k.Connection], d.Event.ID)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d events: got %v, want %v", n, got, want)
		}
		if shared := len(msgs) < n; shared != (n > joinFrom) {
			t.Errorf("%d events in %d messages", n, len(msgs))
		}
	}
}

// A full inbox refuses, says so, and has taken nothing of the batch in.
func TestAFullInboxTakesNothingOfABatch(t *testing.T) {
	b := start(t)
	s, err := b.js.Stream(b.ctx, stream.Shipped)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = 20_000
	if _, err := b.js.UpdateStream(b.ctx, cfg); err != nil {
		t.Fatal(err)
	}
	var events []event.Event
	for i := range MaxBatch {
		events = append(events, shipped(i))
	}
	stored := 0
	for _, n := range []int{31, 30, 20, 500, 3, 8} { // beyond 20 kB some are refused, and smaller ones may still find a place
		batch := events[:n]
		events = events[n:]
		vs, err := b.door.Submit(b.ctx, batch)
		switch {
		case err == nil && len(vs) == n:
			stored += n
		case vs != nil || !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "inbox is full"):
			t.Errorf("%d: %v, %v", n, vs, err)
		}
		got := 0
		for _, raw := range b.stored(t, stream.Shipped) {
			got += len(event.DecodeAll(raw))
		}
		if got != stored {
			t.Fatalf("after a batch of %d: %d stored, %d promised", n, got, stored)
		}
	}
	if stored == 0 || len(events) < 400 || stored > 100 {
		t.Errorf("%d stored", stored)
	}
}

// Of a batch whose half the inbox has already, the other half is stored, and nothing is doubled.
func TestABatchThatIsPartlyStored(t *testing.T) {
	b := start(t)
	for _, n := range []int{5, 10} {
		var batch []event.Event
		for i := range n {
			batch = append(batch, shipped(i))
		}
		if _, err := b.door.Submit(b.ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.stored(t, stream.Shipped)); n != 10 {
		t.Errorf("%d stored", n)
	}
}

type nothing struct{}

func (nothing) Orders(context.Context, []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	return nil, nil
}

func TestRejectTakesAnyDoor(t *testing.T) {
	b := start(t)
	for _, source := range []string{"import", "", "a b.*>"} {
		if err := b.door.Reject(b.ctx, Rejected{At: now, Source: source, Reason: Refused, Original: "x"}); err != nil {
			t.Errorf("%q: %v", source, err)
		}
	}
	if err := b.door.Reject(b.ctx, Rejected{At: now, Source: "import", Reason: Refused, Original: "x"}); err != nil {
		t.Error(err)
	}
	if n := len(b.stored(t, stream.Invalid)); n != 3 {
		t.Errorf("%d records", n)
	}
}

// What is known of an order is told at the door, as of when it was known; an order that Amazon did not show is told, too.
func TestOrderKnowledgeAtTheDoor(t *testing.T) {
	b := start(t)
	events := []event.Event{shipped(1), shipped(2)}
	conn, _, _ := b.door.settings.Current().Account(shipment.AccountID(events[0].Data.Account))
	at := b.door.now().UTC()
	book := b.door.known.book
	if err := book.Put(b.ctx, orders.Order{Connection: conn.ID, ID: events[0].Data.Order, Status: orders.Cancelled, Source: orders.FromAmazon, AsOf: at}); err != nil {
		t.Fatal(err)
	}
	if err := book.Record(b.ctx, orders.Sweep{Connection: conn.ID, StartedAt: at, At: at, Finished: true}); err != nil {
		t.Fatal(err)
	}
	vs, err := b.door.Preview(b.ctx, events)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"the order is cancelled at Amazon", "Amazon did not show the order as open"} {
		if got := said(vs[i].Warnings); !strings.Contains(got, want) || !vs[i].Result.First() {
			t.Errorf("report %d: %s, %q, want %q", i, vs[i].Result, got, want)
		}
	}
}
