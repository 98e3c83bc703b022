package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProblemsAreReportedAtOnce(t *testing.T) {
	err := run(t.Context(), []string{"--nats", "here", "--replicas", "7"}, func(string) string { return "" }, io.Discard)
	for _, want := range []string{"--nats or FERTIG_NATS", "--replicas or FERTIG_REPLICAS"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestStartsIsReadyAndStopsCleanly(t *testing.T) {
	srv := natstest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		env := map[string]string{"FERTIG_NATS": srv.ClientURL(), "FERTIG_LOG_FORMAT": "json"}
		err := run(ctx, []string{"--health", "127.0.0.1:0"}, func(k string) string { return env[k] }, w)
		ended <- err
		_ = w.Close()
	}()
	health := address(t, r)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/readyz", "/healthz"} {
		res, err := client.Get(health + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"status":"ok"`) {
			t.Errorf("%s: %d %s, %v", path, res.StatusCode, body, err)
		}
		if err := res.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// address reads the log until the command says where it listens, and keeps draining it.
func address(t *testing.T, log io.Reader) string {
	t.Helper()
	dec := json.NewDecoder(log)
	for {
		var line struct{ Msg, Health string }
		if err := dec.Decode(&line); err != nil {
			t.Fatalf("the log ended before the command was ready: %v", err)
		}
		if line.Msg == "ready" {
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return line.Health
		}
	}
}
