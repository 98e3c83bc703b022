package run

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Amazon's published plan of confirmShipment.
const (
	published = 2.0
	burst     = 10
)

// exact is Amazon's side of the quota: a bucket that starts full and is counted at the moment of sending.
type exact struct {
	level         float64
	at            time.Time
	first, last   time.Time
	sent, refused int
}

func (b *exact) take(now time.Time) {
	if b.at.IsZero() {
		b.level, b.first = burst, now
	} else {
		b.level = min(burst, b.level+published*now.Sub(b.at).Seconds())
	}
	b.at, b.last = now, now
	if b.sent++; b.level < 1-1e-9 {
		b.refused++
		return
	}
	b.level--
}

// paced is a permit from the real governor.
type paced struct {
	w       *world
	bucket  *exact
	token   *quota.Token
	latency time.Duration
}

func (p paced) Cancel() { p.token.Return() }

func (p paced) Confirm(context.Context, string, []byte) attempt.Answer {
	p.token.Use()
	p.w.mu.Lock()
	p.bucket.take(time.Now())
	p.w.mu.Unlock()
	time.Sleep(p.latency)
	rule := outcome.Classify(outcome.Answer{Operation: outcome.Confirm, Status: 204})
	return attempt.Answer{Sent: plan.Answered, Rule: rule, Said: shipment.Answer{Status: 204, At: time.Now()}}
}

// utilisation runs n shipments through the real worker and the real governor in virtual time, and compares the time from
// the first to the last request with the shortest the bucket allows.
func utilisation(t *testing.T, n int, latency time.Duration) (used float64, refused int) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.conn.Limits.InFlight = 32
		governor, err := quota.New(quota.Config{Limits: quota.Limits{Rate: published, Burst: burst - 1}})
		if err != nil {
			t.Fatal(err)
		}
		bucket := &exact{}
		w.permit = func(ctx context.Context) (attempt.Permit, error) {
			token, err := governor.Wait(ctx)
			return paced{w, bucket, token, latency}, err
		}
		w.shipped(0, n)
		stop := w.start()
		w.ask(everything("r"))
		l := w.finished(t, "r")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if l.Counts.Confirmed != n || bucket.sent != n {
			t.Fatalf("%d confirmed, %d sent of %d; left %v", l.Counts.Confirmed, bucket.sent, n, l.Left)
		}
		ideal := float64(n-burst) / published
		used, refused = ideal/bucket.last.Sub(bucket.first).Seconds(), bucket.refused
	})
	return used, refused
}

func TestARunUsesTheWholeQuotaAndNoMore(t *testing.T) {
	for _, latency := range []time.Duration{150 * time.Millisecond, 5 * time.Second} {
		if used, refused := utilisation(t, 1000, latency); used < 0.998 || refused > 0 {
			t.Errorf("answers after %s: %.4f of the quota used, %d requests too many", latency, used, refused)
		}
	}
}

// BenchmarkQuota is what `make bench` reads: 10,000 shipments of Amazon's time, about 83 minutes, in virtual time.
func BenchmarkQuota(b *testing.B) {
	for name, latency := range map[string]time.Duration{"plain": 150 * time.Millisecond, "slow": 5 * time.Second} {
		b.Run(name, func(b *testing.B) {
			var used float64
			var refused int
			ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: name, F: func(t *testing.T) {
				used, refused = utilisation(t, 10_000, latency)
			}}})
			if !ok {
				b.Fatal("the run did not do its work")
			}
			b.ReportMetric(used, "used")
			b.ReportMetric(float64(refused), "refused")
		})
	}
}
