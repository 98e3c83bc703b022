package ops

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Counts are exact numbers of an account.
type Counts struct {
	States  map[shipment.State]int // shipments by state
	Kinds   map[shipment.Kind]int  // deferred shipments by kind
	Queues  map[shipment.Queue]int // shipments by the group of a run they wait in
	Flagged int                    // orders that carry the flag
}

// Sendable is how many shipments a run would take up.
func (c Counts) Sendable(r shipment.RejectedOrder) int {
	n := 0
	for _, q := range shipment.Groups(r) {
		n += c.Queues[q]
	}
	return n
}

func (c *Counts) add(d Counts) {
	if c.States == nil {
		*c = Counts{States: map[shipment.State]int{}, Kinds: map[shipment.Kind]int{}, Queues: map[shipment.Queue]int{}}
	}
	for k, n := range d.States {
		c.States[k] += n
	}
	for k, n := range d.Kinds {
		c.Kinds[k] += n
	}
	for k, n := range d.Queues {
		c.Queues[k] += n
	}
	c.Flagged += d.Flagged
}

// Overview is the first page: where everything stands.
type Overview struct {
	At       time.Time
	Accounts []AccountOverview
	Total    Counts
	Messages []message.Message // raised ones, the newest first
	LastRun  *Run
	NextRun  time.Time // zero when no schedule is on
}

// AccountOverview is an account's line in the overview.
type AccountOverview struct {
	ID          shipment.AccountID
	Name        string
	Counts      Counts
	PausedUntil time.Time
	NextRun     time.Time
}

// Overview adds up what the actor sees.
func (o *Ops) Overview(ctx context.Context, a Actor) (Overview, error) {
	if err := a.need(Viewer); err != nil {
		return Overview{}, err
	}
	counts, err := o.cfg.View.Counts(ctx)
	if err != nil {
		return Overview{}, fmt.Errorf("overview: %w", err)
	}
	out := Overview{At: o.now()}
	out.Total.add(Counts{})
	schedules, err := o.Schedules(ctx, a)
	if err != nil {
		return Overview{}, err
	}
	for _, s := range schedules {
		line := AccountOverview{ID: s.Account, Name: s.Name, PausedUntil: s.PausedUntil}
		line.Counts.add(counts[s.Account])
		if len(s.Next) > 0 {
			line.NextRun = s.Next[0]
			if out.NextRun.IsZero() || line.NextRun.Before(out.NextRun) {
				out.NextRun = line.NextRun
			}
		}
		out.Total.add(line.Counts)
		out.Accounts = append(out.Accounts, line)
	}
	if out.Messages, err = o.Messages(ctx, a); err != nil {
		return Overview{}, err
	}
	runs, err := o.Runs(ctx, a, 1)
	if len(runs) > 0 {
		out.LastRun = &runs[0]
	}
	return out, err
}

// Counts are the numbers of every account the actor sees.
func (o *Ops) Counts(ctx context.Context, a Actor) (map[shipment.AccountID]Counts, error) {
	if err := a.need(Viewer); err != nil {
		return nil, err
	}
	counts, err := o.cfg.View.Counts(ctx)
	maps.DeleteFunc(counts, func(id shipment.AccountID, _ Counts) bool { return !a.Sees(id) })
	return counts, err
}
