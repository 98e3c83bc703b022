package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func key(n int) shipment.Key {
	return shipment.Key{Connection: "EU", Order: fmt.Sprintf("302-%07d-0000001", n), Package: "1"}
}

// life is a shipment that much happens to, with the word each event is told as.
var life = []struct {
	ev   shipment.Event
	word Word
}{
	{shipment.Event{Type: shipment.Accepted, To: shipment.Pending}, Accepted},
	{shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Incomplete, Answer: &shipment.Answer{Rule: "incomplete", Field: "carrier"}}, Refused},
	{shipment.Event{Type: shipment.Amended, Data: &shipment.Data{ShippedAt: noon.Add(-time.Hour), Carrier: "DHL", Reference: "R1"}}, ""},
	{shipment.Event{Type: shipment.Attempted}, ""},
	{shipment.Event{Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Transient, Answer: &shipment.Answer{Status: 503, Rule: "unavailable"}}, Deferred},
	{shipment.Event{Type: shipment.Attempted}, ""},
	{shipment.Event{Type: shipment.Released}, ""},
	{shipment.Event{Type: shipment.Attempted}, ""},
	{shipment.Event{Type: shipment.Doubted}, Doubt},
	{shipment.Event{Type: shipment.Found, To: shipment.Doubt, Missing: true}, ""},
	{shipment.Event{Type: shipment.Exclude}, Excluded},
	{shipment.Event{Type: shipment.Include}, Reopened},
	{shipment.Event{Type: shipment.Found, To: shipment.Confirmed}, Confirmed},
	{shipment.Event{Type: shipment.Noted, Comment: "asked"}, ""},
	{shipment.Event{Type: shipment.Found, To: shipment.Confirmed, Shown: &shipment.Shown{Finding: shipment.OnItsWay}}, ""},
	{shipment.Event{Type: shipment.Found, To: shipment.Deferred, Kind: shipment.Transient, Shown: &shipment.Shown{Finding: shipment.NoEffect}}, Reopened},
	{shipment.Event{Type: shipment.Requeued}, ""},
	{shipment.Event{Type: shipment.Attempted}, ""},
	{shipment.Event{Type: shipment.Outcome, To: shipment.Deferred, Kind: shipment.Rejected, Answer: &shipment.Answer{Status: 400, Code: "InvalidInput", Message: "no", Rule: "carrier-unsupported", Field: "carrier"}}, Refused},
	{shipment.Event{Type: shipment.Aged}, Expired},
	{shipment.Event{Type: shipment.Requeued, Waiver: true}, Reopened},
	{shipment.Event{Type: shipment.CloseEvent, Kind: shipment.ByHand, Actor: "anna", Comment: "told them"}, Closed},
}

// live makes the events of a life a second apart.
func live(t *testing.T, n int) (entries []shipment.Entry, words []Word) {
	t.Helper()
	var s shipment.Shipment
	for i, step := range life {
		ev := step.ev
		ev.ID, ev.At, ev.Key, ev.Account = uuid.NewString(), noon.Add(time.Duration(i)*time.Second), key(n), "DE"
		if ev.Actor == "" {
			ev.Actor = "test"
		}
		switch ev.Type {
		case shipment.Accepted:
			ev.Data = &shipment.Data{ShippedAt: noon.Add(-time.Hour), Carrier: "DHL?", Reference: "R1"}
		case shipment.Attempted:
			ev.Attempt = &shipment.Attempt{ID: fmt.Sprint(i), Hash: "h", Run: "run"}
		case shipment.Outcome, shipment.Released:
			ev.Attempt = s.Attempt
		}
		e, err := shipment.Record(s, ev)
		if err != nil {
			t.Fatalf("%d %s: %v", i, ev.Type, err)
		}
		e.Seq = uint64(i + 1)
		entries, s = append(entries, e), e.After
		if step.word != "" {
			words = append(words, step.word)
		}
	}
	return entries, words
}

func TestWords(t *testing.T) {
	entries, _ := live(t, 1)
	for i, e := range entries {
		if got := WordFor(e); got != life[i].word {
			t.Errorf("%d %s to %s %s: told as %q, want %q", i, e.Type, e.After.State, e.After.Kind, got, life[i].word)
		}
	}
	for _, row := range []struct {
		state shipment.State
		want  Word
	}{{shipment.Pending, Accepted}, {shipment.Expired, Expired}, {shipment.NotRequired, Confirmed}} {
		if got := WordFor(shipment.Entry{Type: shipment.Accepted, At: noon, After: shipment.Shipment{State: row.state, Since: noon}}); got != row.want {
			t.Errorf("accepted as %s: %q", row.state, got)
		}
	}
}

// What is told keeps to the published schema, holds nobody's name, and echoes the sender's reference.
func TestEventsKeepToTheSchema(t *testing.T) {
	raw, err := os.ReadFile("../../../../docs/events/shipment.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("shipment.json", doc); err != nil {
		t.Fatal(err)
	}
	schema := c.MustCompile("shipment.json")
	entries, _ := live(t, 1)
	told := map[Word]bool{}
	for _, e := range entries {
		w := WordFor(e)
		if w == "" {
			continue
		}
		told[w] = true
		b, err := Encode(w, e)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s\n%v", b, err)
		}
		if !bytes.Contains(b, []byte(`"reference":"R1"`)) || bytes.Contains(b, []byte("anna")) || bytes.Contains(b, []byte("told them")) {
			t.Errorf("%s", b)
		}
		if w == Refused && !bytes.Contains(b, []byte(`"remedy"`)) && e.After.Kind == shipment.Rejected {
			t.Errorf("a refusal without its remedy: %s", b)
		}
	}
	if len(told) != len(Words) {
		t.Errorf("told only %v", told)
	}
}

type told struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Data    struct {
		Sequence uint64 `json:"ledgerSequence"`
	} `json:"data"`
}

// Publishers come and go and two work at once: everything is told, in the ledger's order, and nothing twice.
func TestNothingIsLeftOutBetweenPublishers(t *testing.T) {
	natstest.Each(t, natstest.Case{Name: "publishers come and go", Run: func(t *testing.T, s natstest.Any) {
		nc := s.Connect(t)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ledger.Open(t.Context(), nc)
		if err != nil {
			t.Fatal(err)
		}
		const shipments = 60
		begin := func() (stop func()) {
			own := s.Connect(t)
			pjs, err := jetstream.New(own)
			if err != nil {
				t.Fatal(err)
			}
			pl, err := ledger.Open(t.Context(), own)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			p := &Publisher{NATS: own, JS: pjs, Ledger: pl, Now: func() time.Time { return noon.Add(time.Hour) }, Logger: slog.New(slog.DiscardHandler)}
			go func() { done <- p.Run(ctx) }()
			return func() { cancel(); _ = <-done }
		}
		first, second := begin(), begin()
		var want []string
		var wg sync.WaitGroup
		for n := range shipments {
			entries, words := live(t, n)
			for range words {
				want = append(want, key(n).Order)
			}
			wg.Go(func() {
				seq := uint64(0)
				for _, e := range entries {
					done, err := l.Append(t.Context(), seq, e)
					if err != nil {
						t.Error(err)
						return
					}
					seq = done.Seq
				}
			})
			if n == shipments/3 {
				first()
			}
			if n == 2*shipments/3 {
				second()
				first, second = begin(), begin()
			}
		}
		wg.Wait()
		str, err := js.Stream(t.Context(), stream.Events)
		if err != nil {
			t.Fatal(err)
		}
		natstest.Until(t, time.Minute, "everything is told", func() bool {
			info, err := str.Info(t.Context())
			return err == nil && info.State.Msgs >= uint64(len(want))
		})
		first()
		second()
		ids, last, perOrder := map[string]bool{}, uint64(0), map[string][]string{}
		var got []string
		err = stream.Scan(t.Context(), js, stream.Events, jetstream.OrderedConsumerConfig{}, func(m jetstream.Msg, _ uint64) error {
			var e told
			if err := json.Unmarshal(m.Data(), &e); err != nil {
				return err
			}
			if ids[e.ID] || e.Data.Sequence <= last {
				t.Errorf("%s at %d after %d, told before: %v", e.Type, e.Data.Sequence, last, ids[e.ID])
			}
			order := strings.TrimSuffix(e.Subject, "/1")
			ids[e.ID], last = true, e.Data.Sequence
			perOrder[order] = append(perOrder[order], e.Type)
			got = append(got, order)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d told, want %d", len(got), len(want))
		}
		_, words := live(t, 1)
		for n := range shipments {
			types := perOrder[key(n).Order]
			for i, w := range words {
				if i >= len(types) || types[i] != w.Type() {
					t.Fatalf("order %d was told as %v, want %v", n, types, words)
				}
			}
		}
	}})
}

// With a ledger that is older than what the stream keeps, only the last thirty days are told.
func TestOldEntriesAreNotTold(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	entries, words := live(t, 1)
	seq := uint64(0)
	for _, e := range entries {
		done, err := l.Append(t.Context(), seq, e)
		if err != nil {
			t.Fatal(err)
		}
		seq = done.Seq
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	p := &Publisher{NATS: nc, JS: js, Ledger: l, Now: func() time.Time { return noon.Add(oldest + 1500*time.Millisecond) }, Logger: slog.New(slog.DiscardHandler)}
	go func() { done <- p.Run(ctx) }()
	natstest.Until(t, 20*time.Second, "the younger ones are told", func() bool {
		s, err := js.Stream(t.Context(), stream.Events)
		return err == nil && s.CachedInfo().State.Msgs == uint64(len(words)-2)
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
