package deployment

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/allinone/credentials"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

// orders are the simulated Amazon's; it knows no other.
const orders = `{"accounts": [{"seller": "A2AMAZONSIM", "clientId": "amzn1.application-oa2-client.amazonsim", "clientSecret": "amzn1.oa2-cs.v1.amazonsim", "refreshToken": "Atzr|amazonsim"}],
"anyTrackingForm": true, "orders": [%s]}`

// installation is all programs of a compose file, running on this machine with their own rights only.
type installation struct {
	t         *testing.T
	secrets   string
	urls      []string
	refused   *denials
	imports   string
	api       *client.ClientWithResponses
	processes []*process
	start     func(name, copyNumber string) *process
}

// install follows docs/deployment.md as far as the services that work all the time. The scheduler comes later.
func install(t *testing.T, files []string) *installation {
	t.Helper()
	x := &installation{t: t, secrets: filepath.Join(madeSecrets(t), credentials.Secrets), imports: t.TempDir()}
	p := load(t, x.secrets, files...)
	x.urls, x.refused = startNATS(t, p)
	work := t.TempDir()
	var known []string
	for i := range 5 {
		known = append(known, fmt.Sprintf(`{"id": %q, "items": [{"orderItemId": "1000000000000%d", "quantity": 1}]}`, order(i+1), i+1))
	}
	write(t, filepath.Join(work, "scenario.yaml"), fmt.Sprintf(orders, strings.Join(known, ", ")))
	amazon, console := fmt.Sprintf("127.0.0.1:%d", freePort(t)), fmt.Sprintf("127.0.0.1:%d", freePort(t))
	pairs := []string{"redis://redis:6379", "redis://" + startRedis(t, p), "/run/secrets/", x.secrets + "/", "/etc/fertig/fertig.yaml", filepath.Join(work, "fertig.yaml"),
		"/etc/fertig/scenario.yaml", filepath.Join(work, "scenario.yaml"), "0.0.0.0:8790", amazon, "amazonsim:8790", amazon, "0.0.0.0:8780", console,
		"/import/", x.imports + "/", "0 12,15,18 * * *", "* * * * *"}
	for i, u := range x.urls {
		pairs = append(pairs, fmt.Sprintf("nats://nats-%d:4222", i+1), u)
	}
	translate := strings.NewReplacer(pairs...)
	example, err := os.ReadFile(filepath.Join(root, byHand["fertig.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(work, "fertig.yaml"), translate.Replace(string(example)))
	x.start = func(name, copyNumber string) *process {
		t.Helper()
		s := start(t, p, name, copyNumber, translate)
		x.processes = append(x.processes, s)
		return s
	}
	x.start("amazonsim", "").healthy(t, "--listen", amazon)
	setup := x.start("setup", "")
	if err := <-setup.done; err != nil {
		t.Fatalf("setup: %v\n%s", err, &setup.log)
	}
	setup.done = nil
	for _, name := range []string{"console", "dispatcher", "carrierimport"} {
		copies := 1
		if d := p.Services[name].Deploy; d != nil && d.Replicas != nil {
			copies = *d.Replicas
		}
		for i := range copies {
			x.start(name, fmt.Sprint("-", i+1)).healthy(t)
		}
	}
	token, err := os.ReadFile(filepath.Join(x.secrets, "console-support.token"))
	if err != nil {
		t.Fatal(err)
	}
	x.api, err = client.Open("http://"+console, strings.TrimSpace(string(token)), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func order(i int) string { return fmt.Sprintf("302-1111111-000000%d", i) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// publish reports an order as an upstream system does.
func (x *installation) publish(order string) {
	x.t.Helper()
	nc, _ := as(x.t, x.urls, x.secrets, "sender")
	js, err := jetstream.New(nc)
	if err != nil {
		x.t.Fatal(err)
	}
	e := event.New(event.TypeShipped, "sender-"+order, "/erp", time.Now(), event.Shipped{Account: "DE", Order: order, ShippedAt: event.Time{Time: time.Now()},
		Carrier: "DHL Paket", Tracking: "00340434161094042999", Source: "service"})
	data, err := event.Encode(e)
	if err != nil {
		x.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(x.t.Context(), 20*time.Second)
	defer cancel()
	if _, err := js.Publish(ctx, stream.ShippedSubject("EU"), data); err != nil {
		x.t.Fatalf("publish as sender: %v", err)
	}
}

// report reports an order through the API.
func (x *installation) report(order string) {
	x.t.Helper()
	carrier, tracking, at := "DHL Paket", "0034043416109404256"+order[len(order)-1:], time.Now().Format(time.RFC3339)
	r, err := x.api.ReportShipmentsWithResponse(x.t.Context(), client.ReportRequest{Reports: []client.Report{{Account: "DE", AmazonOrderId: order,
		Carrier: &carrier, TrackingNumber: &tracking, ShippedAt: &at}}})
	if err != nil || r.JSON200 == nil || r.JSON200.Results[0].Result != "accepted" {
		x.t.Fatalf("report %s: %v %s", order, err, r.Body)
	}
}

// reaches waits until the console shows an order in a state.
func (x *installation) reaches(order, state string) {
	x.t.Helper()
	last := "nothing"
	natstest.Until(x.t, 2*time.Minute, fmt.Sprintf("%s is %s", order, state), func() bool {
		r, err := x.api.GetShipmentWithResponse(x.t.Context(), "EU", order, "1")
		if err == nil && r.JSON200 != nil && string(r.JSON200.Shipment.State) != last {
			last = string(r.JSON200.Shipment.State)
			x.t.Logf("%s: %s", order, last)
		}
		return last == state
	})
}

// done fails unless everything stops cleanly and nobody was refused anything.
func (x *installation) done() {
	x.t.Helper()
	for _, p := range slices.Backward(x.processes) {
		p.stop(x.t)
		for line := range strings.Lines(p.log.String()) {
			if strings.Contains(line, "refuses") || strings.Contains(line, "NOPERM") || strings.Contains(line, "NOAUTH") || strings.Contains(line, `"level":"ERROR"`) {
				x.t.Errorf("%s: %s", p.name, line)
			}
		}
	}
	if text := x.refused.String(); text != "" {
		x.t.Errorf("the servers refused:\n%s", text)
	}
}

// TestAnInstallationDoesItsWorkWithItsRightsOnly is the way of the main job through an installation as the compose files
// make it: reports through every door, a run by hand and one by the clock, confirmations at Amazon, the messages, and what
// people do in the console.
func TestAnInstallationDoesItsWorkWithItsRightsOnly(t *testing.T) {
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			x := install(t, layout.files)
			ctx := t.Context()
			x.publish(order(1))
			x.report(order(2))
			write(t, filepath.Join(x.imports, "dhl", "versenden.csv"), "POOL_REF_NO|POOL_PRODUCT|POOL_REC_COUNTRY|POOL_WEIGHT|POOL_SHIPMENT_ID|POOL_SHIPMENT_DATE\r\n"+
				order(3)+"|DHL Paket|DE|1,0|00340434161094000001|"+time.Now().Format("02.01.2006")+"\r\n"+
				"nobody|DHL Paket|DE|1,0|3,4E+19|"+time.Now().Format("02.01.2006")+"\r\n")
			x.report(order(9)) // Amazon has no such order
			for _, i := range []int{1, 2, 3, 9} {
				x.reaches(order(i), "pending")
			}
			if r, err := x.api.StartRunWithResponse(ctx, client.StartRunRequest{}); err != nil || client.Check(r.StatusCode(), r.Body, r.JSONDefault) != nil {
				t.Fatalf("start a run: %v %s", err, r.Body)
			}
			for _, i := range []int{1, 2, 3} {
				x.reaches(order(i), "confirmed")
			}
			x.reaches(order(9), "deferred")
			natstest.Until(t, 2*time.Minute, "both messages are raised", func() bool {
				r, err := x.api.ListMessagesWithResponse(ctx)
				return err == nil && r.JSON200 != nil && len(r.JSON200.Messages) >= 2
			})
			x.byClock()
			x.byHand()
			x.done()
		})
	}
}

// byClock lets the scheduler ask for a run.
func (x *installation) byClock() {
	x.t.Helper()
	x.report(order(4))
	x.start("scheduler", "").healthy(x.t)
	x.reaches(order(4), "confirmed")
	r, err := x.api.ListRunsWithResponse(x.t.Context(), &client.ListRunsParams{})
	if err != nil || r.JSON200 == nil || !slices.ContainsFunc(r.JSON200.Runs, func(r client.Run) bool { return r.Kind == client.RunKindSchedule }) {
		x.t.Errorf("no run was asked for by the scheduler: %v %s", err, r.Body)
	}
}

// byHand does what the console needs rights for: decide about a shipment, change settings, ask the dispatcher.
func (x *installation) byHand() {
	x.t.Helper()
	ctx := x.t.Context()
	excluded, err := x.api.ExcludeShipmentsWithResponse(ctx, client.ExcludeShipmentsJSONRequestBody{Keys: &[]client.Key{{Connection: "EU", Order: order(9), Package: "1"}}, Comment: "unknown"})
	if err != nil || client.Check(excluded.StatusCode(), excluded.Body, excluded.JSONDefault) != nil {
		x.t.Errorf("exclude: %v %s", err, excluded.Body)
	}
	until := time.Now().Add(time.Hour)
	paused, err := x.api.PauseAccountWithResponse(ctx, "DE", client.PauseRequest{Comment: "inventory", Until: &until})
	if err != nil || client.Check(paused.StatusCode(), paused.Body, paused.JSONDefault) != nil {
		x.t.Errorf("pause: %v %s", err, paused.Body)
	}
	tested, err := x.api.TestConnectionWithResponse(ctx, "EU")
	if err != nil || tested.JSON200 == nil || !tested.JSON200.Ok {
		x.t.Errorf("test the connection: %v %s", err, tested.Body)
	}
	rebuilt, err := x.api.RebuildViewWithResponse(ctx)
	if err != nil || client.Check(rebuilt.StatusCode(), rebuilt.Body, rebuilt.JSONDefault) != nil {
		x.t.Errorf("rebuild the view: %v %s", err, rebuilt.Body)
	}
	x.reaches(order(9), "excluded")
}
