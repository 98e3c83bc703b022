package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

const killed = `
dataDir: %[1]s
listen: {console: "127.0.0.1:0"}
connections:
  - id: EU
    region: eu
    mode: simulator
    endpoint: %[2]s
    tokenEndpoint: %[2]s/auth/o2/token
    clientId: amzn1.application-oa2-client.amazonsim
    clientSecret: env:SECRET
    refreshToken: env:REFRESH
    limits: {confirmRate: 50, confirmBurst: 50, requestTimeout: 2s, doubtAfter: 500ms, doubtAgain: 500ms}
    accounts: [{id: DE, marketplace: A1PA6795UKMFR9}]
`

// TestKilledAndStartedAgain kills fertig up in the middle of a run. The next start goes on with the run, asks Amazon about
// what was under way, and confirms everything exactly once.
func TestKilledAndStartedAgain(t *testing.T) {
	const orders = 200
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	sim, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{
		Generate: []amazonsim.Generate{{Count: orders}}, AnyTrackingForm: true,
		Quotas: []amazonsim.Quota{{Operation: amazonsim.OpConfirmShipment, Rate: 50, Burst: 50}, {Operation: amazonsim.OpGetOrder, Rate: 1000, Burst: 1000}}}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(sim)
	defer web.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "fertig.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, killed, filepath.Join(dir, "data"), web.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	first, api := launch(ctx, t, dir, config)
	journal := reportAll(ctx, t, api, sim)
	eventuallyTrue(ctx, t, "all are taken in", func() bool { return total(ctx, api, client.StatePending) == orders })
	if r, err := api.StartRunWithResponse(ctx, client.StartRunRequest{}); err != nil || r.JSON202 == nil {
		t.Fatalf("start a run: %v", err)
	}
	eventuallyTrue(ctx, t, "a third is sent", func() bool { return sim.Counts().Packages > orders/3 })
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()

	second, api := launch(ctx, t, dir, config)
	eventuallyTrue(ctx, t, "everything is confirmed", func() bool {
		if total(ctx, api, client.StateConfirmed) == orders {
			return true
		}
		// What was in doubt and proved not to have arrived waits for a run, as everything does.
		_, _ = api.StartRunWithResponse(ctx, client.StartRunRequest{})
		return false
	})
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("a clean stop: %v", err)
	}
	settle(ctx, t, filepath.Join(dir, "data"), journal, sim, orders)
}

// total counts the shipments in a state; -1 when nobody could say.
func total(ctx context.Context, api *client.ClientWithResponses, state client.State) int {
	states := []client.State{state}
	r, err := api.ListShipmentsWithResponse(ctx, &client.ListShipmentsParams{State: &states})
	if err != nil || r.JSON200 == nil {
		return -1
	}
	return r.JSON200.Total
}

// launch starts fertig up as a process of its own and waits until it is ready.
func launch(ctx context.Context, t *testing.T, dir, config string) (*exec.Cmd, *client.ClientWithResponses) {
	t.Helper()
	file := cli.ClientFile(filepath.Join(dir, "data"))
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "fertig") // under this name the test binary is the program
	if err := os.Symlink(os.Args[0], name); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	a := amazonsim.DefaultAccount()
	cmd := exec.CommandContext(ctx, name, "up", "--config", config, "--log-level", "error")
	cmd.Env = append(os.Environ(), "SECRET="+a.ClientSecret, "REFRESH="+a.RefreshToken)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	var access cli.Access
	eventuallyTrue(ctx, t, "fertig up is ready", func() bool {
		data, err := os.ReadFile(file)
		return err == nil && json.Unmarshal(data, &access) == nil
	})
	api, err := client.Open(access.URL, access.Token, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, api
}

func eventuallyTrue(ctx context.Context, t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func reportAll(ctx context.Context, t *testing.T, api *client.ClientWithResponses, sim *amazonsim.Simulator) []audit.Line {
	t.Helper()
	var reports []client.Report
	at, carrier := time.Now().Add(-time.Hour).Format(time.RFC3339), "DHL"
	for i, o := range sim.Orders() {
		tracking := fmt.Sprintf("%020d", i+1)
		reports = append(reports, client.Report{Account: "DE", AmazonOrderId: o.ID, ShippedAt: &at, Carrier: &carrier, TrackingNumber: &tracking})
	}
	r, err := api.ReportShipmentsWithResponse(ctx, client.ReportRequest{Reports: reports})
	if err != nil || r.JSON200 == nil {
		t.Fatalf("report: %v", err)
	}
	var journal []audit.Line
	for _, v := range r.JSON200.Results {
		journal = append(journal, audit.Line{Door: "api", Told: door.Result(v.Result),
			Key: shipment.Key{Connection: shipment.ConnectionID(v.Shipment.Connection), Order: v.Shipment.Order, Package: v.Shipment.Package}})
	}
	return journal
}

// settle reads the data directory that the program has left, and does the accounts.
func settle(ctx context.Context, t *testing.T, dir string, journal []audit.Line, sim *amazonsim.Simulator, orders int) {
	t.Helper()
	n, err := embedded.StartNATS(ctx, embedded.NATSOptions{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	nc, err := n.Connect("test")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(ctx, nc)
	if err != nil {
		t.Fatal(err)
	}
	books := audit.Books{Journal: journal, Calls: sim.Record(), Orders: sim.Orders()}
	if err := books.Read(ctx, js, l); err != nil {
		t.Fatal(err)
	}
	got, why := audit.Settle(books)
	if !got.Sound() || got.Confirmed != orders {
		t.Errorf("accounts %+v\n%v", got, why)
	}
}
