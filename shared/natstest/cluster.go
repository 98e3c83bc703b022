package natstest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/stream"
)

// Cluster is three nats-servers that replicate each other's streams.
type Cluster struct{ Servers []*Server }

// StartCluster runs three servers with Fertig's topology on three replicas.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	const size = 3
	routes := make([]*url.URL, size)
	ports := make([]int, size)
	for i := range routes {
		ports[i] = freePort(t)
		routes[i] = &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])}
	}
	c := &Cluster{}
	for i := range size {
		o := options(t.TempDir())
		o.ServerName = fmt.Sprintf("n%d", i+1)
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]}
		o.Routes = routes
		s := &Server{opts: o}
		s.start(t)
		c.Servers = append(c.Servers, s)
	}
	t.Cleanup(func() {
		for _, s := range c.Servers {
			stop(s.Server)
		}
	})
	js, err := jetstream.New(c.Connect(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	Until(t, 30*time.Second, "the cluster has a leader and holds the topology", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err = stream.Ensure(ctx, js, stream.Options{Replicas: size, ShippedBytes: 16 << 20})
		return err == nil
	})
	return c
}

// Connect opens a connection to one of the servers that is closed when the test ends.
func (c *Cluster) Connect(t testing.TB, server int) *nats.Conn {
	t.Helper()
	return connect(t, c.Servers[server%len(c.Servers)].ClientURL())
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
