package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/view"
)

// survive measures how soon fertig up is ready again after kill -9 with a million shipments in its history, spread over a
// year, of which those of the last 30 days and a few thousand open ones are in the view.
func survive(ctx context.Context, b bench) ([]figure, error) {
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	const shipments, open = 1_000_000, 3000
	now := time.Now()
	p := past{shipments: shipments, at: func(n int) time.Time {
		return now.Add(-time.Hour - time.Duration(shipments-n)*(365*24*time.Hour/shipments))
	},
		end: func(n int) shipment.State {
			if n >= shipments-open {
				return shipment.Deferred
			}
			return shipment.Confirmed
		}}
	if err := p.lay(ctx, filepath.Join(dir, "data")); err != nil {
		return nil, err
	}
	// The first start reads the whole ledger; it is killed when it has kept a snapshot of its view, as every process has
	// that ran for a minute.
	first, err := upOnce(ctx, b, dir, shownOf(p, now), filepath.Join(dir, "data", "view.snapshot"))
	if err != nil {
		return nil, err
	}
	const runs = 3
	var took, cpu []float64
	for range runs {
		u, err := upOnce(ctx, b, dir, shownOf(p, now), "")
		if err != nil {
			return nil, err
		}
		took, cpu = append(took, u.took.Seconds()), append(cpu, u.cpu.Seconds())
	}
	disk, err := fsyncP50(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(took)
	slices.Sort(cpu)
	return []figure{{"ready_after_kill_s", took[runs/2], "s", "<= 5", took[runs/2] <= 5,
		fmt.Sprintf("median of %d: %.1f, %.1f CPU seconds; the first start, without a snapshot of the view: %.1f s, %.1f CPU seconds; fsync p50 %s; %s",
			runs, took, cpu[runs/2], first.took.Seconds(), first.cpu.Seconds(), disk.Round(10*time.Microsecond), load())}}, nil
}

// shownOf is how many shipments of a history the view shows at least at a moment, with an hour for the measurement.
func shownOf(p past, now time.Time) int {
	n := 0
	for i := range p.shipments {
		if p.at(i).After(now.Add(-view.DefaultRetention+time.Hour)) || !p.end(i).Final() {
			n++
		}
	}
	return n
}

// outlasted is what a start took.
type outlasted struct{ took, cpu time.Duration }

// upOnce starts fertig up, waits until it is ready and lists all there is, and kills it, once it has written a file where
// one is named.
func upOnce(ctx context.Context, b bench, dir string, want int, file string) (outlasted, error) {
	up, err := startUp(ctx, b, dir)
	if err != nil {
		return outlasted{}, err
	}
	defer up.kill()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := ready(ctx, "http://"+up.addr+"/readyz"); err != nil {
		return outlasted{}, err
	}
	if err := poll(ctx, func() (bool, error) {
		n, err := up.listed(ctx)
		return err == nil && n >= want, nil
	}); err != nil {
		return outlasted{}, fmt.Errorf("the console does not list %d shipments: %w", want, err)
	}
	u := outlasted{took: time.Since(up.began), cpu: time.Duration(cpuOf(up.cmd.Process.Pid) * float64(time.Second))}
	return u, poll(ctx, func() (bool, error) {
		_, err := os.Stat(file)
		return err == nil || file == "", nil
	})
}

// upProcess is a running fertig up.
type upProcess struct {
	cmd   *exec.Cmd
	addr  string
	began time.Time
	log   *os.File
}

func startUp(ctx context.Context, b bench, dir string) (*upProcess, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cfg := filepath.Join(dir, "fertig.yaml")
	if err := os.WriteFile(cfg, []byte(fmt.Sprintf(upConfig, dir, addr)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.fertig, "up", "--config", cfg)
	cmd.Env = append(os.Environ(), "BENCH_SECRET=x", "BENCH_REFRESH=x", "BENCH_TOKEN="+benchToken)
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	up := &upProcess{cmd: cmd, addr: addr, log: log, began: time.Now()}
	return up, cmd.Start()
}

// kill ends the process as a crash would.
func (u *upProcess) kill() {
	_ = u.cmd.Process.Kill()
	_ = u.cmd.Wait()
	_ = u.log.Close()
}

// listed is how many shipments the console says it has.
func (u *upProcess) listed(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+u.addr+"/api/v1/shipments?limit=1", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+benchToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var page struct{ Total int }
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("listing answers %s", resp.Status)
	}
	return page.Total, json.NewDecoder(resp.Body).Decode(&page)
}
