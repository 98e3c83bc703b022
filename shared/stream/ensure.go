package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
)

// ensureWithin bounds all of Ensure: a cluster that starts needs some seconds to agree on a leader.
const ensureWithin = time.Minute

// Ensure creates what is missing of the topology and brings the limits of what exists up to date. It raises the number of
// replicas where it is lower than asked for and never lowers it: a process started with other options must not thin out a
// cluster. Safe to call from any number of processes at once. A cluster without a leader is waited for, a minute at most;
// then the error is a fault.Unavailable.
func Ensure(ctx context.Context, js jetstream.JetStream, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, ensureWithin)
	defer cancel()
	r := max(o.Replicas, 1)
	err := patiently(ctx, "look for stream "+Ledger, func(ctx context.Context) error {
		s, err := js.Stream(ctx, Ledger)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil
		}
		if err == nil {
			r = max(r, s.CachedInfo().Config.Replicas)
		}
		return err
	})
	if err != nil {
		return err
	}
	o.Replicas = r
	for _, c := range configs(o) {
		if err := patiently(ctx, "create stream "+c.Name, func(ctx context.Context) error {
			_, err := js.CreateOrUpdateStream(ctx, c)
			return err
		}); err != nil {
			return err
		}
	}
	for _, b := range []jetstream.KeyValueConfig{
		{Bucket: LeaseBucket, History: 1, LimitMarkerTTL: time.Minute, Storage: jetstream.FileStorage, Replicas: r},
		{Bucket: ConfigBucket, History: 20, Storage: jetstream.FileStorage, Replicas: r},
	} {
		if err := patiently(ctx, "create bucket "+b.Bucket, func(ctx context.Context) error {
			_, err := js.CreateOrUpdateKeyValue(ctx, b)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// patiently repeats a step that is safe to repeat while the cluster is electing a leader or its servers come up.
func patiently(ctx context.Context, what string, step func(context.Context) error) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		// A question that nobody is there to answer is lost, so the first ones are not waited for long.
		try, cancel := context.WithTimeout(ctx, min(20*pause, storeTimeout))
		err := step(try)
		cancel()
		var api *jetstream.APIError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &api) && api.ErrorCode == replicasUnsupported:
			return fault.Wrap(fault.Invalid, err, "%s: this NATS server is on its own and keeps one copy: set replicas to 1, or connect to a cluster", what)
		case !passing(err):
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fault.Wrap(fault.Unavailable, errors.Join(err, ctx.Err()), "%s: NATS does not answer: JetStream must be on, and of a cluster's servers more than half up", what)
		case <-time.After(pause):
		}
	}
}

// Error codes that the client library has no names for.
const (
	replicasUnsupported = 10074 // a server on its own is asked for copies
	noSuitablePeers     = 10005 // servers of the cluster are not up yet
	nameInUse           = 10058 // somebody else has just created it
)

// passing reports whether an error goes away by itself.
func passing(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503 || api.ErrorCode == noSuitablePeers || api.ErrorCode == nameInUse
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrBucketExists) || errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrConnectionReconnecting)
}
