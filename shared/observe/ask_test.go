package observe_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/shared/observe"
)

func TestAProcessIsAskedWhetherItIsReady(t *testing.T) {
	var h observe.Health
	broken := false
	h.Add("nats", func(context.Context) error { return nil })
	h.Add("redis", func(context.Context) error {
		if broken {
			return errors.New("connection refused")
		}
		return nil
	})
	srv := httptest.NewServer(h.Handler())
	defer srv.Close()
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	for _, address := range []string{"127.0.0.1:" + port, "0.0.0.0:" + port, "[::]:" + port, ":" + port} {
		if err := observe.Probe(t.Context(), address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	broken = true
	if err := observe.Probe(t.Context(), "0.0.0.0:"+port); err == nil || err.Error() != "not ready: redis: connection refused" {
		t.Errorf("a failing check: %v", err)
	}
	srv.Close()
	if err := observe.Probe(t.Context(), "127.0.0.1:"+port); err == nil {
		t.Error("nobody listens, and it is ready")
	}
	if err := observe.Probe(t.Context(), "nowhere"); err == nil {
		t.Error("an address without a port is ready")
	}
}

func TestAnswersOfOthersAreNoReadiness(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	if err := observe.Ask(t.Context(), srv.URL+"/readyz"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
}
