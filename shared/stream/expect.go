package stream

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
)

// Expect waits until the whole topology is there, at most within, and changes nothing: for processes that may not create
// streams. What is missing is named with its remedy. It needs the right to ask about each stream.
func Expect(ctx context.Context, js jetstream.JetStream, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	names := []string{"KV_" + LeaseBucket, "KV_" + ConfigBucket}
	for _, c := range configs(Options{}) {
		names = append(names, c.Name)
	}
	for _, name := range names {
		for {
			asked, done := context.WithTimeout(ctx, storeTimeout)
			_, err := js.Stream(asked, name)
			done()
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				if errors.Is(err, jetstream.ErrStreamNotFound) {
					return fault.Wrap(fault.Unavailable, err, "stream %s is missing: run fertig setup once, or start one process that may create it with --topology ensure", name)
				}
				return fault.Wrap(fault.Unavailable, err, "ask about stream %s: see that NATS has a leader and that this user may ask $JS.API.STREAM.INFO.%s", name, name)
			case <-time.After(200 * time.Millisecond):
			}
		}
	}
	return nil
}
