package deployment

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/fertig-project/fertig/shared/natstest"
)

// words collects what programs and servers say. It is safe for concurrent use.
type words struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *words) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(b)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// denials is a server's log that keeps what was refused.
type denials struct{ words }

func (d *denials) Noticef(string, ...any) {}
func (d *denials) Warnf(string, ...any)   {}
func (d *denials) Debugf(string, ...any)  {}
func (d *denials) Tracef(string, ...any)  {}
func (d *denials) Fatalf(format string, v ...any) {
	fmt.Fprintf(d, format+"\n", v...)
}
func (d *denials) Errorf(format string, v ...any) {
	if strings.Contains(format, "iolation") {
		fmt.Fprintf(d, format+"\n", v...)
	}
}

// startNATS runs the NATS servers of a project from their own configuration files, in this process and on this machine's
// addresses. It returns their URLs and what they refused.
func startNATS(t *testing.T, p *types.Project) (urls []string, refused *denials) {
	t.Helper()
	refused = &denials{}
	var nodes []string
	for name := range p.Services {
		if strings.HasPrefix(name, "nats-") {
			nodes = append(nodes, name)
		}
	}
	slices.Sort(nodes)
	route := map[string]string{}
	for _, name := range nodes {
		route[name+":6222"] = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	}
	for _, name := range nodes {
		o := natsOptions(t, p, p.Services[name])
		if o.Cluster.Port != 0 {
			_, port, _ := net.SplitHostPort(route[name+":6222"])
			o.Cluster.Host = "127.0.0.1"
			_, _ = fmt.Sscan(port, &o.Cluster.Port)
			for i, r := range o.Routes {
				o.Routes[i] = &url.URL{Scheme: r.Scheme, User: r.User, Host: route[r.Host]}
			}
		}
		s, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.SetLoggerV2(refused, false, false, false)
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		if !s.ReadyForConnections(30 * time.Second) {
			t.Fatalf("%s is not ready", name)
		}
		urls = append(urls, s.ClientURL())
	}
	return urls, refused
}

// natsOptions reads a server's configuration as it finds it in its container: mounts and secrets side by side.
func natsOptions(t *testing.T, p *types.Project, s types.ServiceConfig) *server.Options {
	t.Helper()
	etc := t.TempDir()
	for _, v := range s.Volumes {
		if v.Type == types.VolumeTypeBind {
			if err := put(v.Source, filepath.Join(etc, v.Target)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, x := range s.Secrets {
		if err := put(p.Secrets[x.Source].File, filepath.Join(etc, inside(x))); err != nil {
			t.Fatal(err)
		}
	}
	for k, v := range s.Environment {
		t.Setenv(k, *v)
	}
	o, err := server.ProcessConfigFile(filepath.Join(etc, s.Command[slices.Index(s.Command, "-c")+1]))
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if !o.SyncAlways || o.StoreDir != "/data" || o.ServerName != s.Name || len(o.Nkeys) != 6 || o.HTTPHost != "127.0.0.1" {
		t.Errorf("%s: sync always %v, store %s, name %s, %d keys, monitoring on %s", s.Name, o.SyncAlways, o.StoreDir, o.ServerName, len(o.Nkeys), o.HTTPHost)
	}
	if cluster := o.Cluster.Port != 0; cluster && (o.Cluster.Password == "" || len(o.Routes) != 3) {
		t.Errorf("%s: the cluster lets anybody in, or has %d routes", s.Name, len(o.Routes))
	}
	o.Host, o.Port, o.HTTPPort, o.StoreDir, o.NoSigs, o.NoLog = "127.0.0.1", -1, 0, t.TempDir(), true, true
	return o
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

// startRedis runs redis-server with its own configuration and users' file and returns its address. It is healthy by the
// check of the compose file.
func startRedis(t *testing.T, p *types.Project) string {
	t.Helper()
	s := p.Services["redis"]
	conf, users := s.Volumes[slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == s.Command[1] })].Source, ""
	for _, x := range s.Secrets {
		users = p.Secrets[x.Source].File
	}
	port := fmt.Sprint(freePort(t))
	cmd := exec.Command(s.Command[0], conf, "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--aclfile", users)
	var out words
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: install redis-server with `make deps`", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	check := strings.Replace(s.HealthCheck.Test[1], "redis-cli", "redis-cli -p "+port, 1)
	natstest.Until(t, 20*time.Second, "Redis is healthy", func() bool { return exec.Command("sh", "-c", check).Run() == nil })
	return "127.0.0.1:" + port
}

// process is a running program of ours.
type process struct {
	name string
	cmd  *exec.Cmd
	env  []string
	log  words
	done chan error
}

// start runs a service's program with exactly the environment its container has, addresses and paths translated.
func start(t *testing.T, p *types.Project, name, copyNumber string, translate *strings.Replacer) *process {
	t.Helper()
	s := p.Services[name]
	prog, _ := runs(s)
	var args []string
	for _, a := range s.Command {
		args = append(args, translate.Replace(a))
	}
	x := &process{name: name + copyNumber, cmd: exec.Command(binary(t, prog), args...), done: make(chan error, 1)}
	for k, v := range s.Environment {
		x.env = append(x.env, k+"="+translate.Replace(*v))
	}
	if prog.service != "amazonsim" {
		x.env = append(x.env, fmt.Sprintf("FERTIG_HEALTH=127.0.0.1:%d", freePort(t)))
	}
	x.cmd.Env, x.cmd.Stdout, x.cmd.Stderr, x.cmd.Dir = x.env, &x.log, &x.log, t.TempDir()
	if err := x.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { x.done <- x.cmd.Wait() }()
	t.Cleanup(func() { x.stop(t) })
	return x
}

// stop ends a process as the container engine does. It may be called again.
func (x *process) stop(t *testing.T) {
	t.Helper()
	if x.done == nil {
		return
	}
	_ = x.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-x.done:
		if err != nil {
			t.Errorf("%s: %v\n%s", x.name, err, &x.log)
		}
	case <-time.After(45 * time.Second): // the stop_grace_period
		_ = x.cmd.Process.Kill()
		<-x.done
		t.Errorf("%s did not stop:\n%s", x.name, &x.log)
	}
	x.done = nil
}

// healthy waits until the image's own health check passes.
func (x *process) healthy(t *testing.T, args ...string) {
	t.Helper()
	natstest.Until(t, 2*time.Minute, x.name+" is healthy", func() bool {
		select {
		case err := <-x.done:
			x.done = nil
			t.Fatalf("%s ended: %v\n%s", x.name, err, &x.log)
		default:
		}
		cmd := exec.Command(x.cmd.Path, append([]string{"health"}, args...)...)
		cmd.Env = x.env
		return cmd.Run() == nil
	})
}
