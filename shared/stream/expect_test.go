package stream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestExpectNamesWhatIsNotAsItMustBe(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		stream  string
		change  func(*jetstream.StreamConfig)
		text    string // of the error; "" for none
		warning string
	}{
		"as it was made":           {},
		"kept longer":              {stream: stream.Runs, change: func(c *jetstream.StreamConfig) { c.MaxAge *= 2 }},
		"another bound":            {stream: stream.Shipped, change: func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }},
		"the ledger forgets":       {stream: stream.Ledger, change: func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }, text: "FERTIG_LEDGER: forgets after 1h0m0s"},
		"the ledger is bounded":    {stream: stream.Ledger, change: func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }, text: "FERTIG_LEDGER: bounded in bytes"},
		"only the last event":      {stream: stream.Ledger, change: func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }, text: "forgets all but the last"},
		"the inbox drops":          {stream: stream.Shipped, change: func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }, text: "FERTIG_SHIPPED: drops the oldest"},
		"small messages, no batch": {stream: stream.Shipped, change: func(c *jetstream.StreamConfig) { c.MaxMsgSize, c.AllowAtomicPublish = 100, false }, text: "no atomic batches, takes 100 bytes"},
		"no direct reads":          {stream: stream.Orders, change: func(c *jetstream.StreamConfig) { c.AllowDirect = false }, text: "FERTIG_ORDERS: no direct reads"},
		"as an earlier version":    {stream: stream.Runs, change: func(c *jetstream.StreamConfig) { c.MaxConsumers = -1 }, warning: "FERTIG_RUNS takes about a thousand readers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			js := open(t, natstest.StartIn(t, t.TempDir()))
			if err := stream.Ensure(bounded(t), js, stream.Options{ShippedBytes: 8 << 20}); err != nil {
				t.Fatal(err)
			}
			if row.change != nil {
				s, err := js.Stream(bounded(t), row.stream)
				if err != nil {
					t.Fatal(err)
				}
				cfg := s.CachedInfo().Config
				row.change(&cfg)
				if _, err := js.UpdateStream(bounded(t), cfg); err != nil {
					t.Fatal(err)
				}
			}
			warnings, err := stream.Expect(bounded(t), js, 5*time.Second)
			if (err == nil) != (row.text == "") || err != nil && (!strings.Contains(err.Error(), row.text) || !strings.Contains(err.Error(), "run fertig setup") || !fault.Is(err, fault.Invalid)) {
				t.Errorf("%v, want %q", err, row.text)
			}
			if all := strings.Join(warnings, "\n"); (all == "") != (row.warning == "") || !strings.Contains(all, row.warning) {
				t.Errorf("warnings %q, want %q", all, row.warning)
			}
		})
	}
}

func TestExpectNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	js := open(t, natstest.StartIn(t, t.TempDir()))
	_, err := stream.Expect(bounded(t), js, 300*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "KV_FERTIG_LEASES is missing: run fertig setup") {
		t.Errorf("%v", err)
	}
}

func TestSkew(t *testing.T) {
	t.Parallel()
	js := open(t, natstest.StartIn(t, t.TempDir()))
	if err := stream.Ensure(bounded(t), js, stream.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{0, time.Minute, -time.Hour} {
		got, err := stream.Skew(bounded(t), js, func() time.Time { return time.Now().Add(off) })
		if d := (got - off).Abs(); err != nil || d > 5*time.Second { // half the time the question took, on a busy machine
			t.Errorf("a clock %s ahead: %s, %v", off, got, err)
		}
	}
}
