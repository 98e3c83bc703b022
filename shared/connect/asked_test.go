package connect_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/shared/connect"
	"github.com/fertig-project/fertig/shared/observe"
)

func TestAProgramIsAskedInsteadOfStarted(t *testing.T) {
	var h observe.Health
	srv := httptest.NewServer(h.Handler())
	defer srv.Close()
	at := srv.Listener.Addr().String()
	p := connect.Program{Service: "scheduler", Version: "v9", HealthAt: at}
	none := func(string) string { return "" }
	var out bytes.Buffer
	if asked, err := p.Asked(t.Context(), []string{"--version"}, none, &out); !asked || err != nil || out.String() != "scheduler v9\n" {
		t.Errorf("version: %v %v %q", asked, err, &out)
	}
	if asked, err := p.Asked(t.Context(), []string{"health"}, none, io.Discard); !asked || err != nil {
		t.Errorf("health: %v %v", asked, err)
	}
	for _, args := range [][]string{nil, {"--health", "127.0.0.1:1"}, {"--nats", "nats://127.0.0.1:1"}} {
		if asked, err := p.Asked(t.Context(), args, none, io.Discard); asked || err != nil {
			t.Errorf("%v starts the service: %v %v", args, asked, err)
		}
	}
	broken := httptest.NewServer(http.NotFoundHandler())
	defer broken.Close()
	other := func(k string) string {
		if k == "FERTIG_HEALTH" {
			return broken.Listener.Addr().String()
		}
		return ""
	}
	if asked, err := p.Asked(t.Context(), []string{"health"}, other, io.Discard); !asked || err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("the address of the environment: %v %v", asked, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Asked(ended, []string{"health"}, none, io.Discard); err == nil {
		t.Error("nobody waited for the answer, and it was ready")
	}
}
