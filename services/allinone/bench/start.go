package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// start measures fertig up: from the start of the process to ready, and its memory when idle.
func start(ctx context.Context, b bench) ([]figure, error) {
	const runs = 5
	var took []float64
	var rss float64
	for i := range runs {
		t, m, err := startOnce(ctx, b, i == runs-1)
		if err != nil {
			return nil, err
		}
		took, rss = append(took, t.Seconds()), m
	}
	slices.Sort(took)
	return []figure{
		{"start_s", took[runs/2], "s", "<= 2", took[runs/2] <= 2, fmt.Sprintf("median of %d, empty data directory", runs)},
		{"idle_rss_mb", rss, "MB", "<= 100", rss <= 100, "VmRSS ten seconds after ready"},
	}, nil
}

func startOnce(ctx context.Context, b bench, idle bool) (took time.Duration, rssMB float64, err error) {
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	addr, err := freeAddress()
	if err != nil {
		return 0, 0, err
	}
	cfg := filepath.Join(dir, "fertig.yaml")
	if err := os.WriteFile(cfg, []byte(fmt.Sprintf(upConfig, dir, addr)), 0o600); err != nil {
		return 0, 0, err
	}
	cmd := exec.CommandContext(ctx, b.fertig, "up", "--config", cfg)
	cmd.Env = append(os.Environ(), "BENCH_SECRET=x", "BENCH_REFRESH=x", "BENCH_TOKEN=bench-token-of-enough-length-0123456789")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	if err := ready(ctx, "http://"+addr+"/readyz"); err != nil {
		text, _ := os.ReadFile(log.Name())
		return 0, 0, fmt.Errorf("%w\n%s", err, text)
	}
	took = time.Since(began)
	if !idle {
		return took, 0, nil
	}
	select {
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	case <-time.After(10 * time.Second):
	}
	rssMB, err = residentMB(cmd.Process.Pid)
	return took, rssMB, err
}

// ready waits until a URL answers 200, at most 30 seconds.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not become ready within 30 s", url)
		case <-tick.C:
		}
	}
}

func residentMB(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of the process: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS for process %d", pid)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

const upConfig = `
dataDir: %s/data
listen:
  console: %s
tokens:
  - name: bench
    role: viewer
    token: env:BENCH_TOKEN
connections:
  - id: EU
    region: eu
    mode: simulator
    endpoint: http://127.0.0.1:9
    tokenEndpoint: http://127.0.0.1:9/auth/o2/token
    clientId: bench
    clientSecret: env:BENCH_SECRET
    refreshToken: env:BENCH_REFRESH
    accounts:
      - id: DE
        marketplace: A1PA6795UKMFR9
`
