package job_test

import (
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// What is asked for since a moment is found at once, also when there is nothing or only what is older.
func TestSince(t *testing.T) {
	srv := natstest.Start(t)
	b, err := job.Open(srv.Connect(t))
	if err != nil {
		t.Fatal(err)
	}
	since := func(at time.Time, want int) {
		t.Helper()
		got, err := b.Since(t.Context(), at)
		if err != nil || len(got) != want {
			t.Errorf("%d triggers, %v, want %d", len(got), err, want)
		}
	}
	began := time.Now().Add(-time.Minute)
	since(began, 0)
	for _, id := range []string{"a", "b"} {
		if _, err := b.Ask(t.Context(), job.Trigger{RunID: id, Connection: shipment.ConnectionID("EU"), Scope: job.All}); err != nil {
			t.Fatal(err)
		}
	}
	since(began, 2)
	since(time.Now().Add(time.Minute), 0)
}
