package natstest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/stream"
)

// Cluster is three nats-servers that replicate each other's streams.
type Cluster struct{ Servers []*Server }

const clusterSize = 3

// StartCluster runs three servers with Fertig's topology on three replicas.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := StartEmptyCluster(t)
	c.MetaLeader(t) // what is asked before there is one is answered after seconds
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := stream.Ensure(ctx, open(t, c.Connect(t)), stream.Options{Replicas: clusterSize, ShippedBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	return c
}

// StartEmptyCluster runs three servers without streams. They may still be electing a leader.
func StartEmptyCluster(t testing.TB) *Cluster {
	t.Helper()
	// A port may be taken between looking and using it, so the whole is tried again.
	for range 3 {
		c, ok := tryCluster(t)
		if ok {
			t.Cleanup(func() { c.each(func(s *Server) { stop(s.Server) }) })
			return c
		}
		c.each(func(s *Server) { stop(s.Server) })
	}
	t.Fatal("a cluster did not come up in three tries")
	return nil
}

func tryCluster(t testing.TB) (c *Cluster, ok bool) {
	t.Helper()
	routes := make([]*url.URL, clusterSize)
	ports := make([]int, clusterSize)
	for i := range routes {
		ports[i] = freePort(t)
		routes[i] = &url.URL{Scheme: "nats-route", Host: fmt.Sprintf("127.0.0.1:%d", ports[i])}
	}
	c = &Cluster{}
	for i := range clusterSize {
		o := options(t.TempDir())
		o.ServerName = fmt.Sprintf("n%d", i+1)
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]}
		o.Routes = routes
		s := &Server{opts: o}
		c.Servers = append(c.Servers, s)
		if !s.ready(t) {
			return c, false
		}
	}
	return c, true
}

// each does something with all servers at once, as they wait for each other when they stop one by one.
func (c *Cluster) each(do func(*Server)) {
	var wg sync.WaitGroup
	for _, s := range c.Servers {
		wg.Go(func() { do(s) })
	}
	wg.Wait()
}

// URLs are the addresses of all servers, separated by commas, as clients are given them.
func (c *Cluster) URLs() string {
	var urls []string
	for _, s := range c.Servers {
		urls = append(urls, s.ClientURL())
	}
	return strings.Join(urls, ",")
}

// Connect opens a connection that knows all servers and is closed when the test ends.
func (c *Cluster) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	return connect(t, c.URLs())
}

// ConnectTo opens a connection to one of the servers and to no other.
func (c *Cluster) ConnectTo(t testing.TB, server int) *nats.Conn {
	t.Helper()
	return connect(t, c.Servers[server%len(c.Servers)].ClientURL(), nats.IgnoreDiscoveredServers())
}

// Leader waits until a stream has a leader and returns it.
func (c *Cluster) Leader(t testing.TB, name string) *Server {
	t.Helper()
	var leader *Server
	Until(t, time.Minute, name+" has a leader", func() bool {
		for _, s := range c.Servers {
			if s.Running() && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, name) {
				leader = s
				return true
			}
		}
		return false
	})
	return leader
}

// Followers are the servers that do not lead a stream.
func (c *Cluster) Followers(t testing.TB, name string) []*Server {
	t.Helper()
	leader := c.Leader(t, name)
	var out []*Server
	for _, s := range c.Servers {
		if s != leader {
			out = append(out, s)
		}
	}
	return out
}

// MetaLeader waits until the cluster has somebody who places streams and returns it.
func (c *Cluster) MetaLeader(t testing.TB) *Server {
	t.Helper()
	var leader *Server
	Until(t, time.Minute, "the cluster has a leader", func() bool {
		for _, s := range c.Servers {
			if s.Running() && s.JetStreamIsLeader() {
				leader = s
				return true
			}
		}
		return false
	})
	return leader
}

// Current waits until all replicas of a stream have everything.
func (c *Cluster) Current(t testing.TB, name string) {
	t.Helper()
	js := open(t, c.Connect(t))
	Until(t, time.Minute, "all replicas of "+name+" are current", func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		s, err := js.Stream(ctx, name)
		if err != nil {
			return false
		}
		cluster := s.CachedInfo().Cluster
		if cluster == nil || cluster.Leader == "" || len(cluster.Replicas) != clusterSize-1 {
			return false
		}
		for _, r := range cluster.Replicas {
			if !r.Current || r.Offline {
				return false
			}
		}
		return true
	})
}

// Any is one server or a cluster, to whoever only wants to connect.
type Any interface{ Connect(t testing.TB) *nats.Conn }

// Case is a test that holds on one server and on a cluster alike.
type Case struct {
	Name string
	Run  func(t *testing.T, s Any)
}

// Each runs cases on one server of their own each, side by side, and on one cluster, one after the other, with all streams
// emptied between them. Sequences there do not begin at 1.
func Each(t *testing.T, cases ...Case) {
	t.Run("one server", func(t *testing.T) {
		for _, c := range cases {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				c.Run(t, Start(t))
			})
		}
	})
	t.Run("cluster", func(t *testing.T) {
		cluster := StartCluster(t)
		for _, c := range cases {
			cluster.empty(t)
			t.Run(c.Name, func(t *testing.T) { c.Run(t, cluster) })
		}
	})
}

// empty removes all messages.
func (c *Cluster) empty(t testing.TB) {
	t.Helper()
	nc := connect(t, c.URLs())
	defer nc.Close()
	js := open(t, nc)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		answer, err := nc.RequestWithContext(ctx, "$JS.API.STREAM.PURGE."+name, nil)
		var result struct{ Success bool }
		if err == nil {
			err = json.Unmarshal(answer.Data, &result)
		}
		if err != nil || !result.Success {
			t.Fatalf("empty %s: %v", name, err)
		}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
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
