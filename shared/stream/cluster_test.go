package stream_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

// patient bounds a test with elections in it.
func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// A replica that comes back is behind for a while, and a scan may be served by it.
func TestScanMissesNothingWhileAReplicaIsBehind(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t)
	ctx := patient(t)
	behind := c.Followers(t, stream.Messages)[0]
	behind.Stop(t)
	// Opened after the stop: a connection to the server that went would still be on its way to another.
	js := must[jetstream.JetStream](t)(jetstream.New(c.Connect(t)))
	for i := range 3000 {
		if _, err := js.PublishAsync(stream.MessageSubject(fmt.Sprint("m", i)), make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	written := must[*jetstream.PubAck](t)(js.Publish(ctx, stream.MessageSubject("newest"), nil))
	again := make(chan struct{})
	defer func() { <-again }()
	go func() {
		defer close(again)
		behind.Again(t)
	}()
	for n, back := 0, 0; back < 10; n++ {
		select {
		case <-again:
			back++
		default:
		}
		last := uint64(0)
		err := stream.Scan(ctx, js, stream.Messages, jetstream.OrderedConsumerConfig{FilterSubjects: []string{stream.MessageSubject("newest")}},
			func(_ jetstream.Msg, seq uint64) error { last = seq; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if last != written.Sequence {
			t.Fatalf("scan %d ended at %d of %d", n, last, written.Sequence)
		}
	}
}

// Several processes start at once: with a cluster that has not agreed on a leader yet, and with one that has just lost it.
func TestEnsureDuringAnElection(t *testing.T) {
	t.Parallel()
	c := natstest.StartEmptyCluster(t)
	processes := func(replicas int) {
		var wg sync.WaitGroup
		for i := range 3 {
			js := must[jetstream.JetStream](t)(jetstream.New(c.Connect(t)))
			wg.Go(func() {
				if err := stream.Ensure(patient(t), js, stream.Options{Replicas: replicas, ShippedBytes: 8 << 20}); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
			})
		}
		wg.Wait()
	}
	processes(3)
	replicated(t, c)
	leader := c.MetaLeader(t)
	leader.Stop(t)
	processes(1)
	leader.Again(t)
	replicated(t, c)
}

// An installation on one copy gets its replicas when a process asks for them; a process that asks for fewer takes none away.
func TestEnsureRaisesReplicas(t *testing.T) {
	t.Parallel()
	c := natstest.StartEmptyCluster(t)
	c.MetaLeader(t)
	ctx, js := patient(t), must[jetstream.JetStream](t)(jetstream.New(c.Connect(t)))
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: 1, ShippedBytes: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	must[jetstream.Consumer](t)(js.CreateOrUpdateConsumer(ctx, stream.Shipped, jetstream.ConsumerConfig{Durable: "intake", AckPolicy: jetstream.AckExplicitPolicy}))
	must[*jetstream.PubAck](t)(js.Publish(ctx, stream.MessageSubject("kept"), nil))
	for _, r := range []int{3, 1} {
		if err := stream.Ensure(ctx, js, stream.Options{Replicas: r, ShippedBytes: 8 << 20}); err != nil {
			t.Fatal(err)
		}
		replicated(t, c)
	}
	natstest.Until(t, time.Minute, "the consumer is replicated, too", func() bool {
		c, err := js.Consumer(ctx, stream.Shipped, "intake")
		return err == nil && c.CachedInfo().Cluster != nil && len(c.CachedInfo().Cluster.Replicas) == 2
	})
	c.Leader(t, stream.Messages).Stop(t)
	natstest.Until(t, time.Minute, "what was there is still there", func() bool {
		m, err := stream.Last(ctx, js.Conn(), stream.Messages, stream.MessageSubject("kept"))
		return err == nil && m != nil
	})
}

func TestEnsureSaysThatOneServerKeepsOneCopy(t *testing.T) {
	t.Parallel()
	err := stream.Ensure(patient(t), open(t, natstest.StartIn(t, t.TempDir())), stream.Options{Replicas: 3})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "set replicas to 1") {
		t.Errorf("%v", err)
	}
}

// replicated waits until every stream and bucket has three copies, all of them current.
func replicated(t *testing.T, c *natstest.Cluster) {
	t.Helper()
	for _, name := range []string{stream.Shipped, stream.Ledger, stream.Runs, stream.Invalid, stream.Messages, stream.Orders, stream.Events, "KV_" + stream.LeaseBucket, "KV_" + stream.ConfigBucket} {
		c.Current(t, name)
	}
}

// A server stops under those who hold a lease, follow a stream and follow the settings.
func TestHoldersAndFollowersOutliveALeader(t *testing.T) {
	t.Parallel()
	c := natstest.StartCluster(t)
	ctx, js := patient(t), must[jetstream.JetStream](t)(jetstream.New(c.Connect(t)))
	lease := must[*stream.Lease](t)(must[*stream.Leases](t)(stream.NewLeases(ctx, js, "a", 15*time.Second)).Acquire(ctx, "projector"))
	token := lease.Token()
	working, stop := context.WithCancel(ctx)
	kept := make(chan error, 1)
	go func() { kept <- lease.Keep(working) }()
	seen := make(chan string, 100)
	followed := make(chan error, 1)
	go func() {
		followed <- stream.Follow(working, js, stream.Messages, nil, 0, 10, func(ms []jetstream.Msg) error {
			for _, m := range ms {
				seen <- m.Subject()
			}
			return nil
		})
	}()
	conf := must[*stream.Settings](t)(stream.OpenSettings(ctx, js))
	if err := conf.Seed(ctx, settings.Set{Connections: []settings.Connection{connection("EU", "DE")}}); err != nil {
		t.Fatal(err)
	}
	running(t, conf)
	mine := must[jetstream.JetStream](t)(jetstream.New(c.Connect(t)))
	writer := must[*stream.Settings](t)(stream.OpenSettings(ctx, mine))
	for i, victim := range []func() *natstest.Server{
		func() *natstest.Server { return c.Leader(t, "KV_"+stream.LeaseBucket) },
		func() *natstest.Server { return c.Leader(t, stream.Messages) },
	} {
		s := victim()
		s.Stop(t)
		natstest.Until(t, time.Minute, "a message is stored", func() bool {
			try, cancel := context.WithTimeout(ctx, 2*time.Second) // an answer lost with the leader never comes
			defer cancel()
			_, err := mine.Publish(try, stream.MessageSubject(fmt.Sprint("m", i)), nil, jetstream.WithMsgID(fmt.Sprint("m", i)))
			return err == nil
		})
		natstest.Until(t, time.Minute, "settings are changed", func() bool {
			return writer.Change(ctx, "EU", func(c *settings.Connection) error { c.Name = fmt.Sprint("n", i); return nil }) == nil
		})
		natstest.Until(t, time.Minute, "the change arrives", func() bool { c, _ := conf.Current().Connection("EU"); return c.Name == fmt.Sprint("n", i) })
		select {
		case got := <-seen:
			if got != stream.MessageSubject(fmt.Sprint("m", i)) {
				t.Errorf("followed to %s", got)
			}
		case <-ctx.Done():
			t.Fatal("the follower has stopped")
		}
		s.Again(t)
		c.Current(t, "KV_"+stream.LeaseBucket)
		c.Current(t, stream.Messages)
	}
	stop()
	if err := <-kept; err != nil || lease.Remaining() <= 0 || lease.Token() != token {
		t.Errorf("the lease: %v, %s left, token %d of %d", err, lease.Remaining(), lease.Token(), token)
	}
	if err := <-followed; err != nil {
		t.Error(err)
	}
}
