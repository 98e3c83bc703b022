package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// One connection's requests all hang, as many as it may have under way, and hundreds more wait behind them. The other one's
// run takes no longer than alone.
func TestAConnectionNeverWaitsForAnother(t *testing.T) {
	const batch, backlog, inFlight = 60, 300, 16
	b := newBed(t, redistest.Mini(t))
	hanging := connection(b.amazon.url)
	hanging.ID, hanging.Limits.InFlight, hanging.Limits.RequestTimeout = "HANGS", inFlight, settings.Duration(15*time.Second)
	hanging.Accounts = []settings.Account{{ID: "UK", Marketplace: "A1F83G8C2ARO7P"}}
	paced := connection(b.amazon.url)
	paced.Limits.ConfirmRate, paced.Limits.ConfirmBurst = 20, 2 // so that the time is the quota's, not the machine's
	if err := b.config.Seed(t.Context(), settings.Set{Connections: []settings.Connection{paced, hanging}}); err != nil {
		t.Fatal(err)
	}
	arrived, gate := make(chan struct{}, backlog), make(chan struct{})
	release := func() { close(gate) }
	b.dispatch(func(c *Config) { c.LeaseTTL = 30 * time.Second })
	t.Cleanup(release) // before the dispatcher is stopped

	var events []event.Event
	for n := range 2 * batch {
		events = append(events, b.shipped(n))
	}
	for n := 1000; n < 1000+backlog; n++ {
		events = append(events, b.shipped(n, func(s *event.Shipped) { s.Account, s.Carrier = "UK", "DHL" }))
		b.amazon.on(order(n), func(int, http.ResponseWriter, *http.Request, func()) bool {
			arrived <- struct{}{}
			<-gate
			return false
		})
	}
	b.report(events...)
	run := func(from int) time.Duration {
		began := time.Now()
		id := b.ask(func(tr *job.Trigger) {
			tr.Scope = job.Named
			for n := from; n < from+batch; n++ {
				tr.Keys = append(tr.Keys, key(n))
			}
		})
		if l := b.finished(id); l.Counts.Confirmed != batch {
			t.Errorf("run %s: %+v", id, l.Counts)
		}
		return time.Since(began)
	}
	alone := run(0)
	b.ask(func(tr *job.Trigger) { tr.Connection = "HANGS" })
	b.await("all its requests to hang", func() bool { return len(arrived) == inFlight })
	beside := run(batch)
	t.Logf("alone %s, beside a connection that hangs %s", alone, beside)
	if beside > alone*3/2 {
		t.Errorf("%s beside a connection that hangs, %s alone", beside, alone)
	}
	if s := b.last(shipment.Key{Connection: "HANGS", Order: order(1000), Package: "1"}).After; s.State != shipment.Transmitting {
		t.Errorf("the other one does not hang any more: %s", s.State)
	}
}
