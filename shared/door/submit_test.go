package door

import (
	"context"
	"encoding/json"
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
	b := bed{server: natstest.Start(t)}
	nc := b.server.Connect(t)
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
	b := start(t)
	_, known := Judge(config, now, shipped(9), shipment.Entry{})
	if _, err := b.ledger.Step(b.ctx, shipment.Entry{}, known); err != nil {
		t.Fatal(err)
	}
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

type nothing struct{}

func (nothing) Siblings(context.Context, []shipment.Key) (map[shipment.Key][]shipment.Entry, error) {
	return nil, nil
}

func (nothing) LastMany(context.Context, []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
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
