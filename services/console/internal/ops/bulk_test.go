package ops

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// busy is a ledger on which others are faster: what meanwhile says happens between reading and appending.
type busy struct {
	*ledger.Ledger
	meanwhile func()
}

func (b *busy) AppendAll(ctx context.Context, drafts []ledger.Draft) []ledger.Result {
	if b.meanwhile != nil {
		b.meanwhile()
		b.meanwhile = nil
	}
	return b.Ledger.AppendAll(ctx, drafts)
}

func all(t *testing.T, l *ledger.Ledger, on []shipment.Entry, ev func(n int) shipment.Event) []shipment.Entry {
	t.Helper()
	var drafts []ledger.Draft
	for n, last := range on {
		e, err := shipment.Record(last.After, ev(n))
		if err != nil {
			t.Fatal(err)
		}
		drafts = append(drafts, ledger.Draft{Expected: last.Seq, Entry: e})
	}
	var out []shipment.Entry
	for _, r := range l.AppendAll(t.Context(), drafts) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		out = append(out, r.Entry)
	}
	return out
}

// Of thousands of shipments that are excluded at once some are closed and some corrected by others in the same moment,
// and some do not exist: each is told what became of it, and each was changed once or not at all.
func TestThousandsAtOnce(t *testing.T) {
	const many = 3_000
	l, err := ledger.Open(t.Context(), natstest.Start(t).Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	data := shipment.Data{ShippedAt: now, Carrier: "DHL", Tracking: "1"}
	keys := make([]shipment.Key, many+5) // the last five are not known
	for n := range keys {
		keys[n] = shipment.Key{Connection: "EU", Order: fmt.Sprintf("302-%07d-%07d", n, n), Package: "1"}
	}
	there := all(t, l, make([]shipment.Entry, many), func(n int) shipment.Event {
		return shipment.Event{ID: fmt.Sprint("a", n), Type: shipment.Accepted, At: now, Key: keys[n], Account: "DE", Data: &data, To: shipment.Pending}
	})
	var closed, corrected []shipment.Entry
	for n, e := range there {
		switch n % 20 {
		case 3:
			closed = append(closed, e)
		case 7:
			corrected = append(corrected, e)
		}
	}
	other := data
	other.Tracking = "2"
	b := &busy{Ledger: l, meanwhile: func() {
		all(t, l, closed, func(n int) shipment.Event {
			return shipment.Event{ID: fmt.Sprint("c", n), Type: shipment.CloseEvent, At: now, Kind: shipment.Cancelled}
		})
		all(t, l, corrected, func(n int) shipment.Event {
			return shipment.Event{ID: fmt.Sprint("t", n), Type: shipment.Amended, At: now, Data: &other}
		})
	}}
	began := time.Now()
	got, err := New(Config{Ledger: b}).Exclude(t.Context(), Actor{Name: "anna", Role: Operator}, Selection{Keys: keys}, "recall")
	if err != nil || got.Done != many-len(closed) || got.Failed != len(closed)+5 || len(got.Items) != len(keys) {
		t.Fatalf("%d done, %d failed, %v", got.Done, got.Failed, err)
	}
	t.Logf("%d shipments, %d of them changed by others meanwhile: %s", many, len(closed)+len(corrected), time.Since(began).Round(time.Millisecond))
	entries := map[shipment.Key][]shipment.Type{}
	heads := map[shipment.Key]shipment.Shipment{}
	if err := l.All(t.Context(), func(e shipment.Entry) error {
		entries[e.After.Key], heads[e.After.Key] = append(entries[e.After.Key], e.Type), e.After
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for n, item := range got.Items {
		want := []shipment.Type{shipment.Accepted, shipment.Exclude}
		good, state := item.Err == nil, shipment.Excluded
		switch {
		case n >= many:
			good, want, state = fault.Is(item.Err, fault.NotFound), nil, ""
		case n%20 == 3:
			good, want, state = fault.Is(item.Err, fault.Conflict), []shipment.Type{shipment.Accepted, shipment.CloseEvent}, shipment.Closed
		case n%20 == 7:
			want = []shipment.Type{shipment.Accepted, shipment.Amended, shipment.Exclude}
			good = good && heads[item.Key].Data.Tracking == "2"
		}
		if !good || item.Key != keys[n] || item.State != state || !slices.Equal(entries[item.Key], want) || heads[item.Key].State != state {
			t.Fatalf("shipment %d: told %s, %v; the ledger has %v, %s", n, item.State, item.Err, entries[item.Key], heads[item.Key].State)
		}
	}
}
