package dispatcher

import (
	"context"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// slowly makes a run last long enough for something to happen in it.
func slowly(c *settings.Connection) { c.Limits.ConfirmRate, c.Limits.ConfirmBurst = 50, 10 }

// through sends n shipments in one run, lets accidents happen in the middle of it, and wants every one of them at Amazon
// exactly once and the view to say what the ledger says.
func (b *bed) through(n int, accidents ...func()) {
	b.t.Helper()
	var events []event.Event
	for i := range n {
		events = append(events, b.shipped(i))
	}
	if _, err := b.door.Submit(b.t.Context(), events); err != nil {
		b.t.Fatal(err)
	}
	b.until("all are taken in", func() bool {
		there := 0
		_, err := b.ledger.Heads(b.t.Context(), conn, func(shipment.Entry) error { there++; return nil })
		return err == nil && there == n
	})
	run := b.ask()
	for i, happen := range accidents {
		want := (i + 1) * n / (len(accidents) + 2)
		b.until("the run is under way", func() bool { return len(b.amazon.sent()) >= want })
		happen()
	}
	b.until("the run ends", func() bool {
		l, err := b.board.Last(b.t.Context(), conn, run)
		return err == nil && l.Phase != "started"
	})
	// A shipment whose attempt was cut off may still be in doubt, or wait for the next run.
	b.until("all are confirmed", func() bool {
		left := 0
		_, err := b.ledger.Heads(b.t.Context(), conn, func(e shipment.Entry) error {
			if e.After.State != shipment.Confirmed {
				left++
			}
			return nil
		})
		if err == nil && left > 0 {
			b.t.Logf("%d are left to another run", left)
			b.finished(b.ask())
		}
		return err == nil && left == 0
	})
	for i := range n {
		if c := b.amazon.commits(order(i)); c != 1 {
			b.t.Errorf("order %d was confirmed %d times", i, c)
		}
	}
	b.viewIsTheLedger(n)
}

// viewIsTheLedger compares the view, once it has come to the ledger's end, with the ledger.
func (b *bed) viewIsTheLedger(n int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	seq, err := b.ledger.LastSeq(ctx)
	if err == nil {
		err = b.view.WaitFor(ctx, seq)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	seen := 0
	_, err = b.ledger.Heads(ctx, conn, func(e shipment.Entry) error {
		seen++
		got, err := b.view.Get(ctx, e.After.Key)
		if err == nil && (len(got) != 1 || got[0].Seq != e.Seq || got[0].Shipment.State != e.After.State) {
			b.t.Errorf("%s: the view shows %+v, the ledger %d %s", e.After.Key, got, e.Seq, e.After.State)
		}
		return err
	})
	if err != nil || seen != n {
		b.t.Errorf("%d shipments of %d, %v", seen, n, err)
	}
	if left, err := b.view.QueueLen(ctx, "DE", shipment.New); err != nil || left != 0 {
		b.t.Errorf("%d still wait in the view, %v", left, err)
	}
}

// until polls a condition that may take an election or two.
func (b *bed) until(what string, ok func() bool) {
	b.t.Helper()
	natstest.Until(b.t, 3*time.Minute, what, ok)
}

// The server that leads the ledger is stopped under a run and comes back, then the one that leads the leases.
func TestRunOnAClusterWhoseLeadersStop(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t)
	b := newBedOn(t, c, redistest.Mini(t), slowly)
	for _, name := range []string{"one", "two"} {
		b.dispatch(func(cfg *Config) { cfg.Name, cfg.NATS, cfg.LeaseTTL = name, c.Connect(t), 10*time.Second })
	}
	var victim *natstest.Server
	b.through(300,
		func() { victim = c.Leader(t, stream.Ledger); victim.Stop(t) },
		func() {
			victim.Again(t)
			c.Current(t, stream.Ledger)
			c.Current(t, "KV_"+stream.LeaseBucket)
			c.Leader(t, "KV_"+stream.LeaseBucket).Stop(t)
		})
}

func TestRunWhileRedisIsLost(t *testing.T) {
	t.Parallel()
	t.Run("emptied", func(t *testing.T) {
		t.Parallel()
		b := newBed(t, redistest.Real(t), slowly)
		b.dispatch()
		b.through(150, b.flush, b.flush)
	})
	t.Run("killed, its last second forgotten", func(t *testing.T) {
		t.Parallel()
		r := redistest.StartDurable(t)
		b := newBed(t, r.Client(t), slowly)
		b.dispatch()
		var synced int64
		b.through(150,
			func() { synced = r.Written(t) },
			func() { r.Kill(); r.Forget(t, synced); r.Again(t) })
	})
	t.Run("failed over to a replica that was behind", func(t *testing.T) {
		t.Parallel()
		pair := redistest.StartPair(t)
		b := newBed(t, pair.Client(t), slowly)
		b.dispatch()
		b.through(150, func() { pair.Cut(t) }, func() { pair.FailOver(t) })
	})
}

func (b *bed) flush() {
	b.t.Helper()
	if err := b.redis.FlushAll(b.t.Context()).Err(); err != nil {
		b.t.Fatal(err)
	}
}
