package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProblemsAreReportedAtOnce(t *testing.T) {
	err := run(t.Context(), []string{"--nats", "here", "--poll", "often"}, func(string) string { return "" }, io.Discard)
	for _, want := range []string{"--config or FERTIG_CONFIG: is missing", "--nats", "--poll"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

func TestStartsIsReadyAndStopsCleanly(t *testing.T) {
	srv := natstest.Start(t)
	dir := t.TempDir()
	conf := filepath.Join(dir, "fertig.yaml")
	text := "dataDir: " + dir + "\nimports:\n  - {account: DE, profile: dhl, folder: " + filepath.Join(dir, "in") + "}\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"--config", conf, "--nats", srv.ClientURL(), "--health", "127.0.0.1:0", "--log-format", "json"}, func(string) string { return "" }, w)
		ended <- err
		_ = w.Close()
	}()
	health := address(t, r)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(health + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !bytes.Contains(body, []byte(`"nats":"ok"`)) {
		t.Errorf("readyz: %d %s, %v", res.StatusCode, body, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "in", "archive")); err != nil {
		t.Errorf("the folder is not prepared: %v", err)
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
