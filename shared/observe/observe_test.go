package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLogsAreJSONWithoutATerminal(t *testing.T) {
	var out bytes.Buffer
	log := observe.NewLogger(&out, "scheduler", slog.LevelInfo, observe.Auto)
	log.Debug("hidden")
	log.Info("slot published", "run", "slot-DE-20261120T1100Z")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one line of JSON: %q", out.String())
	}
	if line["service"] != "scheduler" || line["run"] != "slot-DE-20261120T1100Z" || line["level"] != "INFO" {
		t.Errorf("line %v", line)
	}
}

func TestTextWhenAskedFor(t *testing.T) {
	var out bytes.Buffer
	observe.NewLogger(&out, "x", slog.LevelDebug, observe.Text).Debug("seen")
	if !bytes.Contains(out.Bytes(), []byte("level=DEBUG msg=seen service=x")) {
		t.Errorf("got %q", out.String())
	}
}

func TestLevelsAndFormats(t *testing.T) {
	for in, want := range map[string]slog.Level{"": slog.LevelInfo, "DEBUG": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := observe.ParseLevel(in); err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v", in, got, err)
		}
	}
	if _, err := observe.ParseLevel("loud"); err == nil {
		t.Error("an unknown level must be refused")
	}
	if f, err := observe.ParseFormat(""); err != nil || f != observe.Auto {
		t.Errorf("default format %q, %v", f, err)
	}
	if _, err := observe.ParseFormat("xml"); err == nil {
		t.Error("an unknown format must be refused")
	}
}

func get(t *testing.T, h *observe.Health, path string) (int, observe.Report) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.Handler().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	var r observe.Report
	if err := json.Unmarshal(rec.Body.Bytes(), &r); err != nil {
		t.Fatalf("%s: body %q", path, rec.Body.String())
	}
	return rec.Code, r
}

func TestReadinessNamesEveryCheck(t *testing.T) {
	var h observe.Health
	h.Add("nats", func(context.Context) error { return nil })
	if code, r := get(t, &h, "/readyz"); code != 200 || r.Status != "ok" || r.Checks["nats"] != "ok" {
		t.Errorf("healthy: %d %v", code, r)
	}
	h.Add("redis", func(context.Context) error { return errors.New("connection refused") })
	if code, r := get(t, &h, "/readyz"); code != 503 || r.Status != "failing" || r.Checks["redis"] != "connection refused" || r.Checks["nats"] != "ok" {
		t.Errorf("one failing: %d %v", code, r)
	}
	if code, r := get(t, &h, "/healthz"); code != 200 || r.Status != "ok" {
		t.Errorf("the process lives: %d %v", code, r)
	}
}

func TestASlowCheckIsBoundedAndHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h observe.Health
		release := make(chan struct{})
		h.Add("stuck", func(context.Context) error { <-release; return nil })
		h.Add("quick", func(context.Context) error { return nil })
		began := time.Now()
		r, ok := h.Check(t.Context())
		if took := time.Since(began); ok || took != 2*time.Second {
			t.Errorf("ok=%v after %s", ok, took)
		}
		if r.Checks["quick"] != "ok" || r.Checks["stuck"] != "no answer within 2s" {
			t.Errorf("checks %v", r.Checks)
		}
		close(release)
		synctest.Wait()
	})
}
