package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/amazonsim"
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

func TestSandboxIsAFlag(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	log, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"--listen", "127.0.0.1:0", "--sandbox"}, out)
		_ = out.Close()
	}()
	line, err := bufio.NewReader(log).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	at := regexp.MustCompile(`http://[0-9.:]+`).FindString(line)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	account := amazonsim.DefaultAccount()
	answer, err := client.PostForm(at+"/auth/o2/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {account.RefreshToken},
		"client_id": {account.ClientID}, "client_secret": {account.ClientSecret}})
	if err != nil {
		t.Fatal(err)
	}
	var granted struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&granted); err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/orders/2026-01-01/orders/302-1234567-1234567", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-amz-access-token", granted.Access)
	if answer, err = client.Do(r); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "Could not match input arguments") {
		t.Errorf("%s %s %v", answer.Status, text, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
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
