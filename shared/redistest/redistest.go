// Package redistest starts Redis for tests: miniredis inside the process, and a real redis-server as a child process. It
// guarantees an empty store of its own for every test and that the process is gone when the test ends. A machine
// without redis-server makes the test fail with the command that installs it; it never skips. For tests only.
package redistest

import (
	"net"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Each runs a test against both implementations, as sub-tests "miniredis" and "redis-server".
func Each(t *testing.T, run func(t *testing.T, c redis.UniversalClient)) {
	t.Run("miniredis", func(t *testing.T) { run(t, Mini(t)) })
	t.Run("redis-server", func(t *testing.T) { run(t, Real(t)) })
}

// Mini starts miniredis.
func Mini(t testing.TB) redis.UniversalClient {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return client(t, m.Addr())
}

// Real starts a redis-server on a free port of 127.0.0.1.
func Real(t testing.TB) redis.UniversalClient {
	t.Helper()
	return client(t, Serve(t))
}

// Serve starts a redis-server and returns its address.
func Serve(t testing.TB) string {
	t.Helper()
	return Start(t).Addr()
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func client(t testing.TB, addr string) redis.UniversalClient {
	c := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{addr}, DialTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second})
	t.Cleanup(func() { _ = c.Close() })
	return c
}
