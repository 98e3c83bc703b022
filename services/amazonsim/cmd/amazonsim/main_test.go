package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServesUntilItIsStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	log, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0", "--scenario", "../../scenarios/rehearsal.yaml", "--seed", "3"}, out)
		_ = out.Close()
	}()
	line, err := bufio.NewReader(log).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	if !strings.Contains(line, "orders=1006") {
		t.Fatalf("log: %s", line)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Fatalf("health: %s", answer.Status)
	}
	at := strings.TrimPrefix(url, "http://")
	for _, address := range []string{at, strings.Replace(at, "127.0.0.1", "0.0.0.0", 1)} {
		if err := run(t.Context(), []string{"health", "--listen", address}, io.Discard); err != nil {
			t.Errorf("health --listen %s: %v", address, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"health", "--listen", at}, io.Discard); err == nil {
		t.Error("it has stopped, and is healthy")
	}
}

func TestBadStarts(t *testing.T) {
	for _, args := range [][]string{
		{"--scenario", "nowhere.yaml"}, {"--scenario", "main.go"}, {"--listen", "nowhere"}, {"--seed", "x"}, {"--help"},
	} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%v: started", args)
		}
	}
}
