package dispatcher

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestRunConfirmsWhatWasReported(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redis.UniversalClient) {
		b := newBed(t, r)
		b.dispatch()
		const n = 60
		var events []event.Event
		for i := range n {
			events = append(events, b.shipped(i, func(s *event.Shipped) {
				if i%3 == 0 {
					s.Account, s.Carrier = "FR", "DHL"
				}
			}))
		}
		b.report(events...)
		l := b.finished(b.ask())
		if l.Counts.Confirmed != n || l.Counts.Attempts != n || len(l.Left) > 0 {
			t.Fatalf("run: %+v, left %v", l.Counts, l.Left)
		}
		for i := range n {
			s := b.state(key(i), shipment.Confirmed, "")
			if s.Answer == nil || s.Answer.Status != http.StatusNoContent || s.Answer.RequestID == "" || b.amazon.commits(order(i)) != 1 {
				t.Errorf("order %d: %+v, %d commits", i, s.Answer, b.amazon.commits(order(i)))
			}
		}
	})
}

// refuse makes Amazon refuse an order's data the first times.
func refuse(times int, message string) func(int, http.ResponseWriter, *http.Request, func()) bool {
	return func(n int, w http.ResponseWriter, _ *http.Request, _ func()) bool {
		if n > times {
			return false
		}
		(&fakeAmazon{}).answer(w, 400, "InvalidInput", message)
		return true
	}
}

const unknownCarrier = "ErrorCode: InvalidCarrier Description: Selected carrier is not supported"

// oneAtATime makes the order of the requests the order of the plan.
func oneAtATime(c *settings.Connection) { c.Limits.InFlight = 1 }

func TestRunOrder(t *testing.T) {
	b := newBed(t, redistest.Mini(t), oneAtATime)
	b.dispatch()
	shipBy := func(h int) func(*event.Shipped) {
		return func(s *event.Shipped) { s.ShipBy = &event.Time{Time: time.Now().Add(time.Duration(h) * time.Hour)} }
	}
	inFrance := func(s *event.Shipped) { s.Account = "FR"; s.Carrier = "DHL" }
	// 1 is refused and stays so, 2 is refused and then corrected, 3 fails for a passing reason.
	b.amazon.on(order(1), refuse(2, unknownCarrier))
	b.amazon.on(order(2), refuse(1, unknownCarrier))
	b.amazon.on(order(3), func(n int, w http.ResponseWriter, _ *http.Request, _ func()) bool {
		if n == 1 {
			b.amazon.answer(w, 503, "ServiceUnavailable", "busy")
		}
		return n == 1
	})
	b.report(b.shipped(1), b.shipped(2, shipBy(5)), b.shipped(3, shipBy(9)))
	first := b.finished(b.ask())
	if first.Counts.Deferred != 3 {
		t.Fatalf("first run: %+v", first.Counts)
	}
	b.state(key(1), shipment.Deferred, shipment.Rejected)
	b.state(key(3), shipment.Deferred, shipment.Transient)
	b.correct(key(2), func(d *shipment.Data) { d.Carrier = "DHL" })
	b.report(b.shipped(10, shipBy(8)), b.shipped(11, shipBy(2)), b.shipped(12, shipBy(6)), b.shipped(20, shipBy(7), inFrance), b.shipped(21, shipBy(3), inFrance))

	before := len(b.amazon.sent())
	b.finished(b.ask())
	got := b.amazon.sent()[before:]
	// Failed first (nearest ship-by first), then the new ones of both accounts by turns, what was refused unchanged last.
	want := []string{order(2), order(3), order(11), order(21), order(12), order(20), order(10), order(1)}
	if !slices.Equal(got, want) {
		t.Errorf("order of the requests\n got %v\nwant %v", got, want)
	}
}

// correct appends an operator's correction.
func (b *bed) correct(k shipment.Key, edit func(*shipment.Data)) {
	b.t.Helper()
	b.change(k, func(last shipment.Entry) shipment.Event {
		d := last.After.Data
		edit(&d)
		return shipment.Event{Type: shipment.Amended, Data: &d}
	})
}

func (b *bed) change(k shipment.Key, event func(shipment.Entry) shipment.Event) {
	b.t.Helper()
	_, err := b.ledger.Change(b.t.Context(), k, func(last shipment.Entry) (shipment.Event, error) {
		ev := event(last)
		ev.ID, ev.At, ev.Actor = uuid.NewString(), time.Now(), "clerk"
		return ev, nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func TestThrottledIsNotAnAttemptUntilTheFourthTime(t *testing.T) {
	b := newBed(t, redistest.Mini(t), oneAtATime)
	b.dispatch()
	b.amazon.on(order(1), func(n int, w http.ResponseWriter, _ *http.Request, _ func()) bool {
		if n <= 2 {
			b.amazon.answer(w, 429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
		}
		return n <= 2
	})
	b.amazon.on(order(2), func(_ int, w http.ResponseWriter, _ *http.Request, _ func()) bool {
		b.amazon.answer(w, 429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
		return true
	})
	b.report(b.shipped(1), b.shipped(2))
	b.finished(b.ask())
	if s := b.state(key(1), shipment.Confirmed, ""); s.Attempts != 1 || b.amazon.count(order(1)) != 3 {
		t.Errorf("throttled twice: %d attempts of %d requests", s.Attempts, b.amazon.count(order(1)))
	}
	if s := b.state(key(2), shipment.Deferred, shipment.Throttled); s.Attempts != 1 || b.amazon.count(order(2)) != 4 {
		t.Errorf("throttled always: %d attempts of %d requests", s.Attempts, b.amazon.count(order(2)))
	}
}

func TestOpenBreakerIsWaitedFor(t *testing.T) {
	b := newBed(t, redistest.Mini(t), oneAtATime)
	b.dispatch()
	b.amazon.mu.Lock()
	b.amazon.any = func(total int, w http.ResponseWriter) bool {
		if total <= 5 {
			b.amazon.answer(w, 503, "ServiceUnavailable", "maintenance")
		}
		return total <= 5
	}
	b.amazon.mu.Unlock()
	var events []event.Event
	for i := range 20 {
		events = append(events, b.shipped(i))
	}
	b.report(events...)
	l := b.finished(b.ask())
	if l.Counts.Deferred != 5 || l.Counts.Confirmed != 15 || len(l.Left) != 0 {
		t.Errorf("run over a disturbance: %+v, left %v", l.Counts, l.Left)
	}
	if took := l.At.Sub(l.StartedAt); took < 300*time.Millisecond {
		t.Errorf("the run took %s: it did not wait for the breaker's probe", took)
	}
}

func TestAgeLimitAndItsWaiver(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	old := func(s *event.Shipped) { s.ShippedAt = event.Time{Time: time.Now().Add(-8 * 24 * time.Hour)} }
	b.report(b.shipped(1, old), b.shipped(2))
	b.state(key(1), shipment.Expired, "")
	b.finished(b.ask())
	b.state(key(2), shipment.Confirmed, "")
	if n := b.amazon.count(order(1)); n != 0 {
		t.Fatalf("an expired shipment was sent %d times", n)
	}
	b.change(key(1), func(shipment.Entry) shipment.Event { return shipment.Event{Type: shipment.Requeued, Waiver: true} })
	b.finished(b.ask(func(t *job.Trigger) { t.Kind, t.Scope, t.Keys = job.Replay, job.Named, []shipment.Key{key(1)} }))
	if s := b.state(key(1), shipment.Confirmed, ""); !s.AgeWaiver {
		t.Error("the waiver is not recorded")
	}
}

func TestWaitingShipmentsAgeWithoutARun(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	almost := func(s *event.Shipped) {
		s.ShippedAt = event.Time{Time: time.Now().Add(-7 * 24 * time.Hour).Add(2 * time.Second)}
	}
	b.dispatch(func(c *Config) { c.Now = func() time.Time { return time.Now().Add(3 * time.Second) } })
	// The door's clock still takes it as young; the dispatcher's sweep finds it aged.
	b.report(b.shipped(1, almost))
	b.state(key(1), shipment.Expired, "")
}

func TestExclusionDuringARun(t *testing.T) {
	b := newBed(t, redistest.Mini(t), oneAtATime)
	b.dispatch()
	gate := make(chan struct{})
	b.amazon.on(order(0), func(int, http.ResponseWriter, *http.Request, func()) bool { <-gate; return false })
	var events []event.Event
	for i := range 30 {
		events = append(events, b.shipped(i, func(s *event.Shipped) {
			s.ShipBy = &event.Time{Time: time.Now().Add(time.Duration(i) * time.Hour)}
		}))
	}
	b.report(events...)
	run := b.ask()
	b.await("the first request", func() bool { return len(b.amazon.sent()) == 1 })
	for _, n := range []int{1, 7, 29} { // already prepared, and still in the queue
		b.change(key(n), func(shipment.Entry) shipment.Event { return shipment.Event{Type: shipment.Exclude, Comment: "by hand"} })
	}
	close(gate)
	l := b.finished(run)
	for _, n := range []int{1, 7, 29} {
		if c := b.amazon.count(order(n)); c != 0 || b.last(key(n)).After.State != shipment.Excluded {
			t.Errorf("order %d was excluded before its attempt and sent %d times", n, c)
		}
	}
	if l.Counts.Confirmed != 27 {
		t.Errorf("run: %+v left %v", l.Counts, l.Left)
	}
}

func TestTwoDispatchersOnOneConnection(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	stop := b.dispatch(func(c *Config) { c.Name = "one" })
	b.dispatch(func(c *Config) { c.Name = "two" })
	var events []event.Event
	for i := range 200 {
		events = append(events, b.shipped(i))
	}
	b.report(events...)
	run := b.ask()
	b.await("some requests", func() bool { return len(b.amazon.sent()) > 20 })
	stop() // the other one takes the run over
	b.finished(run)
	for i := range 200 {
		b.state(key(i), shipment.Confirmed, "")
		if n := b.amazon.count(order(i)); n != 1 {
			t.Errorf("order %d was sent %d times", i, n)
		}
	}
}

func TestRedisWipedDuringARun(t *testing.T) {
	redistest.Each(t, func(t *testing.T, r redis.UniversalClient) {
		b := newBed(t, r, func(c *settings.Connection) { c.Limits.InFlight = 2 })
		b.dispatch()
		gate := make(chan struct{})
		b.amazon.on(order(0), func(int, http.ResponseWriter, *http.Request, func()) bool { <-gate; return false })
		var events []event.Event
		for i := range 130 {
			events = append(events, b.shipped(i, func(s *event.Shipped) {
				s.ShipBy = &event.Time{Time: time.Now().Add(time.Duration(i) * time.Hour)}
			}))
		}
		b.report(events...)
		run := b.ask()
		b.await("some requests", func() bool { return len(b.amazon.sent()) > 30 })
		if err := r.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		close(gate)
		b.finished(run)
		for i := range 130 {
			b.state(key(i), shipment.Confirmed, "")
			if n := b.amazon.count(order(i)); n != 1 {
				t.Errorf("order %d was sent %d times", i, n)
			}
		}
	})
}

func TestListIsInsertedAtOnce(t *testing.T) {
	b := newBed(t, redistest.Mini(t), oneAtATime)
	b.dispatch()
	gate := make(chan struct{})
	b.amazon.on(order(0), func(int, http.ResponseWriter, *http.Request, func()) bool { <-gate; return false })
	var events []event.Event
	for i := range 60 {
		events = append(events, b.shipped(i, func(s *event.Shipped) {
			s.ShipBy = &event.Time{Time: time.Now().Add(time.Duration(i) * time.Hour)}
		}))
	}
	b.report(events...)
	run := b.ask()
	b.await("the first request", func() bool { return len(b.amazon.sent()) == 1 })
	list := b.ask(func(t *job.Trigger) { t.Scope, t.Keys = job.Named, []shipment.Key{key(58), key(59)} })
	if l := b.finished(list); l.Phase != job.Joined || l.JoinedTo != run {
		t.Fatalf("the list's log: %+v", l)
	}
	close(gate)
	b.finished(run)
	sent := b.amazon.sent()
	for _, n := range []int{58, 59} {
		if at := slices.Index(sent, order(n)); at > 3 {
			t.Errorf("order %d was number %d of the requests", n, at)
		}
	}
}

func TestMessageSendsExactlyWhatItListed(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	for n := 1; n <= 4; n++ {
		b.amazon.on(order(n), refuse(1, unknownCarrier))
	}
	b.report(b.shipped(1), b.shipped(2))
	b.finished(b.ask())
	b.state(key(1), shipment.Deferred, shipment.Rejected)
	b.state(key(2), shipment.Deferred, shipment.Rejected)
	until := time.Now()
	b.report(b.shipped(3), b.shipped(4, func(s *event.Shipped) { s.Account = "FR"; s.Carrier = "DHL" }))
	b.finished(b.ask(func(t *job.Trigger) { t.Accounts = []shipment.AccountID{"FR"} }))
	b.state(key(4), shipment.Deferred, shipment.Rejected)
	l := b.finished(b.ask(func(t *job.Trigger) {
		t.Kind, t.Scope, t.Accounts, t.DeferredUntil = job.Message, job.Listed, []shipment.AccountID{"DE", "FR"}, until
	}))
	if l.Counts.Confirmed != 2 || l.Counts.Attempts != 2 {
		t.Errorf("message run: %+v", l.Counts)
	}
	b.state(key(3), shipment.Pending, "")
	b.state(key(4), shipment.Deferred, shipment.Rejected)
}

func TestWhatAmazonShowsDecides(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	whole := func(s *event.Shipped) { s.Items = nil }
	for n, k := range map[int][2]string{2: {"CANCELLED"}, 3: {"SHIPPED"}, 4: {"UNSHIPPED", "FBM_SHIP_PLUS"}, 6: {"PENDING"}} {
		b.amazon.know(order(n), k[0], k[1])
	}
	b.report(b.shipped(1, whole), b.shipped(2, whole), b.shipped(3, whole), b.shipped(4, whole), b.shipped(6, whole),
		b.shipped(7, func(s *event.Shipped) { s.Tracking = "" }), b.shipped(8, func(s *event.Shipped) { s.Label = shipment.LabelAmazon }))
	b.amazon.mu.Lock()
	b.amazon.orders[order(5)] = nil
	b.amazon.mu.Unlock()
	unknown := b.shipped(5, whole)
	b.amazon.mu.Lock()
	delete(b.amazon.orders, order(5))
	b.amazon.mu.Unlock()
	b.report(unknown)
	l := b.finished(b.ask())
	for n, want := range map[int]struct {
		s shipment.State
		k shipment.Kind
	}{
		1: {shipment.Confirmed, ""}, 2: {shipment.Closed, shipment.Cancelled}, 3: {shipment.Confirmed, shipment.Elsewhere}, 4: {shipment.NotRequired, ""},
		5: {shipment.Deferred, shipment.Rejected}, 6: {shipment.Pending, ""}, 7: {shipment.Deferred, shipment.Incomplete}, 8: {shipment.NotRequired, ""},
	} {
		s := b.state(key(n), want.s, want.k)
		if n != 1 && b.amazon.count(order(n)) != 0 {
			t.Errorf("order %d: a request was sent", n)
		}
		if n == 7 && (s.Answer == nil || s.Answer.Field != "trackingNumber" || s.Attempts != 0) {
			t.Errorf("missing tracking number: %+v", s.Answer)
		}
	}
	if fmt.Sprint(l.Left) != "map[not yet released by Amazon:1]" {
		t.Errorf("left: %v", l.Left)
	}
}

func TestLabelCorrectedToAmazonsNeedsNoRequest(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	b.report(b.shipped(1))
	b.correct(key(1), func(d *shipment.Data) { d.LabelSource = shipment.LabelAmazon })
	l := b.finished(b.ask())
	b.state(key(1), shipment.NotRequired, "")
	if n := b.amazon.count(order(1)); n != 0 || l.Counts.NotRequired != 1 {
		t.Errorf("%d requests, run %+v", n, l.Counts)
	}
}
