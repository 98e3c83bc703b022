package attempt

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book is a ledger of one shipment.
type book struct {
	mu      sync.Mutex
	entries []shipment.Entry
	down    bool
}

var errDown = errors.New("the store is away")

func (b *book) Last(context.Context, shipment.Key) (shipment.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.entries[len(b.entries)-1], nil
}

func (b *book) Step(_ context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return shipment.Entry{}, errDown
	}
	e, err := shipment.Record(last.After, ev)
	if err != nil {
		return e, err
	}
	if n := len(b.entries); int(last.Seq) != n {
		return e, &ledger.LostRace{Current: b.entries[n-1]}
	}
	e.Seq = uint64(len(b.entries) + 1)
	b.entries = append(b.entries, e)
	return e, nil
}

// write appends what somebody else does.
func (b *book) write(t *testing.T, ev shipment.Event) {
	t.Helper()
	last, _ := b.Last(t.Context(), shipment.Key{})
	ev.ID, ev.At = newID(), time.Now()
	if _, err := b.Step(t.Context(), last, ev); err != nil {
		t.Fatal(err)
	}
}

// lease ends at a moment.
type lease struct {
	token uint64
	until time.Time
}

func (l *lease) Token() uint64            { return l.token }
func (l *lease) Remaining() time.Duration { return time.Until(l.until) }

type permit struct {
	confirm   func(context.Context) Answer
	sent      int
	cancelled int
}

func (p *permit) Cancel() { p.cancelled++ }

func (p *permit) Confirm(ctx context.Context, _ string, _ []byte) Answer {
	p.sent++
	return p.confirm(ctx)
}

func says(id string, status int) Answer {
	r, ok := outcome.Lookup(id)
	if !ok {
		panic(id)
	}
	return Answer{Sent: plan.Answered, Rule: r, Fingerprint: id, Said: shipment.Answer{Status: status, At: time.Now()}}
}

type bench struct {
	book    *book
	lease   *lease
	permit  *permit
	attempt *Attempter
	job     Job
}

func newBench(t *testing.T, confirm func(context.Context) Answer) *bench {
	b := &bench{book: &book{}, lease: &lease{7, time.Now().Add(time.Minute)}, permit: &permit{confirm: confirm}}
	b.attempt = &Attempter{Ledger: b.book, Lease: b.lease, Timeout: 10 * time.Second, Wire: NewWire(2), Now: time.Now, Actor: "worker"}
	accepted, err := b.book.Step(t.Context(), shipment.Entry{}, shipment.Event{ID: "e", Type: shipment.Accepted, At: time.Now(), Account: "DE",
		Key: shipment.Key{Connection: "EU", Order: "302-0000001-0000001", Package: "1"}, Data: &shipment.Data{ShippedAt: time.Now()}})
	if err != nil {
		t.Fatal(err)
	}
	b.job = Job{Seq: accepted.Seq, Shipment: accepted.After, Body: []byte("{}"), Run: "R"}
	return b
}

func (b *bench) last(t *testing.T) shipment.Entry {
	e, err := b.book.Last(t.Context(), shipment.Key{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestNoAttemptUnderALeaseThatMayEndFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(context.Context) Answer { return says("confirmed", 204) })
		b.lease.until = time.Now().Add(12*time.Second - time.Nanosecond)
		_, err := b.attempt.Try(t.Context(), b.permit, b.job)
		if !errors.Is(err, ErrLeaseEnding) || b.permit.sent != 0 || b.permit.cancelled == 0 || len(b.book.entries) != 1 {
			t.Errorf("%v after %d requests, %d entries", err, b.permit.sent, len(b.book.entries))
		}
		b.lease.until = time.Now().Add(12 * time.Second)
		if r, err := b.attempt.Try(t.Context(), b.permit, b.job); err != nil || r.Entry.After.State != shipment.Confirmed {
			t.Errorf("%+v %v", r, err)
		}
	})
}

// slow is a ledger whose appends take long.
type slow struct {
	*book
	takes time.Duration
}

func (s slow) Step(ctx context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error) {
	<-time.After(s.takes)
	return s.book.Step(ctx, last, ev)
}

func TestNothingIsSentWhenTheRecordTookTheLeasesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(context.Context) Answer { return says("confirmed", 204) })
		b.attempt.Ledger = slow{b.book, 4 * time.Second}
		b.lease.until = time.Now().Add(13 * time.Second)
		r, err := b.attempt.Try(t.Context(), b.permit, b.job)
		if err != nil || b.permit.sent != 0 || r.Entry.Type != shipment.Released || r.Entry.After.State != shipment.Pending || r.Entry.After.EverSent {
			t.Errorf("%v, %d requests, %s %+v", err, b.permit.sent, r.Entry.Type, r.Entry.After)
		}
	})
}

// A recorded attempt waits for room on the wire for half of the request's time, then it is as if it had never begun.
func TestARequestWaitsForTheWire(t *testing.T) {
	for _, row := range []struct {
		busy  time.Duration
		state shipment.State
		sent  int
	}{{4 * time.Second, shipment.Confirmed, 1}, {6 * time.Second, shipment.Pending, 0}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, func(context.Context) Answer { return says("confirmed", 204) })
			for range cap(b.attempt.Wire) {
				b.attempt.Wire <- struct{}{}
			}
			time.AfterFunc(row.busy, func() { <-b.attempt.Wire })
			r, err := b.attempt.Try(t.Context(), b.permit, b.job)
			if err != nil || b.permit.sent != row.sent || r.Entry.After.State != row.state || r.Entry.After.EverSent != (row.sent > 0) {
				t.Errorf("busy for %s: %v, %d requests, %+v", row.busy, err, b.permit.sent, r.Entry.After)
			}
			synctest.Wait()
			time.Sleep(row.busy)
			if used := len(b.attempt.Wire); used != cap(b.attempt.Wire)-1 {
				t.Errorf("busy for %s: %d places are still taken", row.busy, used)
			}
		})
	}
}

// What others may have done to a shipment while its answer was awaited, and what then becomes of the answer.
func TestLateAnswers(t *testing.T) {
	note := shipment.Event{Type: shipment.Noted, Comment: "a clerk's"}
	doubted := shipment.Event{Type: shipment.Doubted}
	found := shipment.Event{Type: shipment.Found, To: shipment.Confirmed}
	excluded := shipment.Event{Type: shipment.Exclude}
	closed := shipment.Event{Type: shipment.CloseEvent, Kind: shipment.Withdrawn}
	noAnswer := func() Answer { a := says("no-answer", 0); a.Sent = plan.MaybeSent; return a }
	ok := func() Answer { return says("confirmed", 204) }
	refused := func() Answer { return says("carrier-unsupported", 400) }
	throttled := func() Answer { return says("throttled", 429) }
	for _, row := range []struct {
		name   string
		others []shipment.Event
		answer func() Answer
		typ    shipment.Type
		state  shipment.State
		kind   shipment.Kind
	}{
		{"a note, confirmed", []shipment.Event{note}, ok, shipment.Outcome, shipment.Confirmed, ""},
		{"a note, throttled", []shipment.Event{note}, throttled, shipment.Released, shipment.Pending, ""},
		{"a note, no answer", []shipment.Event{note}, noAnswer, shipment.Outcome, shipment.Doubt, ""},
		{"in doubt, confirmed", []shipment.Event{doubted}, ok, shipment.Outcome, shipment.Confirmed, ""},
		{"in doubt, with notes", []shipment.Event{note, doubted, note}, ok, shipment.Outcome, shipment.Confirmed, ""},
		{"in doubt, refused", []shipment.Event{doubted}, refused, shipment.Outcome, shipment.Deferred, shipment.Rejected},
		{"in doubt, throttled", []shipment.Event{doubted}, throttled, shipment.Outcome, shipment.Deferred, shipment.Transient},
		{"in doubt, no answer", []shipment.Event{doubted}, noAnswer, shipment.Noted, shipment.Doubt, ""},
		{"settled meanwhile", []shipment.Event{doubted, found}, ok, shipment.Noted, shipment.Confirmed, ""},
		{"excluded meanwhile", []shipment.Event{doubted, excluded}, ok, shipment.Noted, shipment.Excluded, ""},
		{"withdrawn meanwhile", []shipment.Event{doubted, closed}, refused, shipment.Noted, shipment.Closed, shipment.Withdrawn},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b *bench
			b = newBench(t, func(context.Context) Answer {
				for _, ev := range row.others {
					b.book.write(t, ev)
				}
				return row.answer()
			})
			r, err := b.attempt.Try(t.Context(), b.permit, b.job)
			if err != nil {
				t.Fatal(err)
			}
			last := b.last(t)
			if last.Type != row.typ || last.After.State != row.state || last.After.Kind != row.kind || r.Entry.Seq != last.Seq {
				t.Errorf("%s: %s %s, want %s: %s %s", last.Type, last.After.State, last.After.Kind, row.typ, row.state, row.kind)
			}
			if last.Type == shipment.Noted && last.Answer == nil && row.answer().Said.Status != 429 {
				t.Error("the late answer is not on record")
			}
		})
	}
}

// Out of a settled doubt only the recorded body may follow, so a resend that was released late stays a doubt.
func TestALateReleaseOfAResendStaysADoubt(t *testing.T) {
	var b *bench
	b = newBench(t, func(context.Context) Answer {
		b.book.write(t, shipment.Event{Type: shipment.Doubted})
		a := says("no-answer", 0)
		a.Sent = plan.MaybeSent
		return a
	})
	if _, err := b.attempt.Try(t.Context(), b.permit, b.job); err != nil {
		t.Fatal(err)
	}
	b.book.write(t, shipment.Event{Type: shipment.Found, Missing: true, Settled: true})
	b.permit.confirm = func(context.Context) Answer {
		b.book.write(t, shipment.Event{Type: shipment.Doubted})
		return says("throttled", 429)
	}
	settled := b.last(t)
	b.job.Seq, b.job.Shipment = settled.Seq, settled.After
	if _, err := b.attempt.Try(t.Context(), b.permit, b.job); err != nil {
		t.Fatal(err)
	}
	if last := b.last(t); last.Type != shipment.Noted || last.After.State != shipment.Doubt || last.After.Sendable() {
		t.Errorf("%s: %s", last.Type, last.After.State)
	}
}

// The store is away while only we know the answer: it is kept until the store is back, at least for the lease's life.
func TestAnOutcomeOutlivesTheStoresAbsence(t *testing.T) {
	for _, away := range []time.Duration{5 * time.Second, 55 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			var b *bench
			b = newBench(t, func(context.Context) Answer {
				b.book.mu.Lock()
				b.book.down = true
				b.book.mu.Unlock()
				time.AfterFunc(away, func() { b.book.mu.Lock(); b.book.down = false; b.book.mu.Unlock() })
				return says("confirmed", 204)
			})
			r, err := b.attempt.Try(t.Context(), b.permit, b.job)
			if err != nil || r.Entry.After.State != shipment.Confirmed {
				t.Errorf("away for %s: %v", away, err)
			}
		})
	}
}

func TestAnOutcomeIsGivenUpAfterTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bench
		b = newBench(t, func(context.Context) Answer {
			b.book.mu.Lock()
			b.book.down = true
			b.book.mu.Unlock()
			return says("confirmed", 204)
		})
		began := time.Now()
		if _, err := b.attempt.Try(t.Context(), b.permit, b.job); !errors.Is(err, errDown) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took < time.Minute || took > time.Minute+2*time.Second {
			t.Errorf("gave up after %s", took)
		}
		if b.last(t).After.State != shipment.Transmitting { // the next holder finds it and asks Amazon
			t.Errorf("left as %s", b.last(t).After.State)
		}
	})
}

func TestWhoeverWasFasterIsRight(t *testing.T) {
	b := newBench(t, func(context.Context) Answer { return says("confirmed", 204) })
	b.book.write(t, shipment.Event{Type: shipment.Exclude})
	r, err := b.attempt.Try(t.Context(), b.permit, b.job)
	if err != nil || !r.Skipped || b.permit.sent != 0 || r.Entry.After.State != shipment.Excluded {
		t.Errorf("%+v %v, %d requests", r, err, b.permit.sent)
	}
}
