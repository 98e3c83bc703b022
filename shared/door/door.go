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
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// MaxBatch bounds the events of one Submit.
const MaxBatch = 1000

// Looker reads the last entries of many shipments.
type Looker interface {
	LastMany(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error)
	Siblings(ctx context.Context, keys []shipment.Key) (map[shipment.Key][]shipment.Entry, error)
}

// Configured gives the settings as they are now.
type Configured interface{ Current() settings.Set }

// Door takes events in. It is safe for concurrent use.
type Door struct {
	js       jetstream.JetStream
	ledger   Looker
	settings Configured
	now      func() time.Time
}

// Open makes a door over the streams that stream.Ensure has created.
func Open(nc *nats.Conn, l Looker, s Configured, now func() time.Time) (*Door, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open door: %w", err)
	}
	return &Door{js: js, ledger: l, settings: s, now: now}, nil
}

// Submit judges up to MaxBatch events and stores those that are to be taken in. The verdicts come in the order of the
// events. Taken results are promises: the event is stored and synced. With an error there are no verdicts and nothing is
// known; sending all of them again is safe.
func (d *Door) Submit(ctx context.Context, events []event.Event) ([]Verdict, error) {
	if len(events) > MaxBatch {
		return nil, fault.New(fault.Invalid, "%d events at once: at most %d are allowed, send the rest in a second call", len(events), MaxBatch)
	}
	verdicts, err := d.Preview(ctx, events)
	if err != nil {
		return nil, err
	}
	set, seen := d.settings.Current(), map[shipment.Key]int{} // first reports of this batch
	acks := make([]jetstream.PubAckFuture, 0, len(events))
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
		if !v.Result.Taken() {
			continue
		}
		ack, err := d.publish(e, v.Key.Connection)
		if err != nil {
			return nil, err
		}
		acks = append(acks, ack)
	}
	if err := d.await(ctx, acks); err != nil {
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
	set, now := d.settings.Current(), d.now()
	keys := make([]shipment.Key, 0, len(events))
	bad := make([]error, len(events))
	for i, e := range events {
		if bad[i] = usable(e); bad[i] != nil {
			continue
		}
		if k, err := KeyOf(set, e); err == nil {
			keys = append(keys, k)
		}
	}
	known, err := d.ledger.LastMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := make([]Verdict, len(events))
	var first []shipment.Key
	for i, e := range events {
		if bad[i] != nil {
			out[i] = Verdict{Account: e.Data.Account}.refuse(bad[i])
			continue
		}
		k, _ := KeyOf(set, e)
		if out[i], _ = Judge(set, now, e, known[k]); out[i].Result.First() {
			first = append(first, k)
		}
	}
	others, err := d.ledger.Siblings(ctx, first)
	if err != nil {
		return nil, err
	}
	beside := Neighbours{}
	for i, e := range events {
		k := out[i].Key
		out[i] = Beside(out[i], e, append(others[k], beside.Of(k)...))
		beside.Add(out[i], e)
	}
	return out, nil
}

// usable makes sure that intake will be able to read what is published.
func usable(e event.Event) error {
	if err := e.Check(); err != nil {
		return err
	}
	_, err := event.Encode(e)
	return err
}

func (d *Door) publish(e event.Event, c shipment.ConnectionID) (jetstream.PubAckFuture, error) {
	data, err := event.Encode(e)
	if err != nil {
		return nil, err
	}
	ack, err := d.js.PublishMsgAsync(&nats.Msg{Subject: stream.ShippedSubject(c), Data: data, Header: nats.Header{}},
		jetstream.WithMsgID(EventID(e)), jetstream.WithStallWait(2*time.Second))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "store event %s", e.ID)
	}
	return ack, nil
}

func (d *Door) await(ctx context.Context, acks []jetstream.PubAckFuture) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for _, a := range acks {
		select {
		case <-a.Ok():
		case err := <-a.Err():
			return fault.Wrap(fault.Unavailable, err, "store events: send them again later")
		case <-ctx.Done():
			return fault.Wrap(fault.Unavailable, ctx.Err(), "store events: send them again later")
		}
	}
	return nil
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
