package door

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// MaxBatch bounds the events of one Submit.
const MaxBatch = 1000

// Looker reads the last entries of all packages of many orders.
type Looker interface {
	Orders(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error)
}

// Configured gives the settings as they are now.
type Configured interface{ Current() settings.Set }

// Door takes events in. It is safe for concurrent use.
type Door struct {
	js       jetstream.JetStream
	ledger   Looker
	settings Configured
	now      func() time.Time
	batches  chan struct{} // places for atomic batches
	known    *knowledge
}

// Open makes a door over the streams that stream.Ensure has created.
func Open(nc *nats.Conn, l Looker, s Configured, now func() time.Time) (*Door, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open door: %w", err)
	}
	book, err := orders.Open(nc)
	if err != nil {
		return nil, fmt.Errorf("open door: %w", err)
	}
	return &Door{known: &knowledge{book: book, swept: map[shipment.ConnectionID]swept{}}, js: js, ledger: l, settings: s, now: now, batches: make(chan struct{}, sideBySide)}, nil
}

// Submit judges up to MaxBatch events and stores those that are to be taken in, all of them or none. The verdicts come in
// the order of the events. Taken results are promises: the event is stored and synced. With an error there are no verdicts
// and nothing is known; sending all of them again is safe.
func (d *Door) Submit(ctx context.Context, events []event.Event) ([]Verdict, error) {
	if len(events) > MaxBatch {
		return nil, fault.New(fault.Invalid, "%d events at once: at most %d are allowed, send the rest in a second call", len(events), MaxBatch)
	}
	verdicts, encoded, err := d.judge(ctx, events)
	if err != nil {
		return nil, err
	}
	set, seen := d.settings.Current(), make(map[shipment.Key]int, len(events)) // first reports of this batch
	posts := make([]post, 0, len(events))
	for i, e := range events {
		v := &verdicts[i]
		if v.Result.Taken() && e.Type == event.TypeShipped {
			if first, twice := seen[v.Key]; twice {
				repeat(v, events[first], e, set)
			} else {
				seen[v.Key] = i
			}
		}
		if v.Result == Differs {
			if err := d.Reject(ctx, rejected(e, *v, d.now())); err != nil {
				return nil, err
			}
		}
		if v.Result.Taken() {
			posts = append(posts, post{event: e, data: encoded[i], to: v.Key.Connection})
		}
	}
	if err := d.store(ctx, posts); err != nil {
		return nil, err
	}
	return verdicts, nil
}

// rejected is the record of a report that contradicts what is known, for the operators to compare.
func rejected(e event.Event, v Verdict, now time.Time) Rejected {
	return Rejected{At: now, Source: e.Data.Source, Reason: v.Result, Key: v.Key.String(), Account: v.Account,
		Problems: v.Problems, Changes: v.Changes, Original: e.Source + "/" + e.ID}
}

// repeat settles a second shipped event for the same shipment in one batch against the first.
func repeat(v *Verdict, first, second event.Event, set settings.Set) {
	_, a, _ := set.Account(shipment.AccountID(v.Account))
	zone := a.Schedule.Location()
	v.Result = AlreadyKnown
	if v.Changes = shipment.Differs(first.Data.ToData(zone), second.Data.ToData(zone)); len(v.Changes) > 0 {
		v.Result = Differs
	}
}

// Preview judges events without taking them in.
func (d *Door) Preview(ctx context.Context, events []event.Event) ([]Verdict, error) {
	verdicts, _, err := d.judge(ctx, events)
	return verdicts, err
}

// judge returns the events as they would be stored, too.
func (d *Door) judge(ctx context.Context, events []event.Event) ([]Verdict, [][]byte, error) {
	set, now := d.settings.Current(), d.now()
	keys := make([]shipment.Key, 0, len(events))
	encoded, bad := make([][]byte, len(events)), make([]error, len(events))
	for i, e := range events {
		// Intake must be able to read what is published.
		if bad[i] = e.Check(); bad[i] == nil {
			encoded[i], bad[i] = event.Encode(e)
		}
		if bad[i] != nil {
			continue
		}
		if k, err := KeyOf(set, e); err == nil {
			keys = append(keys, k)
		}
	}
	orders, err := d.orders(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	out := make([]Verdict, len(events))
	beside := Neighbours{}
	for i, e := range events {
		if bad[i] != nil {
			out[i] = Verdict{Account: e.Data.Account}.refuse(bad[i])
			continue
		}
		k, _ := KeyOf(set, e)
		last, others := orders.Around(k)
		v, _ := judge(set, now, e, last)
		out[i] = Beside(v, e, append(others, beside.Of(k)...))
		beside.Add(out[i], e)
	}
	d.known.add(ctx, now, out, events)
	return out, encoded, nil
}

func (d *Door) orders(ctx context.Context, keys []shipment.Key) (Orders, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	known, err := d.ledger.Orders(ctx, keys)
	return ByOrder(known), err
}

// Rejected is input that could not be used, kept so that nothing disappears silently. It holds mapped fields only, never
// a whole original, which stays in the door's quarantine.
type Rejected struct {
	At       time.Time         `json:"at"`
	Source   string            `json:"source"` // the door
	Reason   Result            `json:"reason"` // refused or differs
	Key      string            `json:"key,omitempty"`
	Account  string            `json:"account,omitempty"`
	File     string            `json:"file,omitempty"`
	Line     int               `json:"line,omitempty"`
	Problems []Problem         `json:"problems,omitempty"`
	Changes  []shipment.Change `json:"changes,omitempty"`
	Original string            `json:"original,omitempty"` // reference: stream sequence or quarantine file
}

// Reject records unusable input for people to see.
func (d *Door) Reject(ctx context.Context, r Rejected) error { return Reject(ctx, d.js, r) }

// Reject records unusable input on the stream of invalid input. A repeated call with the same Original,
// Line and Key within two minutes is one record.
func Reject(ctx context.Context, js jetstream.JetStream, r Rejected) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode rejected input: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	m := &nats.Msg{Subject: stream.InvalidSubject(subjectToken(r.Source)), Data: data, Header: nats.Header{}}
	var opts []jetstream.PublishOpt
	if r.Original != "" {
		opts = append(opts, jetstream.WithMsgID(fmt.Sprintf("%s/%s/%d/%s", r.Source, r.Original, r.Line, r.Key)))
	}
	if _, err := js.PublishMsg(ctx, m, opts...); err != nil {
		return fault.Wrap(fault.Unavailable, err, "record rejected input")
	}
	return nil
}

// subjectToken is the door's name where it can stand in a subject. What is rejected may have any name.
func subjectToken(source string) string {
	if source == "" || strings.Trim(source, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return "unknown"
	}
	return source
}
