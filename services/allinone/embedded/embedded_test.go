package embedded_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/redistest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

var quiet = slog.New(slog.DiscardHandler)

func begin(t *testing.T, o embedded.NATSOptions) *embedded.NATS {
	t.Helper()
	o.Logger = quiet
	n, err := embedded.StartNATS(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStreamsSurviveARestart(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	for i := range 3 {
		n := begin(t, embedded.NATSOptions{Dir: dir})
		nc, err := n.Connect("test")
		if err != nil {
			t.Fatal(err)
		}
		js, _ := jetstream.New(nc)
		s, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, Storage: jetstream.FileStorage})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.CachedInfo().State.Msgs; got != uint64(i) {
			t.Fatalf("start %d finds %d messages", i, got)
		}
		if _, err := js.Publish(ctx, "s", nil); err != nil {
			t.Fatal(err)
		}
		if n.URL() != "" {
			t.Fatalf("it listens on %s unasked", n.URL())
		}
		nc.Close()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASecondInstanceIsRefused(t *testing.T) {
	dir := t.TempDir()
	n := begin(t, embedded.NATSOptions{Dir: dir})
	_, err := embedded.StartNATS(t.Context(), embedded.NATSOptions{Dir: dir, Logger: quiet})
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "in use by process") || !strings.Contains(err.Error(), "dataDir") {
		t.Fatalf("a second instance gets %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := begin(t, embedded.NATSOptions{Dir: dir}).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOutsideConnectionsNeedTheToken(t *testing.T) {
	if _, err := embedded.StartNATS(t.Context(), embedded.NATSOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", Logger: quiet}); !fault.Is(err, fault.Invalid) {
		t.Fatalf("listening without a token: %v", err)
	}
	n := begin(t, embedded.NATSOptions{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "right"})
	defer n.Close()
	if nc, err := nats.Connect(n.URL(), nats.Token("wrong")); err == nil {
		nc.Close()
		t.Fatal("a wrong token is let in")
	}
	nc, err := nats.Connect(n.URL(), nats.Token("right"))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestATakenPortIsOneClearError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	_, err = embedded.StartNATS(t.Context(), embedded.NATSOptions{Dir: dir, Listen: l.Addr().String(), Token: "x", Logger: quiet})
	if err == nil || !strings.Contains(err.Error(), "nats.listen") {
		t.Fatalf("a taken port gives %v", err)
	}
	if err := begin(t, embedded.NATSOptions{Dir: dir}).Close(); err != nil {
		t.Fatalf("the failed start kept the directory: %v", err)
	}
}

func TestRedisInsideAndBeside(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for name, url := range map[string]string{"embedded": "", "own server": "redis://" + redistest.Serve(t) + "/0"} {
		r, err := embedded.OpenRedis(ctx, url, quiet)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := r.Client.Set(ctx, "k", "v", 0).Err(); err != nil || r.Client.Get(ctx, "k").Val() != "v" {
			t.Fatalf("%s does not keep a value: %v", name, err)
		}
		if r.Embedded() != (url == "") {
			t.Fatalf("%s calls itself embedded: %t", name, r.Embedded())
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, url := range []string{"nonsense", "redis://127.0.0.1:1/0"} {
		if _, err := embedded.OpenRedis(ctx, url, quiet); err == nil || !strings.Contains(err.Error(), "redis.url") {
			t.Fatalf("%s gives %v", url, err)
		}
	}
}
