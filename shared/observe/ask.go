package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// askTimeout is longer than a readiness check may take and shorter than the patience of a container engine.
const askTimeout = checkTimeout + 2*time.Second

// Probe asks the process that listens on address, as its --health has it, whether it is ready: nil, or what is wrong. An
// address that stands for all interfaces is asked on loopback. It is for health checks in images without a shell.
func Probe(ctx context.Context, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return Ask(ctx, "http://"+net.JoinHostPort(host, port)+"/readyz")
}

// Ask gets a probe's answer: nil for 200, otherwise what is wrong.
func Ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it asks this machine
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	var r Report
	if err == nil && json.Unmarshal(body, &r) == nil && len(r.Checks) > 0 {
		var wrong []string
		for _, name := range slices.Sorted(maps.Keys(r.Checks)) {
			if r.Checks[name] != "ok" {
				wrong = append(wrong, name+": "+r.Checks[name])
			}
		}
		return fmt.Errorf("not ready: %s", strings.Join(wrong, "; "))
	}
	return fmt.Errorf("not ready: %s answers %s", url, res.Status)
}
