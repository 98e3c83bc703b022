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
	"sync"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Ledger is what intake needs of the ledger.
type Ledger interface {
	AppendAll(ctx context.Context, drafts []ledger.Draft) []ledger.Result
	Last(ctx context.Context, k shipment.Key) (shipment.Entry, error)
	Orders(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error)
	Step(ctx context.Context, last shipment.Entry, ev shipment.Event) (shipment.Entry, error)
}

// Message is one delivery of the inbox. It holds one event, or several that a door stored together.
type Message interface {
	Data() []byte
	Position() uint64 // in the inbox, for the record
	Stored() time.Time
	Ack() error
	Later(d time.Duration) error // deliver again after d
}

// Deadlines tells the ship-by dates of orders as far as they are known.
type Deadlines func(ctx context.Context, keys []shipment.Key) map[shipment.Key]time.Time

// Inbox delivers messages until ctx ends or visit fails.
type Inbox interface {
	Receive(ctx context.Context, visit func([]Message) error) error
}

// Stats counts what became of messages since the process started.
type Stats struct{ Accepted, Amended, Known, Differs, Invalid, Later uint64 }

// Intake takes events in.
type Intake struct {
	Inbox    Inbox
	Ledger   Ledger
	Settings func() settings.Set
	ShipBy   Deadlines // may be nil
	Learn    Learn     // may be nil; then events that tell of orders are refused
	Reject   func(context.Context, door.Rejected) error
	Now      func() time.Time
	Logger   *slog.Logger

	accepted, amended, known, differs, invalid, later atomic.Uint64

	unknown room // for events of accounts that are not known yet
}

const (
	batch     = 1000             // events that are judged and appended together: the ledger takes a thousand at once
	abreast   = 64               // orders whose events are settled one by one at the same time
	heldLater = 10 * time.Second // until an event is tried again that a request under way holds up

	// unknownFor is how long an event for an account this process does not know is kept: its settings may be behind.
	unknownFor = 10 * time.Minute

	// mostUnknown is how many of those may wait at once. What waits is in hand as far as the server is concerned, which hands
	// out no more when there are too many: a sender nobody has configured must not keep the others' events from being taken in.
	mostUnknown = 1000
)

// room counts what is put off in one heldLater, after which all of it has come again. It is safe for concurrent use.
type room struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

// take reports whether there is room for one more.
func (r *room) take(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.since) >= heldLater {
		r.since, r.n = now, 0
	}
	r.n++
	return r.n <= mostUnknown
}

// Stats returns the counts so far.
func (i *Intake) Stats() Stats {
	return Stats{i.accepted.Load(), i.amended.Load(), i.known.Load(), i.differs.Load(), i.invalid.Load(), i.later.Load()}
}

// Run takes events in until ctx ends. It fails when the inbox cannot be read or the ledger not be written; what was not
// acknowledged comes again. While one batch is appended, the next one is judged.
func (i *Intake) Run(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	defer stop()
	judged, settled := make(chan *work), make(chan error, 1)
	go func() {
		err := i.settleAll(working, judged)
		stop()
		for range judged { // whoever waits to hand over the next one must not wait for ever
		}
		settled <- err
	}()
	var before *work
	err := i.Inbox.Receive(working, func(msgs []Message) error {
		msgs, err := i.tellers(working, msgs)
		if err != nil {
			return err
		}
		return chunks(msgs, func(events []reading) error {
			w, err := i.judgeAll(working, events, before)
			if err == nil {
				judged <- w
				before = w
			}
			return err
		})
	})
	close(judged)
	if unsettled := <-settled; unsettled != nil {
		err = unsettled
	}
	if ctx.Err() != nil || err == nil {
		return nil
	}
	return fmt.Errorf("take in: %w", err)
}

func (i *Intake) settleAll(ctx context.Context, judged <-chan *work) error {
	for w := range judged {
		if err := i.settle(ctx, w); err != nil {
			return err
		}
		w.settled.Store(true)
	}
	return nil
}

// judge decides on top of what the ledger holds, again after every lost race.
func (i *Intake) judge(ctx context.Context, r reading, last shipment.Entry) error {
	for range 20 {
		v, ev := door.Judge(i.Settings(), i.Now(), r.e, last)
		if v.Result.First() {
			known, err := i.Ledger.Orders(ctx, []shipment.Key{v.Key})
			if err != nil {
				return err
			}
			_, others := door.ByOrder(known).Around(v.Key)
			v = door.Beside(v, r.e, others)
			learned(&ev, i.deadlines(ctx, []reading{r})[orderOf(r.key)])
		}
		switch v.Result {
		case door.AlreadyKnown:
			i.known.Add(1)
			return r.p.done()
		case door.Differs:
			return i.contradict(ctx, r, v)
		case door.Refused:
			return i.refuse(ctx, r, v.Problems)
		case door.Later:
			i.later.Add(1)
			return r.p.postpone()
		}
		_, err := i.Ledger.Step(ctx, last, ev)
		var lost *ledger.LostRace
		if errors.As(err, &lost) {
			last = lost.Current
			continue
		}
		if err != nil {
			return fmt.Errorf("take in %s: %w", r.e.ID, err)
		}
		if v.Result == door.Amended || v.Result == door.Withdrawn {
			i.amended.Add(1)
		} else {
			i.accepted.Add(1)
		}
		return r.p.done()
	}
	return r.p.postpone()
}

func (i *Intake) contradict(ctx context.Context, r reading, v door.Verdict) error {
	i.differs.Add(1)
	i.Logger.Warn("a report differs from what is known", "shipment", v.Key, "event", r.e.ID, "changes", len(v.Changes))
	return i.record(ctx, r, door.Rejected{At: i.Now(), Source: r.e.Data.Source, Reason: door.Differs, Key: v.Key.String(), Account: v.Account,
		Changes: v.Changes, Original: r.e.Source + "/" + r.e.ID})
}

func (i *Intake) refuse(ctx context.Context, r reading, problems []door.Problem) error {
	i.invalid.Add(1)
	i.Logger.Warn("an event cannot be used", "event", r.e.ID, "producer", r.e.Source, "problems", problems)
	return i.record(ctx, r, door.Rejected{At: i.Now(), Source: "service", Reason: door.Refused, Account: r.e.Data.Account, Problems: problems,
		Original: r.place()})
}

func (i *Intake) record(ctx context.Context, r reading, rejected door.Rejected) error {
	if rejected.Source == "" {
		rejected.Source = "service"
	}
	if err := i.Reject(ctx, rejected); err != nil {
		return err
	}
	return r.p.done()
}
