package connect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/connect"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key makes a user's nkey and leaves its seed in a file.
func key(t *testing.T) (public, file string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = pair.PublicKey(); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, append(seed, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	return public, file
}

// guarded runs a server that lets one key in, with narrow rights.
func guarded(t *testing.T, public string) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true, Nkeys: []*server.NkeyUser{{Nkey: public,
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"fertig.progress.*"}},
			Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.console.>"}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("nats-server is not ready after 10 s")
	}
	return s.ClientURL()
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestRefusedRightIsLoggedOnceWithItsRemedy(t *testing.T) {
	public, file := key(t)
	var log lines
	nc, err := connect.OpenNATS(t.Context(), connect.NATS{URLs: []string{guarded(t, public)}, Service: "console", NkeyFile: file,
		Logger: observe.NewLogger(&log, "console", 0, observe.Text)})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if in := nc.NewInbox(); !strings.HasPrefix(in, "_INBOX.console.") {
		t.Errorf("inbox %s is not the service's own", in)
	}
	for range 50 {
		if err := nc.Publish("fertig.ledger.EU.1.1", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nc.SubscribeSync("_INBOX.dispatcher.1"); err != nil {
		t.Fatal(err)
	}
	natstest.Until(t, 5*time.Second, "both refusals are logged", func() bool {
		return strings.Contains(log.String(), "right=publish subject=fertig.ledger.EU.1.1") &&
			strings.Contains(log.String(), "right=subscribe subject=_INBOX.dispatcher.1")
	})
	if n := strings.Count(log.String(), "right=publish"); n != 1 || !strings.Contains(log.String(), "add the subject to the permissions") {
		t.Errorf("%d lines for one missing right:\n%s", n, &log)
	}
}

func TestUnknownKeyIsRefusedAtOnce(t *testing.T) {
	public, _ := key(t)
	_, other := key(t)
	_, err := connect.OpenNATS(t.Context(), connect.NATS{URLs: []string{guarded(t, public)}, Service: "console", NkeyFile: other})
	if !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), "--nats-nkey-file") {
		t.Errorf("got %v", err)
	}
}

func TestKeyFilesAreChecked(t *testing.T) {
	_, seed := key(t)
	noSeed := filepath.Join(t.TempDir(), "no-seed")
	if err := os.WriteFile(noSeed, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]connect.NATS{
		"not both":                               {Creds: seed, NkeyFile: seed},
		"--nats-nkey-file: stat nowhere":         {NkeyFile: "nowhere"},
		"--nats-ca-file: stat nowhere":           {CAFile: "nowhere"},
		"--nats-nkey-file: " + noSeed + " holds": {NkeyFile: noSeed},
	} {
		_, err := connect.OpenNATS(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// A process that starts before its server, told of two of which one never answers, waits and then serves.
func TestProcessWaitsForServersThatStartBesideIt(t *testing.T) {
	s := natstest.Start(t)
	url := s.ClientURL()
	s.Stop(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := program(ctx, []string{"--nats", "nats://" + dead(t) + ", " + url, "--health", "127.0.0.1:0", "--log-format", "json", "--topology", "expect"}, w)
		ended <- err
		_ = w.CloseWithError(io.EOF)
	}()
	s.Again(t)
	dec := json.NewDecoder(r)
	var line struct{ Msg, Health string }
	for line.Msg != "ready" {
		if err := dec.Decode(&line); err != nil {
			t.Fatalf("the log ended: %v, %v", err, <-ended)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(line.Health + "/readyz")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	_ = res.Body.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestMissingTopologyIsNamed(t *testing.T) {
	s := natstest.StartIn(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := program(ctx, []string{"--nats", s.ClientURL(), "--topology", "expect", "--health", "127.0.0.1:0"}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "is missing: run fertig setup once") {
		t.Errorf("got %v", err)
	}
}

// program is a service that does nothing until it is to stop.
func program(ctx context.Context, args []string, out io.Writer) (err error) {
	p := connect.New("idle", args, func(string) string { return "" }, out)
	p.HealthAt("127.0.0.1:8799")
	if err := p.Parse(); err != nil {
		return err
	}
	defer func() { err = p.Close(err) }()
	if err := p.Open(ctx, 5*time.Second); err != nil {
		return err
	}
	return p.Serve(func(ctx context.Context) error { <-ctx.Done(); return nil })
}

func TestFailureOfTheServiceEndsTheProcess(t *testing.T) {
	s := natstest.Start(t)
	p := connect.New("failing", []string{"--nats", s.ClientURL()}, func(string) string { return "" }, io.Discard)
	if err := p.Parse(); err != nil {
		t.Fatal(err)
	}
	if err := p.Open(t.Context(), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := p.Close(p.Serve(func(context.Context) error { return broken })); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if !p.NATS.IsClosed() {
		t.Error("the connection is still open")
	}
}

// dead is an address where nobody listens.
func dead(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
