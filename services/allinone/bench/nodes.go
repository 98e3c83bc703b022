package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// nodes are three nats-servers that form a cluster, each a process of its own: this program again.
type nodes struct {
	dir             string
	clients, routes []string // addresses, by node
	processes       []*exec.Cmd
}

// nodeCommand is the hidden command that makes this program a node.
const nodeCommand = "nats-node"

func startNodes(ctx context.Context, dir string) (*nodes, error) {
	c := &nodes{dir: dir, processes: make([]*exec.Cmd, 3)}
	for range c.processes {
		for _, to := range []*[]string{&c.clients, &c.routes} {
			addr, err := freeAddress()
			if err != nil {
				return nil, err
			}
			*to = append(*to, addr)
		}
	}
	for i := range c.processes {
		if err := c.start(ctx, i); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// start starts a node that is not running, on the data it had.
func (c *nodes) start(ctx context.Context, i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, nodeCommand, "-name", c.name(i), "-dir", filepath.Join(c.dir, c.name(i)),
		"-listen", c.clients[i], "-cluster", c.routes[i], "-routes", strings.Join(c.routes, ","))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start node %d: %w", i, err)
	}
	c.processes[i] = cmd
	return nil
}

func (c *nodes) name(i int) string { return fmt.Sprintf("n%d", i+1) }

// kill ends a node as a crash would.
func (c *nodes) kill(i int) error {
	cmd := c.processes[i]
	c.processes[i] = nil
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	_ = cmd.Wait() // it was killed
	return nil
}

func (c *nodes) close() error {
	var errs []error
	for i, cmd := range c.processes {
		if cmd != nil {
			errs = append(errs, c.kill(i))
		}
	}
	return errors.Join(errs...)
}

// cpu is the processor time of all nodes, in seconds.
func (c *nodes) cpu() (sum float64) {
	for _, cmd := range c.processes {
		if cmd != nil {
			sum += cpuOf(cmd.Process.Pid)
		}
	}
	return sum
}

func (c *nodes) connect(ctx context.Context) (nc *nats.Conn, err error) {
	err = poll(ctx, func() (bool, error) {
		var err error
		nc, err = nats.Connect("nats://"+strings.Join(c.clients, ",nats://"), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
		return err == nil, nil
	})
	return nc, err
}

// node runs a nats-server with the settings of production until ctx ends.
func node(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(nodeCommand, flag.ContinueOnError)
	name, dir := f.String("name", "", "of the server"), f.String("dir", "", "for its streams")
	listen, cluster, routes := f.String("listen", "", "for clients"), f.String("cluster", "", "for the other servers"), f.String("routes", "", "all servers' cluster addresses")
	if err := f.Parse(args); err != nil {
		return err
	}
	o := &server.Options{ServerName: *name, JetStream: true, StoreDir: *dir, SyncAlways: true, NoSigs: true, NoLog: true, MaxPayload: 8 << 20}
	var err1, err2 error
	o.Host, o.Port, err1 = hostPort(*listen)
	o.Cluster = server.ClusterOpts{Name: "bench"}
	o.Cluster.Host, o.Cluster.Port, err2 = hostPort(*cluster)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for r := range strings.SplitSeq(*routes, ",") {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: r})
	}
	s, err := server.NewServer(o)
	if err != nil {
		return fmt.Errorf("start %s: %w", *name, err)
	}
	s.Start()
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func hostPort(addr string) (string, int, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.Atoi(port)
	return host, n, err
}
