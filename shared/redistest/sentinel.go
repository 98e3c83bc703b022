package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Pair is a primary and its replica, watched by a Sentinel.
type Pair struct {
	Primary, Replica, Sentinel *Process
}

// PrimaryName is what the Sentinel calls the primary.
const PrimaryName = "fertig"

const replicator = "replicator"

// StartPair runs a primary, a replica that has caught up, and a Sentinel that knows both.
func StartPair(t testing.TB) *Pair {
	t.Helper()
	// The replica has a user of its own, so that it can be locked out without touching anybody else.
	p := &Pair{Primary: Start(t, append([]string{"--repl-diskless-sync-delay", "0", "--user", replicator, "on", ">x", "+psync", "+replconf", "+ping"}, durable...)...)}
	p.Replica = Start(t, append([]string{"--replicaof", strings.ReplaceAll(p.Primary.Addr(), ":", " "), "--masteruser", replicator, "--masterauth", "x"}, durable...)...)
	c := p.Replica.Client(t)
	wait(t, "the replica follows", func() bool {
		return strings.Contains(c.Info(t.Context(), "replication").Val(), "master_link_status:up")
	})
	p.Sentinel = p.watch(t)
	s := redis.NewSentinelClient(&redis.Options{Addr: p.Sentinel.Addr()})
	defer func() { _ = s.Close() }()
	wait(t, "the Sentinel knows the replica", func() bool {
		replicas, err := s.Replicas(t.Context(), PrimaryName).Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	return p
}

func (p *Pair) watch(t testing.TB) *Process {
	t.Helper()
	s := &Process{Dir: t.TempDir(), port: freePort(t)}
	host, port, _ := strings.Cut(p.Primary.Addr(), ":")
	conf := fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 1\nsentinel down-after-milliseconds %[1]s 2000\nsentinel failover-timeout %[1]s 10000\n", PrimaryName, host, port)
	if err := os.WriteFile(filepath.Join(s.Dir, "redis.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if !s.start(t) {
		t.Fatal("the Sentinel does not start")
	}
	t.Cleanup(func() { s.stop() })
	return s
}

// Client opens a client that asks the Sentinel for the primary; it is closed when the test ends.
func (p *Pair) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: PrimaryName, SentinelAddrs: []string{p.Sentinel.Addr()}})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Cut ends the replication: from now on the replica falls behind.
func (p *Pair) Cut(t testing.TB) {
	t.Helper()
	if n, err := p.Primary.Client(t).ACLDelUser(t.Context(), replicator).Result(); err != nil || n != 1 {
		t.Fatalf("lock the replica out: %d, %v", n, err)
	}
	c := p.Replica.Client(t)
	wait(t, "the replica has lost its primary", func() bool {
		return strings.Contains(c.Info(t.Context(), "replication").Val(), "master_link_status:down")
	})
}

// FailOver kills the primary and waits until the replica is the primary. It must follow Cut within some seconds: a
// Sentinel does not promote a replica that has been on its own for long.
func (p *Pair) FailOver(t testing.TB) {
	t.Helper()
	p.Primary.Kill()
	c := p.Replica.Client(t)
	wait(t, "the replica is promoted", func() bool { return strings.Contains(c.Info(t.Context(), "replication").Val(), "role:master") })
}
