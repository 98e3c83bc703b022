package intake

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

// What a receiver leaves unacknowledged, because it failed or was stopped, is the next one's at once and not a minute later.
func TestWhatIsNotAcknowledgedGoesBackAtOnce(t *testing.T) {
	const messages = 500 // more than a receiver is sent ahead
	srv := natstest.Start(t)
	js, err := jetstream.New(srv.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	for n := range messages {
		if _, err := js.Publish(t.Context(), stream.ShippedSubject("EU"), fmt.Append(nil, n)); err != nil {
			t.Fatal(err)
		}
	}
	inbox, err := OpenStream(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // well below the time after which they come anyway
	defer cancel()
	failed := errors.New("the ledger is away")
	if err := inbox.Receive(ctx, func([]Message) error { return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(ctx)
	if err := inbox.Receive(stopped, func([]Message) error { stop(); return nil }); err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	working, done := context.WithCancel(ctx)
	defer done()
	err = inbox.Receive(working, func(batch []Message) error {
		for _, m := range batch {
			seen[m.Position()] = true
			if err := m.Ack(); err != nil {
				return err
			}
		}
		if len(seen) == messages {
			done()
		}
		return nil
	})
	if err != nil || len(seen) != messages {
		t.Fatalf("%d of %d messages came again, %v", len(seen), messages, err)
	}
}
