package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
)

// simulator is a simulator in a process of its own.
type simulator struct {
	url string
	cmd *exec.Cmd
}

// scenario is what a simulator starts with: orders 0 and on with one item each, the quota of confirmations, and how long
// each of their answers takes.
type scenario struct {
	orders  int
	rate    float64
	burst   int
	latency time.Duration
	record  int // calls it remembers
	sellers int // each has an equal share of the orders and the quota for itself; 0 for the simulator's own one
	more    func(*amazonsim.Scenario)
}

func startSimulator(ctx context.Context, b bench, dir string, o scenario) (*simulator, error) {
	sc := amazonsim.Scenario{AnyTrackingForm: true, RecordLimit: o.record,
		Quotas: []amazonsim.Quota{{Operation: string(amazonsim.OpConfirmShipment), Rate: o.rate, Burst: o.burst}}}
	for n := range o.sellers {
		sc.Accounts = append(sc.Accounts, seller(n))
	}
	for n := range o.orders {
		sc.Orders = append(sc.Orders, amazonsim.Order{ID: order(n), Seller: sellerOf(n, o), MarketplaceID: "A1PA6795UKMFR9", Items: []amazonsim.Item{{ID: item(n), Quantity: 1}}})
	}
	if o.latency > 0 {
		sc.Faults = []amazonsim.Fault{{Kind: amazonsim.FaultSlow, Operation: amazonsim.OpConfirmShipment, Delay: amazonsim.Duration(o.latency)}}
	}
	if o.more != nil {
		o.more(&sc)
	}
	data, err := json.Marshal(sc)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "scenario.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, b.fertig, "simulator", "--listen", "127.0.0.1:0", "--scenario", file, "--log-level", "warn")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "endpoint: ")
	if err != nil || !ok {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("the simulator said %q: %w", line, err)
	}
	return &simulator{url: url, cmd: cmd}, nil
}

func (s *simulator) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

func (s *simulator) record(ctx context.Context, after uint64) ([]amazonsim.Call, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/admin/record?after=%d&limit=5000", s.url, after), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var page struct{ Calls []amazonsim.Call }
	return page.Calls, json.Unmarshal(raw, &page)
}

func order(n int) string { return fmt.Sprintf("900-%07d-%07d", n, n) }
func item(n int) string  { return fmt.Sprintf("9%013d", n) }

// seller is the n-th seller, who authorised the same application as the others.
func seller(n int) amazonsim.Account {
	a := amazonsim.DefaultAccount()
	a.Seller, a.RefreshToken = fmt.Sprintf("A2SELLER%04d", n), fmt.Sprintf("%s-%d", a.RefreshToken, n)
	return a
}

func sellerOf(order int, o scenario) string {
	if o.sellers == 0 {
		return ""
	}
	return seller(order / (o.orders / o.sellers)).Seller
}
