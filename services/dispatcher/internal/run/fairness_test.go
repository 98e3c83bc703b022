package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// accounts of the fairness tests: the small one's shipments have the latest deadlines, so that only turns help it.
const (
	few  = 20
	many = 2000
)

// shared is a connection of several accounts under the real governor, whose bucket is empty at the start: a burst is not
// a rate, and nobody's time alone is to be shorter for it.
func shared(w *world, accounts ...shipment.AccountID) {
	w.conn.Accounts = nil
	for _, a := range accounts {
		w.conn.Accounts = append(w.conn.Accounts, settings.Account{ID: a, Marketplace: "M" + string(a)})
	}
	w.conn = w.conn.WithDefaults()
	w.conn.Limits.InFlight = 32
	governor, err := quota.New(quota.Config{Limits: quota.Limits{Rate: published, Burst: burst - 1}, StartEmpty: true})
	if err != nil {
		panic(err)
	}
	bucket := &exact{}
	w.permit = func(ctx context.Context) (attempt.Permit, error) {
		token, err := governor.Wait(ctx)
		return paced{w, bucket, token, 150 * time.Millisecond}, err
	}
}

func of(a shipment.AccountID) func(*shipment.Event) {
	return func(ev *shipment.Event) { ev.Account = a }
}

func slot(a shipment.AccountID) job.Trigger {
	t := everything("slot-" + string(a))
	t.Accounts = []shipment.AccountID{a}
	return t
}

// done waits until all shipments of an account are confirmed and returns how long that took.
func (w *world) done(t *testing.T, a shipment.AccountID, n int) (took time.Duration) {
	t.Helper()
	began := time.Now()
	for confirmed := 0; confirmed < n; {
		if <-time.After(time.Second); time.Since(began) > time.Hour {
			t.Fatalf("%d of %d of %s are confirmed after an hour", confirmed, n, a)
		}
		confirmed = 0
		for _, it := range w.find(func(s shipment.Shipment) bool { return s.Account == a && s.State == shipment.Confirmed }) {
			confirmed++
			took = max(took, it.Shipment.Since.Sub(began))
		}
	}
	return took
}

// small measures the small account's time from the moment it asks. beside sets up the big one and may ask for it.
func small(t *testing.T, beside func(w *world), ask job.Trigger) (took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		shared(w, "BIG", "SMALL")
		w.shipped(many, many+few, of("SMALL"))
		stop := w.start()
		defer func() { _ = stop() }()
		beside(w)
		w.ask(ask)
		took = w.done(t, "SMALL", few)
	})
	return took
}

func TestASmallAccountIsNotHeldUpByABigOne(t *testing.T) {
	alone := small(t, func(*world) {}, slot("SMALL"))
	big := func(w *world) { w.shipped(0, many, of("BIG")) }
	for name, took := range map[string]time.Duration{
		"one trigger for both": small(t, big, everything("all")),
		"a trigger each":       small(t, func(w *world) { big(w); w.ask(slot("BIG")) }, slot("SMALL")),
		"joined in the middle of the big one's run": small(t, func(w *world) {
			big(w)
			w.ask(slot("BIG"))
			<-time.After(2 * time.Minute)
		}, slot("SMALL")),
		"the big one's failures": small(t, func(w *world) {
			big(w)
			for n := range many / 4 {
				w.change(key(n), nil, shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Transient})
			}
			w.ask(slot("BIG"))
			<-time.After(time.Minute)
		}, slot("SMALL")),
	} {
		t.Logf("%s: %s beside the big one, %s alone: %.2f", name, took, alone, took.Seconds()/alone.Seconds())
		if took > 2*alone {
			t.Errorf("%s: %s beside the big one, more than twice the %s alone", name, took, alone)
		}
	}
}

// Three accounts with triggers of their own share evenly, and who has two triggers has no double share.
func TestTriggersDoNotMultiplyAShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		shared(w, "A", "B", "C")
		for i, a := range []shipment.AccountID{"A", "B", "C"} {
			w.shipped(i*100, i*100+100, of(a))
		}
		stop := w.start()
		defer func() { _ = stop() }()
		all := everything("manual")
		all.Accounts = []shipment.AccountID{"A", "B"}
		w.ask(all)
		w.ask(slot("A"))
		w.ask(slot("C"))
		<-time.After(30 * time.Second)
		sent := map[shipment.AccountID]int{}
		for _, it := range w.find(func(s shipment.Shipment) bool { return s.State == shipment.Confirmed }) {
			sent[it.Shipment.Account]++
		}
		for a, n := range sent {
			if n < 18 || n > 22 {
				t.Errorf("%s was sent %d times of %v, want a third", a, n, sent)
			}
		}
		if len(sent) != 3 {
			t.Errorf("sent: %v", sent)
		}
	})
}
