// Package natstest starts a real nats-server inside the test process. It guarantees an empty store of its own for every
// test, synced as in production, and that server and connections are gone when the test ends. It is for tests only and
// never linked into a service.
package natstest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/stream"
)

// Server is a running nats-server with JetStream.
type Server struct {
	*server.Server
	opts *server.Options
}

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
	s := &Server{opts: options(dir)}
	s.start(t)
	t.Cleanup(func() { stop(s.Server) })
	return s
}

func options(dir string) *server.Options {
	return &server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: dir, SyncAlways: true, NoLog: true, NoSigs: true}
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	if !s.ready(t) {
		t.Fatal("nats-server is not ready after 20 s")
	}
}

// ready starts the server; false when it does not come up, which is what a port that somebody has taken looks like.
func (s *Server) ready(t testing.TB) bool {
	t.Helper()
	opts := *s.opts
	run, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Server = run
	run.Start()
	return run.ReadyForConnections(20 * time.Second)
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// Stop takes the server away; connections see it as gone until Again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.opts.Port = s.Addr().(*net.TCPAddr).Port
	stop(s.Server)
}

// Again starts a stopped server anew on the same port and store.
func (s *Server) Again(t testing.TB) {
	t.Helper()
	s.start(t)
}

// Connect opens a connection that is closed when the test ends.
func (s *Server) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	return connect(t, s.ClientURL())
}

func connect(t testing.TB, urls string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(urls, append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Until polls a condition, which is what a test does where nothing tells it of a change; it fails after most.
func Until(t testing.TB, most time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(most); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %s still not: %s", most, what)
		}
	}
}
