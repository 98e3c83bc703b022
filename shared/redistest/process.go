package redistest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Process is a real redis-server that can be killed and started again on its port and its data.
type Process struct {
	Dir  string
	port int
	args []string
	stop func()
}

// Start runs a redis-server with further arguments on a free port. Without any it keeps nothing on disk.
func Start(t testing.TB, args ...string) *Process {
	t.Helper()
	p := &Process{Dir: t.TempDir(), args: args}
	// The port may be taken between looking and using it, so a few are tried.
	for range 5 {
		if p.port = freePort(t); p.start(t) {
			t.Cleanup(func() { p.stop() })
			return p
		}
	}
	t.Fatal("redis-server did not start on any of five ports")
	return nil
}

// durable are the arguments of a server that writes all changes to a file, as the documentation recommends.
var durable = []string{"--appendonly", "yes", "--appendfsync", "everysec"}

// StartDurable runs a redis-server that writes all changes to a file, as an installation's should.
func StartDurable(t testing.TB) *Process {
	t.Helper()
	return Start(t, durable...)
}

func (p *Process) start(t testing.TB) bool {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: run `make deps` (Debian: apt-get install -y --no-install-recommends redis-server)")
	}
	base := []string{"--port", fmt.Sprint(p.port), "--bind", "127.0.0.1", "--dir", p.Dir}
	if config := filepath.Join(p.Dir, "redis.conf"); exists(config) { // a Sentinel rewrites its own
		base = append([]string{config, "--sentinel"}, base...)
	} else {
		base = append(base, "--save", "")
	}
	cmd := exec.Command(path, append(base, p.args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	ready := false
	for !ready && lines.Scan() {
		ready = strings.Contains(lines.Text(), "Ready to accept connections") || strings.Contains(lines.Text(), "Sentinel ID is")
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	p.stop = func() { _ = cmd.Process.Kill(); <-drained; _ = cmd.Wait() }
	if !ready {
		p.stop()
	}
	return ready
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Addr is where the server listens.
func (p *Process) Addr() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// Client opens a client that is closed when the test ends.
func (p *Process) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	return client(t, p.Addr())
}

// Kill ends the server as kill -9 does.
func (p *Process) Kill() { p.stop() }

// Again starts a killed server on the same port and data.
func (p *Process) Again(t testing.TB) {
	t.Helper()
	if !p.start(t) {
		t.Fatalf("redis-server does not start again on port %d", p.port)
	}
}

// Written is how many bytes the server has appended to its file.
func (p *Process) Written(t testing.TB) int64 {
	t.Helper()
	st, err := os.Stat(p.log(t))
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// Forget cuts a killed server's file, as a power failure does that comes before the file is synced.
func (p *Process) Forget(t testing.TB, size int64) {
	t.Helper()
	if err := os.Truncate(p.log(t), size); err != nil {
		t.Fatal(err)
	}
}

func (p *Process) log(t testing.TB) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.Dir, "appendonlydir", "*.incr.aof"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the server's log: %v, %v", files, err)
	}
	return files[0]
}

// wait polls until a condition holds.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after a minute still not: %s", what)
		}
	}
}
