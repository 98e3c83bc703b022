package dispatcher

import (
	"net/http"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Each row of the attempt: a dispatcher stops dead right after the step, a second one takes over.
func TestCrashAfterEachStep(t *testing.T) {
	for _, row := range []struct {
		after  attempt.Step
		posts  int // requests in all
		resend bool
	}{
		{attempt.AfterReady, 1, false},
		{attempt.AfterRecord, 1, true}, // nothing left: two readings prove it, then the recorded body goes out
		{attempt.AfterRequest, 1, false},
		{attempt.AfterOutcome, 1, false},
	} {
		t.Run(string(row.after), func(t *testing.T) {
			b := newBed(t, redistest.Mini(t))
			reached := make(chan struct{}, 8)
			stop := b.dispatch(func(c *Config) {
				c.Name = "first"
				c.stopAt = func(s attempt.Step, _ shipment.Key) bool {
					if s == row.after {
						reached <- struct{}{}
					}
					return s == row.after
				}
			})
			b.report(b.shipped(1))
			run := b.ask()
			<-reached
			stop()
			b.dispatch(func(c *Config) { c.Name = "second" })
			b.finished(run)
			if row.after == attempt.AfterRecord {
				b.await("two readings", func() bool { s := b.last(key(1)).After; return s.Inquiry != nil && s.Inquiry.Settled })
				if n := b.amazon.count(order(1)); n != 0 {
					t.Fatalf("%d requests before the doubt was settled", n)
				}
				b.finished(b.ask())
			}
			s := b.state(key(1), shipment.Confirmed, "")
			if n := b.amazon.count(order(1)); n != row.posts || b.amazon.commits(order(1)) != 1 {
				t.Errorf("%d requests, %d packages", n, b.amazon.commits(order(1)))
			}
			history, err := b.ledger.History(t.Context(), key(1))
			if err != nil {
				t.Fatal(err)
			}
			var bodies []string
			for _, e := range history {
				if e.Type == shipment.Attempted {
					bodies = append(bodies, e.After.Attempt.Body)
				}
			}
			if row.resend != (len(bodies) == 2) || row.resend && bodies[0] != bodies[1] {
				t.Errorf("attempts with the bodies %q", bodies)
			}
			_ = s
		})
	}
}

// The request arrives, its answer does not: the shipment is asked about and never sent again.
func TestTimeOutAfterTheCommit(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	b.amazon.on(order(1), func(_ int, w http.ResponseWriter, r *http.Request, commit func()) bool {
		commit()
		<-r.Context().Done()
		return true
	})
	b.report(b.shipped(1))
	b.finished(b.ask())
	s := b.state(key(1), shipment.Confirmed, "")
	if n := b.amazon.count(order(1)); n != 1 || s.Answered {
		t.Errorf("%d requests; %+v", n, s)
	}
}

// An answer that comes after the shipment was put in doubt settles the doubt.
func TestLateAnswer(t *testing.T) {
	b := newBed(t, redistest.Mini(t))
	b.dispatch(func(c *Config) { c.LeaseTTL = 6 * time.Second })
	arrived, gate := make(chan struct{}), make(chan struct{})
	b.amazon.on(order(1), func(int, http.ResponseWriter, *http.Request, func()) bool {
		close(arrived)
		<-gate
		return false
	})
	b.report(b.shipped(1))
	run := b.ask()
	<-arrived
	b.change(key(1), func(shipment.Entry) shipment.Event { return shipment.Event{Type: shipment.Doubted} })
	close(gate)
	b.finished(run)
	if s := b.state(key(1), shipment.Confirmed, ""); s.Answer == nil || s.Answer.Status != http.StatusNoContent {
		t.Errorf("late answer: %+v", s.Answer)
	}
}

// Amazon says "already fulfilled": that is believed only after looking.
func TestAlreadyFulfilledIsVerified(t *testing.T) {
	const already = "Failed to create package due to not finding a matching package or order already fulfilled. ErrorMessage(errorCode=GeneralError, errorDescription=Unable to find package to update for order, errorMetric=PackageToUpdateNotFound, packageIndex=null)"
	b := newBed(t, redistest.Mini(t))
	b.dispatch()
	b.amazon.know(order(1), "SHIPPED")
	b.amazon.on(order(1), refuse(9, already))
	b.amazon.on(order(2), refuse(9, already))
	b.report(b.shipped(1), b.shipped(2))
	b.finished(b.ask())
	b.state(key(1), shipment.Confirmed, shipment.Elsewhere)
	b.state(key(2), shipment.Deferred, shipment.Rejected)
}
