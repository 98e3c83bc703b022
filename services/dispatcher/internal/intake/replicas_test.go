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

// Two replicas share one inbox on a real server. Every tenth report is there twice, under ids of their own: the second
// says something else in every third case. What is stored together meets what is stored alone.
func TestTwoReplicasTakeEachReportInOnce(t *testing.T) {
	natstest.Each(t, natstest.Case{Name: "two replicas", Run: twoReplicas})
}

func twoReplicas(t *testing.T, srv natstest.Any) {
	const reports, together = 1200, 75
	nc := srv.Connect(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	var again, part [][]byte
	published, different := 0, 0
	publish := func(data []byte) {
		if _, err := js.PublishAsync(stream.ShippedSubject("EU"), data); err != nil {
			t.Fatal(err)
		}
	}
	for n := range reports {
		part = append(part, report(event.TypeShipped, fmt.Sprint("s", n), n))
		if n%10 == 0 {
			edit := tracking("T1")
			if n%30 == 0 {
				edit = tracking("T2")
				different++
			}
			again = append(again, report(event.TypeShipped, fmt.Sprint("again", n), n, edit))
		}
		if len(part) == together {
			publish(event.Join(append(part, again[:len(again)/2]...)))
			for _, one := range again[len(again)/2:] {
				publish(one)
			}
			published += len(part) + len(again)
			part, again = nil, nil
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
	natstest.Until(t, 40*time.Second, "everything taken in", func() bool { s := sum(); return s.Accepted+s.Known+s.Differs >= uint64(published) })
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
	if s := sum(); s.Accepted != reports || s.Differs != uint64(different) || s.Known != uint64(published-reports-different) || s.Invalid != 0 {
		t.Errorf("counted %+v of %d, of which %d differ", s, published, different)
	}
	told, err := js.Stream(t.Context(), stream.Invalid)
	if err != nil || told.CachedInfo().State.Msgs != uint64(different) {
		t.Errorf("%d contradictions on record, %v", told.CachedInfo().State.Msgs, err)
	}
}
