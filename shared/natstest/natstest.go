// Package natstest starts a real nats-server inside the test process. It guarantees an empty store of its own for every
// test, synced as in production, and that server and connections are gone when the test ends. It is for tests only and
// never linked into a service.
package natstest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/stream"
)

// Server is a running nats-server with JetStream.
type Server struct{ *server.Server }

// Start runs a server with Fertig's topology in place.
func Start(t testing.TB) *Server {
	t.Helper()
	s := StartIn(t, t.TempDir())
	nc := s.Connect(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := stream.Ensure(ctx, js, stream.Options{Replicas: 1, ShippedBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	return s
}

// StartIn runs a server on a store directory, which may hold an earlier server's data.
func StartIn(t testing.TB, dir string) *Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, SyncAlways: true, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("nats-server is not ready after 20 s")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return &Server{s}
}

// Connect opens a connection that is closed when the test ends.
func (s *Server) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}
