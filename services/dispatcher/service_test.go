package dispatcher

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// question asks over core NATS until somebody answers.
func question[T any](b *bed, subject string, ok func(T) bool) T {
	b.t.Helper()
	var out T
	b.await("an answer on "+subject, func() bool {
		var got T
		m, err := b.nc.Request(subject, nil, 2*time.Second)
		if err != nil || json.Unmarshal(m.Data, &got) != nil || !ok(got) {
			return false
		}
		out = got
		return true
	})
	return out
}

func TestQuestions(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	b.report(b.shipped(1))
	run := b.ask()
	b.finished(run)
	s := question(b, control.StatusOf(conn), func(s control.Status) bool { return s.Run.Ended })
	if s.Breaker.State != "closed" || s.Rate != 500 || s.Burst != 90 || s.Run.RunID != run || s.Run.Confirmed != 1 || s.TokenUntil.IsZero() {
		t.Errorf("status: %+v", s)
	}
	steps := question(b, control.TestOf(conn), func([]control.Step) bool { return true })
	if len(steps) != 5 || !steps[0].OK || !steps[1].OK || !steps[2].OK || steps[3].Name != "marketplace A1PA6795UKMFR9" {
		t.Errorf("test of access: %+v", steps)
	}
	before, err := b.view.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	question(b, control.Rebuild, func(struct{}) bool { return true })
	b.await("a fresh view", func() bool {
		c, err := b.view.Position(t.Context())
		return err == nil && c.Prefix != before.Prefix
	})
	for _, subject := range []string{"fertig.ctl.nonsense", "fertig.ctl.EU.status.more", "fertig.ctl.US.status", "fertig.ctl.EU.destroy"} {
		if m, err := b.nc.Request(subject, nil, 50*time.Millisecond); err == nil {
			t.Errorf("%s was answered: %s", subject, m.Data)
		}
	}
}

// Whoever does not hold what is asked about stays silent, so that the one who does is heard.
func TestOnlyHoldersAnswer(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch(func(c *Config) { c.Name = "one" })
	b.dispatch(func(c *Config) { c.Name = "two" })
	question(b, control.StatusOf(conn), func(control.Status) bool { return true })
	inbox := b.nc.NewRespInbox()
	sub, err := b.nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{control.StatusOf(conn), control.Rebuild} {
		if err := b.nc.PublishRequest(subject, inbox, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := sub.NextMsg(5 * time.Second); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		if m, err := sub.NextMsg(200 * time.Millisecond); err == nil {
			t.Errorf("%s was answered twice: %s", subject, m.Data)
		}
	}
}

func TestSettingsAreFollowed(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	unknown := func(n int, w http.ResponseWriter, r *http.Request, commit func()) bool {
		b.amazon.mu.Lock()
		bodies := b.amazon.bodies[strings.Split(r.URL.Path, "/")[4]]
		b.amazon.mu.Unlock()
		if strings.Contains(bodies[len(bodies)-1], `"HERMES"`) {
			return false
		}
		return refuse(99, unknownCarrier)(n, w, r, commit)
	}
	b.amazon.on(order(1), unknown)
	b.report(b.shipped(1, func(s *event.Shipped) { s.Carrier = "hermez" }))
	b.finished(b.ask())
	b.state(key(1), shipment.Deferred, shipment.Rejected)
	lease := b.token(key(1))

	// One edit of the mapping repairs what is queued, and nothing is begun anew for it.
	b.configure(func(c *settings.Connection) {
		c.Accounts[0].Mapping.Rules = append(c.Accounts[0].Mapping.Rules, settings.MapRule{Carrier: "hermez", CarrierCode: "HERMES"})
	})
	b.await("the mapped carrier", func() bool {
		b.finished(b.ask())
		return b.last(key(1)).After.State == shipment.Confirmed
	})
	if now := b.token(key(1)); now != lease {
		t.Errorf("the lease was taken anew for a mapping: %d, then %d", lease, now)
	}

	b.configure(func(c *settings.Connection) { c.Limits.ConfirmRate = 250 })
	question(b, control.StatusOf(conn), func(s control.Status) bool { return s.Rate == 250 })
	b.report(b.shipped(2))
	b.finished(b.ask())
	b.state(key(2), shipment.Confirmed, "")
}

func (b *bed) configure(edit func(*settings.Connection)) {
	b.t.Helper()
	if err := b.config.Change(b.t.Context(), conn, func(c *settings.Connection) error {
		c.Accounts = slices.Clone(c.Accounts)
		edit(c)
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
}

// token is the fencing token of a shipment's last attempt.
func (b *bed) token(k shipment.Key) (token uint64) {
	b.t.Helper()
	history, err := b.ledger.History(b.t.Context(), k)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range history {
		if e.Type == shipment.Attempted {
			token = e.After.Attempt.Lease
		}
	}
	return token
}

// A holder is paused while its request is under way; it loses its lease, another one takes over and asks Amazon. When
// the first one wakes up, what it knows does no harm.
func TestAPausedHolderDoesNoHarm(t *testing.T) {
	b := newBed(t, redistest.Mini(t), func(c *settings.Connection) { c.Limits.DoubtAfter = settings.Duration(time.Hour) })
	stop := b.dispatch(func(c *Config) { c.Name = "first" })
	arrived, gate := make(chan struct{}), make(chan struct{})
	b.amazon.on(order(1), func(_ int, _ http.ResponseWriter, r *http.Request, commit func()) bool {
		commit()
		close(arrived)
		<-gate
		return false
	})
	b.report(b.shipped(1))
	b.ask()
	<-arrived
	kv, err := b.js.KeyValue(t.Context(), "FERTIG_LEASES")
	if err != nil {
		t.Fatal(err)
	}
	// The lease is gone and the successor's sweep has put the shipment in doubt, and nobody has told the first holder.
	if err := kv.Delete(t.Context(), "connection."+string(conn)); err != nil {
		t.Fatal(err)
	}
	b.change(key(1), func(shipment.Entry) shipment.Event { return shipment.Event{Type: shipment.Doubted} })
	close(gate)
	s := b.state(key(1), shipment.Confirmed, "")
	if b.amazon.count(order(1)) != 1 || s.Answer == nil || s.Answer.Status != http.StatusNoContent {
		t.Errorf("%d requests, %+v", b.amazon.count(order(1)), s.Answer)
	}
	stop()
}

// A request hangs while the service is told to stop: it ends within the request's deadline and loses nothing.
func TestACleanStopWhileARequestHangs(t *testing.T) {
	b := newBed(t, redistest.Mini(t), func(c *settings.Connection) { c.Limits.RequestTimeout = settings.Duration(2 * time.Second) })
	stop := b.dispatch(func(c *Config) { c.LeaseTTL = 10 * time.Second })
	arrived := make(chan struct{})
	b.amazon.on(order(1), func(n int, _ http.ResponseWriter, r *http.Request, commit func()) bool {
		commit()
		if n == 1 {
			close(arrived)
		}
		<-r.Context().Done()
		return true
	})
	b.report(b.shipped(1), b.shipped(2))
	b.ask()
	<-arrived
	began := time.Now()
	stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if s := b.last(key(1)).After; s.State != shipment.Doubt {
		t.Errorf("the request that hung left the shipment %s", s.State)
	}
	b.dispatch()
	b.state(key(1), shipment.Confirmed, "")
	b.state(key(2), shipment.Confirmed, "")
	if n := b.amazon.count(order(1)); n != 1 {
		t.Errorf("%d requests", n)
	}
}
