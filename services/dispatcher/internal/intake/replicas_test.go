package intake

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// Two replicas share one inbox on a real server; every tenth report is there twice.
func TestTwoReplicasTakeEachReportInOnce(t *testing.T) {
	const reports = 3000
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	published := 0
	for n := range reports {
		for range 1 + (n%10)/9 {
			if _, err := js.PublishAsync(stream.ShippedSubject("EU"), report(event.TypeShipped, fmt.Sprint("s", n), n)); err != nil {
				t.Fatal(err)
			}
			published++
		}
	}
	<-js.PublishAsyncComplete()

	ctx, cancel := context.WithCancel(t.Context())
	var replicas []*Intake
	var wg sync.WaitGroup
	for range 2 {
		js, err := jetstream.New(srv.Connect(t))
		if err != nil {
			t.Fatal(err)
		}
		inbox, err := OpenStream(ctx, js)
		if err != nil {
			t.Fatal(err)
		}
		i := &Intake{Inbox: inbox, Ledger: l, Settings: set, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
			Reject: func(ctx context.Context, r door.Rejected) error { return door.Reject(ctx, js, r) }}
		replicas = append(replicas, i)
		wg.Go(func() {
			if err := i.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	sum := func() (s Stats) {
		for _, i := range replicas {
			one := i.Stats()
			s.Accepted, s.Known, s.Invalid, s.Differs = s.Accepted+one.Accepted, s.Known+one.Known, s.Invalid+one.Invalid, s.Differs+one.Differs
		}
		return s
	}
	natstest.Until(t, 40*time.Second, "everything taken in", func() bool { s := sum(); return s.Accepted+s.Known >= uint64(published) })
	cancel()
	wg.Wait()
	seen := map[shipment.Key]int{}
	if err := l.All(t.Context(), func(e shipment.Entry) error { seen[e.After.Key]++; return nil }); err != nil {
		t.Fatal(err)
	}
	for n := range reports {
		if seen[key(n)] != 1 {
			t.Errorf("order %d has %d entries", n, seen[key(n)])
		}
	}
	// Of the same event at both replicas at once both may say that it was taken in.
	if s := sum(); s.Accepted < reports || s.Accepted+s.Known != uint64(published) || s.Invalid+s.Differs != 0 {
		t.Errorf("counted %+v", s)
	}
}
