package e2e

import (
	"maps"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// TestDispatchersAsProcesses does to one of several dispatchers what happens to processes, while all are in the middle of
// runs.
func TestDispatchersAsProcesses(t *testing.T) {
	program := build(t)
	for name, test := range map[string]func(*testing.T, *fleet){"killed": killed, "stopped": stopped, "paused": paused, "added": added} {
		t.Run(name, func(t *testing.T) { test(t, newFleet(t, program)) })
	}
}

// even waits until two dispatchers hold three each: five connections and the projection.
func (f *fleet) even() (first, second map[string]bool) {
	f.t.Helper()
	f.until(30*time.Second, "both hold their share", func() bool {
		first, second = f.holds("first"), f.holds("second")
		return len(first) == 3 && len(second) == 3
	})
	return first, second
}

// A dispatcher is killed in the middle of its runs: the other one goes on with them within a TTL and a second.
func killed(t *testing.T, f *fleet) {
	first := f.dispatch("first")
	f.dispatch("second")
	f.even()
	f.run()
	lost := f.holds("first")
	at := time.Now()
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	took := f.resumed(lost, at)
	t.Logf("after kill -9 work went on within %s", took)
	if took > ttl+time.Second {
		t.Errorf("after a kill work went on after %s, a TTL is %s", took, ttl)
	}
	extra, throttled, _ := f.settle()
	if extra > 0 || throttled > 0 {
		t.Errorf("%d requests repeated, %d beyond the quota", extra, throttled)
	}
}

// A dispatcher is stopped in the middle of its runs: the other one goes on at once, and nothing is in doubt.
func stopped(t *testing.T, f *fleet) {
	first := f.dispatch("first")
	f.dispatch("second")
	f.even()
	f.run()
	lost := f.holds("first")
	at := time.Now()
	if err := first.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	moved := f.until(10*time.Second, "the other holds everything", func() bool { return len(f.holds("second")) == 6 })
	if err := first.Wait(); err != nil {
		t.Errorf("clean stop: %v", err)
	}
	ended := time.Now()
	went := f.resumed(lost, ended)
	t.Logf("on a clean stop everything moved within %s, the process had ended after %s, work went on %s later", moved, ended.Sub(at), went)
	if moved > time.Second {
		t.Errorf("on a clean stop the other had everything only after %s", moved)
	}
	extra, throttled, books := f.settle()
	for _, e := range books.Ledger {
		if e.After.State == shipment.Doubt {
			t.Errorf("%s came in doubt", e.After.Key)
		}
	}
	if extra > 0 || throttled > 0 {
		t.Errorf("%d requests repeated, %d beyond the quota", extra, throttled)
	}
}

// A dispatcher is paused in the middle of its runs for longer than its lease lasts, and wakes up while the other one is at
// work: what it still sends is at most one request a connection, and nothing is confirmed twice beyond that.
func paused(t *testing.T, f *fleet) {
	first := f.dispatch("first")
	f.dispatch("second")
	f.even()
	f.run()
	lost := f.holds("first")
	tokens := f.tokens(lost)
	at := time.Now()
	if err := first.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	took := f.resumed(lost, at.Add(time.Second)) // what was under way has arrived by then
	t.Logf("after a pause began work went on within %s", took+time.Second)
	if took > ttl {
		t.Errorf("work went on after %s, a TTL is %s", took+time.Second, ttl)
	}
	woken := time.Now()
	if err := first.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	f.until(30*time.Second, "the one that woke up joins anew", func() bool { return len(f.holds("first")) >= 1 })
	extra, throttled, books := f.settle()
	attempts := 0
	for _, e := range books.Ledger { // under a token that was over
		if e.Type == shipment.Attempted && e.At.After(woken) && tokens[e.After.Attempt.Lease] {
			attempts++
		}
	}
	t.Logf("the one that woke up began %d attempts under its old lease; %d requests were repeated, %d beyond the quota", attempts, extra, throttled)
	if attempts > 0 || extra > len(lost) || throttled > len(lost) {
		t.Errorf("%d attempts under an old lease, %d requests repeated, %d beyond the quota; %d connections were held", attempts, extra, throttled, len(lost))
	}
}

// tokens are the fencing tokens under which attempts for the named connections were made so far.
func (f *fleet) tokens(names map[string]bool) map[uint64]bool {
	f.t.Helper()
	out := map[uint64]bool{}
	for i := range shops {
		if !names["connection."+string(shop(i))] {
			continue
		}
		if _, err := f.ledger.Heads(f.t.Context(), shop(i), func(e shipment.Entry) error {
			if e.After.Attempt != nil {
				out[e.After.Attempt.Lease] = true
			}
			return nil
		}); err != nil {
			f.t.Fatal(err)
		}
	}
	if len(out) == 0 {
		f.t.Fatal("no attempt was made by the one to be paused")
	}
	return out
}

// A third dispatcher starts in the middle of the runs: it has its share before the bound, and the runs it takes go on.
func added(t *testing.T, f *fleet) {
	f.dispatch("first")
	f.dispatch("second")
	f.even()
	f.run()
	f.dispatch("third")
	took := f.until(30*time.Second, "three hold two each", func() bool {
		return len(f.holds("first")) == 2 && len(f.holds("second")) == 2 && len(f.holds("third")) == 2
	})
	t.Logf("a third dispatcher had its share after %s", took)
	if bound := ttl*4/3 + 4*time.Second; took > bound {
		t.Errorf("it took %s, want at most %s", took, bound)
	}
	extra, throttled, books := f.settle()
	runs := map[string]bool{}
	for _, e := range books.Ledger {
		if e.Type == shipment.Attempted {
			runs[e.After.Attempt.Run] = true
		}
	}
	want := map[string]bool{}
	for i := range shops {
		want["run-"+string(shop(i))] = true
	}
	if extra > 0 || throttled > 0 || !maps.Equal(runs, want) {
		t.Errorf("%d requests repeated, %d beyond the quota; attempts in runs %v", extra, throttled, runs)
	}
}
