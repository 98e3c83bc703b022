package run

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/attempt"
	"github.com/fertig-project/fertig/services/dispatcher/internal/plan"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (w *world) Triggers(ctx context.Context, _ shipment.ConnectionID, handle func(job.Trigger)) error {
	done := map[string]bool{}
	w.mu.Lock()
	for _, l := range w.logs {
		done[l.RunID] = l.Phase != job.Started
	}
	w.mu.Unlock()
	for n := 0; ; {
		w.mu.Lock()
		next := slices.Clone(w.asked[n:])
		w.mu.Unlock()
		n += len(next)
		for _, t := range next {
			if !done[t.RunID] {
				handle(t)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.bell:
		}
	}
}

func (w *world) ask(t job.Trigger) {
	if w.begin != nil {
		w.begin()
	}
	_, _ = w.publish(context.Background(), t)
}

func (w *world) publish(_ context.Context, t job.Trigger) (bool, error) {
	t.Connection, t.At = "EU", time.Now()
	w.mu.Lock()
	w.asked = append(w.asked, t)
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
	return true, nil
}

func (w *world) Begin(_ context.Context, l job.Log) (job.Log, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.logs[l.RunID]; ok {
		return old, nil
	}
	w.logs[l.RunID] = l
	return l, nil
}

func (w *world) Write(_ context.Context, l job.Log) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[l.RunID] = l
	return nil
}

func (w *world) Recent(context.Context, shipment.ConnectionID, int) ([]job.Log, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []job.Log
	for _, l := range w.logs {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b job.Log) int { return b.At.Compare(a.At) })
	return out, nil
}

func (w *world) log(run string) job.Log {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs[run]
}

func (w *world) Ready(ctx context.Context) (attempt.Permit, error) {
	if w.permit != nil {
		return w.permit(ctx)
	}
	if w.ready != nil {
		if err := w.ready(); err != nil {
			return nil, err
		}
	}
	return permit{w}, ctx.Err()
}

func (w *world) Read(ctx context.Context, order string) (plan.Order, bool, error) {
	w.mu.Lock()
	w.asks = append(w.asks, order)
	w.mu.Unlock()
	if w.read != nil {
		return w.read(order)
	}
	return plan.Order{Found: true, Status: "UNSHIPPED", FulfilledBy: "MERCHANT", Items: []plan.OrderItem{{ID: "i", Ordered: 1, Unfulfilled: 1}}}, true, ctx.Err()
}

func (w *world) ETA(int) time.Duration { return 0 }

func (w *world) LetIn(context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.knocks++
	return w.letIn
}

type permit struct{ w *world }

func (p permit) Cancel() {}

func (p permit) Confirm(ctx context.Context, order string, _ []byte) attempt.Answer {
	w := p.w
	w.mu.Lock()
	w.sent = append(w.sent, order)
	n := 0
	for _, s := range w.sent {
		if s == order {
			n++
		}
	}
	w.flying++
	w.most = max(w.most, w.flying)
	w.mu.Unlock()
	defer func() { w.mu.Lock(); w.flying--; w.mu.Unlock() }()
	if w.confirm == nil {
		return confirmed
	}
	return w.confirm(ctx, order, n)
}

func (w *world) posts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sent)
}

func says(rule string, status int) attempt.Answer {
	r, ok := outcome.Lookup(rule)
	if !ok {
		panic(rule)
	}
	return attempt.Answer{Sent: plan.Answered, Rule: r, Fingerprint: rule, Said: shipment.Answer{Status: status, At: time.Now()}}
}

var confirmed = says("confirmed", 204)

// grip is a lease that lasts.
type grip uint64

func (g grip) Token() uint64          { return uint64(g) }
func (grip) Remaining() time.Duration { return time.Minute }

// start lets a worker work under a new lease; stop ends it and returns what it ended with.
func (w *world) start() (stop func() error) {
	w.mu.Lock()
	w.leases++
	lease := grip(w.leases)
	w.mu.Unlock()
	wire := attempt.NewWire(1024)
	if w.ahead > 0 {
		wire = attempt.NewWire(w.conn.Limits.InFlight)
	}
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("FERTIG_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	worker := &Worker{
		Connection: "EU", Settings: w.settings, Ledger: w, Queues: w, Upkeep: w, Board: w, Ask: w.publish, Tell: func(job.Progress) error { return nil },
		Amazon: w, Known: w.known, Lease: lease, Country: func(string) string { return "" }, Now: time.Now, Logger: log, Actor: "worker",
		Encode: func(c attempt.Confirmation) ([]byte, error) {
			return fmt.Append(nil, c.Tracking, c.Carrier, c.Items), nil
		},
		Attempts: &attempt.Attempter{Ledger: w, Lease: lease, Timeout: 10 * time.Second, Wire: wire, Now: time.Now},
		Ahead:    w.ahead,
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	return sync.OnceValue(func() error { cancel(); return <-done })
}

func (w *world) settings() settings.Connection {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn
}

func (w *world) configure(edit func(*settings.Connection)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.Accounts = slices.Clone(w.conn.Accounts)
	edit(&w.conn)
}

var errDown = fault.New(fault.Unavailable, "the store is away")

// until waits in virtual time for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Hour); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited ten hours for %s", what)
		}
	}
}

// finished waits for a run's end.
func (w *world) finished(t *testing.T, run string) job.Log {
	t.Helper()
	until(t, "the end of "+run, func() bool { l := w.log(run); return l.Phase == job.Finished || l.Phase == job.Joined })
	return w.log(run)
}

// readings counts the orders that were read.
func (w *world) readings() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asks)
}
