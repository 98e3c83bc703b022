package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
)

// Expect waits until the whole topology is there, at most within, and changes nothing: for processes that may not create
// streams. What is missing, or is not as this version needs it, is named with its remedy; what will matter only one day
// comes back as warnings. It needs the right to ask about each stream.
func Expect(ctx context.Context, js jetstream.JetStream, within time.Duration) (warnings []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for _, name := range []string{"KV_" + LeaseBucket, "KV_" + ConfigBucket} {
		if _, err := await(ctx, js, name); err != nil {
			return nil, err
		}
	}
	var wrong []string
	for _, want := range configs(Options{}) {
		info, err := await(ctx, js, want.Name)
		if err != nil {
			return nil, err
		}
		if what := differs(info.Config, want); len(what) > 0 {
			wrong = append(wrong, want.Name+": "+strings.Join(what, ", "))
		}
		if have := info.Config.MaxConsumers; have < want.MaxConsumers {
			warnings = append(warnings, fmt.Sprintf("stream %s takes about a thousand readers at most, one for each connection: run fertig setup before there are more", want.Name))
		}
	}
	if len(wrong) > 0 {
		return warnings, fault.New(fault.Invalid, "streams are not as this version needs them (%s): run fertig setup of this version once", strings.Join(wrong, "; "))
	}
	return warnings, nil
}

// await asks about a stream until it is there.
func await(ctx context.Context, js jetstream.JetStream, name string) (*jetstream.StreamInfo, error) {
	for {
		asked, done := context.WithTimeout(ctx, storeTimeout)
		s, err := js.Stream(asked, name)
		done()
		if err == nil {
			return s.CachedInfo(), nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return nil, fault.Wrap(fault.Unavailable, err, "stream %s is missing: run fertig setup once, or start one process that may create it with --topology ensure", name)
			}
			return nil, fault.Wrap(fault.Unavailable, err, "ask about stream %s: see that NATS has a leader and that this user may ask $JS.API.STREAM.INFO.%s", name, name)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// differs names what of a stream breaks a promise: what would be refused, forgotten too early, or kept where it should not be.
// More than is wanted is no difference.
func differs(have, want jetstream.StreamConfig) (what []string) {
	for _, c := range []struct {
		wrong bool
		text  string
	}{
		{have.Storage != want.Storage, "not kept in files"},
		{want.AllowDirect && !have.AllowDirect, "no direct reads"},
		{want.AllowAtomicPublish && !have.AllowAtomicPublish, "no atomic batches"},
		{want.Discard == jetstream.DiscardNew && have.Discard != want.Discard, "drops the oldest when it is full"},
		{want.MaxBytes <= 0 && have.MaxBytes > 0, "bounded in bytes"},
		{have.MaxMsgs > 0, "bounded in messages"},
		{want.MaxMsgsPerSubject <= 0 && have.MaxMsgsPerSubject > 0, "forgets all but the last of a subject"},
		{have.MaxAge > 0 && (want.MaxAge == 0 || have.MaxAge < want.MaxAge), fmt.Sprintf("forgets after %s", have.MaxAge)},
		{have.MaxMsgSize > 0 && (want.MaxMsgSize <= 0 || have.MaxMsgSize < want.MaxMsgSize), fmt.Sprintf("takes %d bytes a message at most", have.MaxMsgSize)},
	} {
		if c.wrong {
			what = append(what, c.text)
		}
	}
	return what
}

// Skew is how far this machine's clock is ahead of NATS's, negative when it is behind, give or take half the time the
// question took. Leases end by NATS's clock and runs begin by ours.
func Skew(ctx context.Context, js jetstream.JetStream, now func() time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	before := now()
	s, err := js.Stream(ctx, Ledger)
	after := now()
	if err != nil {
		return 0, fmt.Errorf("ask NATS for the time: %w", err)
	}
	return before.Add(after.Sub(before) / 2).Sub(s.CachedInfo().TimeStamp), nil
}
