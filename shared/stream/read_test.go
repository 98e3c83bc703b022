package stream_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

func publish(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	for i := range n {
		if _, err := js.PublishAsync(stream.MessageSubject(fmt.Sprint("m", i)), []byte(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}

func TestScanEndsOnAStreamWhoseMessagesWereAllRemoved(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx, js := bounded(t), open(t, s)
	publish(t, js, 3)
	if err := must[jetstream.Stream](t)(js.Stream(ctx, stream.Messages)).Purge(ctx); err != nil {
		t.Fatal(err)
	}
	err := stream.Scan(ctx, js, stream.Messages, jetstream.OrderedConsumerConfig{}, func(jetstream.Msg, uint64) error { return errors.New("a message") })
	if err != nil {
		t.Fatal(err)
	}
}

// What was announced may be purged before it is read, and what comes later may keep a scan busy for ever.
func TestScanEndsWhatEverOthersDo(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx, js := bounded(t), open(t, s)
	publish(t, js, 1500)
	seen := 0
	err := stream.Scan(ctx, js, stream.Messages, jetstream.OrderedConsumerConfig{}, func(jetstream.Msg, uint64) error {
		if seen++; seen == 1 {
			return must[jetstream.Stream](t)(js.Stream(ctx, stream.Messages)).Purge(ctx, jetstream.WithPurgeKeep(0))
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d seen, %v", seen, err)
	}

	publish(t, js, 10)
	seen = 0
	err = stream.Scan(ctx, js, stream.Messages, jetstream.OrderedConsumerConfig{}, func(jetstream.Msg, uint64) error {
		publish(t, js, 1)
		seen++
		return nil
	})
	if err != nil || seen < 10 || seen > 30 {
		t.Fatalf("%d seen, %v", seen, err)
	}
	if n := consumers(t, js); n != 0 {
		t.Errorf("%d consumers left behind", n)
	}
}

func consumers(t *testing.T, js jetstream.JetStream) int {
	return must[jetstream.Stream](t)(js.Stream(bounded(t), stream.Messages)).CachedInfo().State.Consumers
}

func TestFollowFlushesWhatItHoldsWhenTheRestIsPurged(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx, js := bounded(t), open(t, s)
	publish(t, js, 5)
	last := must[jetstream.Stream](t)(js.Stream(ctx, stream.Messages)).CachedInfo().State.LastSeq
	got, stop := 0, errors.New("enough")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := stream.Follow(ctx, js, stream.Messages, []string{stream.MessageSubject("*")}, last-3, 2, func(m []jetstream.Msg) error {
		if got += len(m); got == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || got != 3 {
		t.Fatalf("%d followed, %v", got, err)
	}
	done, end := context.WithCancel(ctx)
	end()
	if err := stream.Follow(done, js, stream.Messages, nil, 0, 10, func([]jetstream.Msg) error { return stop }); err != nil {
		t.Errorf("an ended context: %v", err)
	}
}

// forgetful loses the first question of each kind, as a leader does that stops with it in hand.
type forgetful struct {
	jetstream.JetStream
	consumers, infos atomic.Int32
}

func (f *forgetful) OrderedConsumer(ctx context.Context, name string, cfg jetstream.OrderedConsumerConfig) (jetstream.Consumer, error) {
	if f.consumers.Add(1) == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.JetStream.OrderedConsumer(ctx, name, cfg)
}

func (f *forgetful) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if f.infos.Add(1) == 1 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.JetStream.Stream(ctx, name)
}

func TestAQuestionThatWasLostIsAskedAgain(t *testing.T) {
	t.Parallel()
	js := open(t, natstest.Start(t))
	ctx := patient(t)
	must[*jetstream.PubAck](t)(js.Publish(ctx, stream.MessageSubject("m"), nil))
	seen := 0
	lost := &forgetful{JetStream: js}
	if err := stream.Scan(ctx, lost, stream.Messages, jetstream.OrderedConsumerConfig{}, func(jetstream.Msg, uint64) error { seen++; return nil }); err != nil || seen != 1 {
		t.Errorf("scan: %d seen, %v", seen, err)
	}
	if lost.consumers.Load() != 2 || lost.infos.Load() != 2 {
		t.Errorf("asked for a consumer %d times and for the end %d times, want 2 each", lost.consumers.Load(), lost.infos.Load())
	}
	enough := errors.New("enough")
	err := stream.Follow(ctx, &forgetful{JetStream: js}, stream.Messages, nil, 0, 10, func(msgs []jetstream.Msg) error { seen += len(msgs); return enough })
	if !errors.Is(err, enough) || seen != 2 {
		t.Errorf("follow: %d seen, %v", seen, err)
	}
}
