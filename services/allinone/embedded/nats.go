package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/shared/fault"
)

// readyWithin bounds the start of the server; recovery of a large store takes a while.
const readyWithin = 2 * time.Minute

// NATSOptions say where the streams lie and who may reach them.
type NATSOptions struct {
	Dir    string // data directory; created with rights for the owner only
	Listen string // host:port for other programs, port 0 picks one; empty: only this process can connect
	Token  string // what a connection from outside must show; needed with Listen
	Logger *slog.Logger
}

// NATS is a running nats-server with JetStream. It is safe for concurrent use.
type NATS struct {
	server *server.Server
	token  string
	lock   *flock.Flock
}

// StartNATS takes the data directory and starts a server on it. It returns when clients can connect; ctx bounds only
// the start. A directory that another process uses is refused with a fault.Conflict.
func StartNATS(ctx context.Context, o NATSOptions) (*NATS, error) {
	if o.Listen != "" && o.Token == "" {
		return nil, fault.Field("nats.listen", "needs a token: without one everybody on this machine could publish")
	}
	lock, err := take(o.Dir)
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, o)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &NATS{server: s, token: o.Token, lock: lock}, nil
}

func take(dir string) (*flock.Flock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "data directory %s: name one that can be written, with dataDir", dir)
	}
	path := filepath.Join(dir, "lock")
	lock := flock.New(path, flock.SetPermissions(0o600), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory %s: %w", dir, err)
	}
	if !held {
		who, _ := os.ReadFile(path)
		return nil, fault.New(fault.Conflict, "data directory %s is in use by process %s: stop that one, or choose another directory with dataDir",
			dir, orUnknown(strings.TrimSpace(string(who))))
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func start(ctx context.Context, o NATSOptions) (*server.Server, error) {
	opts := &server.Options{
		ServerName: "fertig", JetStream: true, StoreDir: filepath.Join(o.Dir, "nats"),
		SyncAlways: true, NoSigs: true, Authorization: o.Token, DontListen: o.Listen == "", NoLog: false,
		MaxPayload: 8 << 20,
	}
	if err := address(opts, o.Listen); err != nil {
		return nil, err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start embedded nats: %w", err)
	}
	log := &natsLog{to: o.Logger, fatal: make(chan string, 1)}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	if err := await(ctx, s, log.fatal); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, err
	}
	return s, nil
}

func await(ctx context.Context, s *server.Server, fatal <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for !s.ReadyForConnections(50 * time.Millisecond) {
		select {
		case text := <-fatal:
			return fault.New(fault.Unavailable, "embedded nats: %s: choose another address with nats.listen", text)
		case <-ctx.Done():
			return fmt.Errorf("start embedded nats: %w", ctx.Err())
		default:
		}
	}
	return nil
}

func address(opts *server.Options, listen string) error {
	if listen == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fault.Field("nats.listen", "%q is not an address such as 127.0.0.1:4222", listen)
	}
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return fault.Field("nats.listen", "%q is not an address such as 127.0.0.1:4222", listen)
	}
	if opts.Host = host; opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return nil
}

// URL is where other programs connect, with their token; empty when nothing listens.
func (n *NATS) URL() string {
	a, ok := n.server.Addr().(*net.TCPAddr)
	if !ok || a == nil {
		return ""
	}
	return "nats://" + a.String()
}

// Connect opens a connection inside the process. name shows up in the server's statistics.
func (n *NATS) Connect(name string) (*nats.Conn, error) {
	nc, err := nats.Connect("", nats.InProcessServer(n.server), nats.Name(name), nats.Token(n.token),
		nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond), nats.IgnoreDiscoveredServers())
	if err != nil {
		return nil, fmt.Errorf("connect to embedded nats: %w", err)
	}
	return nc, nil
}

// Close stops the server and gives the data directory free. Everything acknowledged is on disk already.
func (n *NATS) Close() error {
	n.server.Shutdown()
	n.server.WaitForShutdown()
	if err := n.lock.Close(); err != nil {
		return fmt.Errorf("unlock data directory: %w", err)
	}
	return nil
}

// natsLog passes the server's lines on. The server reports a listener that cannot be opened only as a fatal line, which
// its own logger answers by ending the process.
type natsLog struct {
	to    *slog.Logger
	fatal chan string
}

func (l *natsLog) Noticef(f string, v ...any) { l.to.Debug(fmt.Sprintf(f, v...), "part", "nats") }
func (l *natsLog) Warnf(f string, v ...any)   { l.to.Warn(fmt.Sprintf(f, v...), "part", "nats") }
func (l *natsLog) Errorf(f string, v ...any)  { l.to.Error(fmt.Sprintf(f, v...), "part", "nats") }
func (l *natsLog) Debugf(string, ...any)      {}
func (l *natsLog) Tracef(string, ...any)      {}
func (l *natsLog) Fatalf(f string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(f, v...):
	default:
	}
}

// Free fails with a fault.Conflict when another process uses the data directory.
func Free(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := take(dir)
	if err != nil {
		return err
	}
	return lock.Close()
}
