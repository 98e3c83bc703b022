// Package intake turns what senders reported into ledger events. It guarantees that every message of the inbox ends in
// exactly one of three ways before it is acknowledged: an event in the ledger, proof that the ledger knows it already, or
// a record of why it cannot be used; a message delivered twice changes nothing the second time. Any number of replicas
// share the work. It does not decide what is acceptable (package door does) and sends nothing to Amazon.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Ledger is what intake needs of the ledger.
type Ledger interface {
	AppendAll(ctx context.Context, drafts []ledger.Draft) []ledger.Result
	Last(ctx context.Context, k shipment.Key) (shipment.Entry, error)
	Siblings(ctx context.Context, keys []shipment.Key) (map[shipment.Key][]shipment.Entry, error)
	Step(ctx context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error)
}

// Message is one delivery of the inbox.
type Message interface {
	Data() []byte
	Position() uint64 // in the inbox, for the record
	Stored() time.Time
	Ack() error
	Later(d time.Duration) error // deliver again after d
}

// Inbox delivers messages, at most limit at once, waiting briefly for the first.
type Inbox interface {
	Fetch(ctx context.Context, limit int) ([]Message, error)
}

// Stats counts what became of messages since the process started.
type Stats struct{ Accepted, Amended, Known, Differs, Invalid, Later uint64 }

// Intake takes events in. Run may be called once.
type Intake struct {
	Inbox    Inbox
	Ledger   Ledger
	Settings func() settings.Set
	Reject   func(context.Context, door.Rejected) error
	Now      func() time.Time
	Logger   *slog.Logger

	accepted, amended, known, differs, invalid, later atomic.Uint64
}

const (
	batch     = 500
	heldLater = 10 * time.Second // until an event is tried again that a request under way holds up

	// unknownFor is how long an event for an account this process does not know is kept: its settings may be behind.
	unknownFor = 10 * time.Minute
)

// Stats returns the counts so far.
func (i *Intake) Stats() Stats {
	return Stats{i.accepted.Load(), i.amended.Load(), i.known.Load(), i.differs.Load(), i.invalid.Load(), i.later.Load()}
}

// Run takes events in until ctx ends. It fails when the inbox cannot be read; what was not acknowledged comes again.
func (i *Intake) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		msgs, err := i.Inbox.Fetch(ctx, batch)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read inbox: %w", err)
		}
		if err := i.take(ctx, msgs); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// reading is a message that could be read, with what would become of it if nothing were known of its shipment.
type reading struct {
	m Message
	e event.Event
	v door.Verdict
	r shipment.Event
}

// take handles a batch: first reports of distinct shipments together, everything else one by one in its order.
func (i *Intake) take(ctx context.Context, msgs []Message) error {
	reports, err := i.read(ctx, msgs)
	if err != nil {
		return err
	}
	var firsts []reading
	var drafts []ledger.Draft
	var rest []Message
	seen := map[shipment.Key]bool{} // what is about a shipment of which something was seen keeps its place behind that
	beside := door.Neighbours{}
	for _, r := range reports {
		alone := door.Beside(r.v, r.e, beside.Of(r.v.Key)).Result == r.v.Result
		if r.r.Type != shipment.Accepted || seen[r.v.Key] || !alone {
			seen[r.v.Key] = true
			rest = append(rest, r.m)
			continue
		}
		entry, err := shipment.Record(shipment.Shipment{}, r.r)
		if err != nil {
			return fmt.Errorf("record report %s: %w", r.e.ID, err)
		}
		seen[r.v.Key] = true
		beside.Add(r.v, r.e)
		firsts, drafts = append(firsts, r), append(drafts, ledger.Draft{Entry: entry})
	}
	for n, res := range i.Ledger.AppendAll(ctx, drafts) {
		if err := i.appended(ctx, firsts[n].m, firsts[n].e, res); err != nil {
			return err
		}
	}
	for _, m := range rest {
		if err := i.single(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// read decodes a batch and looks at the orders' other packages. What cannot be read is refused here and now; a report
// that cannot stand beside them is left to be judged one by one.
func (i *Intake) read(ctx context.Context, msgs []Message) ([]reading, error) {
	var out []reading
	var keys []shipment.Key
	for _, m := range msgs {
		e, err := event.Decode(m.Data())
		if err != nil {
			if err := i.refuse(ctx, m, e, door.Problems(err)); err != nil {
				return nil, err
			}
			continue
		}
		v, ev := door.Judge(i.Settings(), i.Now(), e, shipment.Entry{})
		out = append(out, reading{m, e, v, ev})
		if ev.Type == shipment.Accepted {
			keys = append(keys, v.Key)
		}
	}
	others, err := i.Ledger.Siblings(ctx, keys)
	if err != nil {
		return nil, err
	}
	for n, r := range out {
		if !door.Beside(r.v, r.e, others[r.v.Key]).Result.First() {
			out[n].r = shipment.Event{}
		}
	}
	return out, nil
}

// appended finishes a first report: it is in the ledger, or something else stood there already.
func (i *Intake) appended(ctx context.Context, m Message, e event.Event, r ledger.Result) error {
	var lost *ledger.LostRace
	switch {
	case r.Err == nil:
		i.accepted.Add(1)
		return m.Ack()
	case errors.As(r.Err, &lost):
		return i.judge(ctx, m, e, lost.Current)
	}
	return fmt.Errorf("take in %s: %w", e.ID, r.Err)
}

func (i *Intake) single(ctx context.Context, m Message) error {
	e, err := event.Decode(m.Data())
	if err != nil {
		return fmt.Errorf("decode again: %w", err) // it was decodable a moment ago
	}
	key, err := door.KeyOf(i.Settings(), e)
	if err != nil {
		if _, _, known := i.Settings().Account(shipment.AccountID(e.Data.Account)); !known && i.Now().Before(m.Stored().Add(unknownFor)) {
			i.later.Add(1)
			return m.Later(heldLater)
		}
		return i.refuse(ctx, m, e, door.Problems(err))
	}
	last, err := i.Ledger.Last(ctx, key)
	if err != nil {
		return err
	}
	return i.judge(ctx, m, e, last)
}

// judge decides on top of what the ledger holds, again after every lost race.
func (i *Intake) judge(ctx context.Context, m Message, e event.Event, last shipment.Entry) error {
	for range 20 {
		v, ev := door.Judge(i.Settings(), i.Now(), e, last)
		if v.Result.First() {
			others, err := i.Ledger.Siblings(ctx, []shipment.Key{v.Key})
			if err != nil {
				return err
			}
			v = door.Beside(v, e, others[v.Key])
		}
		switch v.Result {
		case door.AlreadyKnown:
			i.known.Add(1)
			return m.Ack()
		case door.Differs:
			return i.contradict(ctx, m, e, v)
		case door.Refused:
			return i.refuse(ctx, m, e, v.Problems)
		case door.Later:
			i.later.Add(1)
			return m.Later(heldLater)
		}
		_, err := i.Ledger.Step(ctx, last, ev)
		var lost *ledger.LostRace
		if errors.As(err, &lost) {
			last = lost.Current
			continue
		}
		if err != nil {
			return fmt.Errorf("take in %s: %w", e.ID, err)
		}
		if v.Result == door.Amended || v.Result == door.Withdrawn {
			i.amended.Add(1)
		} else {
			i.accepted.Add(1)
		}
		return m.Ack()
	}
	return m.Later(heldLater)
}

func (i *Intake) contradict(ctx context.Context, m Message, e event.Event, v door.Verdict) error {
	i.differs.Add(1)
	i.Logger.Warn("a report differs from what is known", "shipment", v.Key, "event", e.ID, "changes", len(v.Changes))
	return i.record(ctx, m, door.Rejected{At: i.Now(), Source: e.Data.Source, Reason: door.Differs, Key: v.Key.String(), Account: v.Account,
		Changes: v.Changes, Original: e.Source + "/" + e.ID})
}

func (i *Intake) refuse(ctx context.Context, m Message, e event.Event, problems []door.Problem) error {
	i.invalid.Add(1)
	i.Logger.Warn("an event cannot be used", "event", e.ID, "producer", e.Source, "problems", problems)
	return i.record(ctx, m, door.Rejected{At: i.Now(), Source: "service", Reason: door.Refused, Account: e.Data.Account, Problems: problems,
		Original: fmt.Sprintf("FERTIG_SHIPPED/%d", m.Position())})
}

func (i *Intake) record(ctx context.Context, m Message, r door.Rejected) error {
	if r.Source == "" {
		r.Source = "service"
	}
	if err := i.Reject(ctx, r); err != nil {
		return err
	}
	return m.Ack()
}
