package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/wire"
)

// lay writes the history as plain messages into the store of a data directory, with a server that syncs nothing: the
// files are those the services would have left, only written some times faster. The directory is not in use afterwards.
func (p past) lay(ctx context.Context, dataDir string) error {
	s, err := server.NewServer(&server.Options{ServerName: "fertig", JetStream: true, StoreDir: filepath.Join(dataDir, "nats"), DontListen: true, NoSigs: true, NoLog: true, MaxPayload: 8 << 20})
	if err != nil {
		return fmt.Errorf("lay a history: %w", err)
	}
	s.Start()
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	if !s.ReadyForConnections(20 * time.Second) {
		return fmt.Errorf("lay a history: the server does not come up")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		return fmt.Errorf("lay a history: %w", err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		return fmt.Errorf("lay a history: %w", err)
	}
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: 1}); err != nil {
		return err
	}
	for n := range p.shipments {
		if err := p.publish(js, n); err != nil {
			return fmt.Errorf("lay a history: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p past) publish(js jetstream.JetStream, n int) error {
	var s shipment.Shipment
	for _, step := range p.steps() {
		ev := step(n, s)
		if ev.Type == "" {
			continue
		}
		e, err := shipment.Record(s, ev)
		if err != nil {
			return err
		}
		data, err := wire.EncodeEntry(e)
		if err != nil {
			return err
		}
		if _, err := js.PublishAsync(stream.LedgerSubject(e.After.Key), data, jetstream.WithStallWait(time.Minute)); err != nil {
			return err
		}
		s = e.After
	}
	return nil
}
