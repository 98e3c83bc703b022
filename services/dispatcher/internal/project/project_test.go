package project

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type bed struct {
	t      *testing.T
	ledger *ledger.Ledger
	view   *view.View
	redis  redis.UniversalClient
}

func newBed(t *testing.T) *bed { return newBedOn(t, redistest.Real(t)) }

func newBedOn(t *testing.T, r redis.UniversalClient) *bed {
	l, err := ledger.Open(t.Context(), natstest.Start(t).Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	return &bed{t, l, view.New(r, view.Options{}), r}
}

func key(n int) shipment.Key {
	return shipment.Key{Connection: "EU", Order: fmt.Sprintf("302-%07d-%07d", n, n), Package: "1"}
}

func (b *bed) accept(from, to int) {
	b.t.Helper()
	var drafts []ledger.Draft
	for n := from; n < to; n++ {
		e, err := shipment.Record(shipment.Shipment{}, shipment.Event{ID: uuid.NewString(), Type: shipment.Accepted, At: time.Now(), Key: key(n), Account: "DE",
			Data: &shipment.Data{ShippedAt: time.Now()}})
		if err != nil {
			b.t.Fatal(err)
		}
		drafts = append(drafts, ledger.Draft{Entry: e})
	}
	for _, r := range b.ledger.AppendAll(b.t.Context(), drafts) {
		if r.Err != nil {
			b.t.Fatal(r.Err)
		}
	}
}

func (b *bed) exclude(n int) {
	b.t.Helper()
	if _, err := b.ledger.Change(b.t.Context(), key(n), func(shipment.Entry) (shipment.Event, error) {
		return shipment.Event{ID: uuid.NewString(), Type: shipment.Exclude, At: time.Now()}, nil
	}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) projector(l Ledger, again <-chan struct{}) *Projector {
	return &Projector{Ledger: l, View: b.view, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Again: again}
}

// project starts a projector; again asks it for a rebuild, stop ends it.
func (b *bed) project(l Ledger) (again chan<- struct{}, stop func()) {
	wish := make(chan struct{}, 1)
	p := b.projector(l, wish)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			b.t.Error(err)
		}
	}
	return wish, stop
}

// shows waits until the view equals the ledger: the newest entry of every shipment and as many as there are.
func (b *bed) shows(pending, excluded int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	seq, err := b.ledger.LastSeq(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.view.WaitFor(ctx, seq); err != nil {
		b.t.Fatal(err)
	}
	_, err = b.ledger.Heads(ctx, "", func(e shipment.Entry) error {
		got, err := b.view.Get(ctx, e.After.Key)
		if err == nil && (len(got) != 1 || got[0].Seq != e.Seq || got[0].Shipment.State != e.After.State) {
			b.t.Errorf("%s: the view shows %+v, the ledger %d %s", e.After.Key, got, e.Seq, e.After.State)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if n, err := b.view.QueueLen(ctx, "DE", shipment.New); err != nil || n != pending {
		b.t.Errorf("%d pending in the view, want %d (%v)", n, pending, err)
	}
	counts, err := b.view.Counts(ctx)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range counts.Cells {
		want := map[shipment.State]int64{shipment.Pending: int64(pending), shipment.Excluded: int64(excluded)}[c.State]
		if c.Kind == "" && c.Fingerprint == "" && int64(c.N) != want {
			b.t.Errorf("counted %+v, want %d", c, want)
		}
	}
}

// image copies all of Redis.
func (b *bed) image() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	keys, err := b.redis.Keys(b.t.Context(), "*").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, k := range keys {
		if out[k], err = b.redis.Dump(b.t.Context(), k).Result(); err != nil {
			b.t.Fatal(err)
		}
	}
	return out
}

func (b *bed) restore(image map[string]string) {
	b.t.Helper()
	if err := b.redis.FlushAll(b.t.Context()).Err(); err != nil {
		b.t.Fatal(err)
	}
	for k, dump := range image {
		if err := b.redis.RestoreReplace(b.t.Context(), k, 0, dump).Err(); err != nil {
			b.t.Fatal(err)
		}
	}
}

const patience = 20 * time.Second

// position waits until the view's position is as wanted.
func (b *bed) position(what string, ok func(view.Cursor) bool) {
	b.t.Helper()
	natstest.Until(b.t, patience, what, func() bool {
		c, err := b.view.Position(b.t.Context())
		return err == nil && ok(c)
	})
}
