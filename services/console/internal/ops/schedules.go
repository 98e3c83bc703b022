package ops

import (
	"context"
	"time"

	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Schedule is when an account's job runs.
type Schedule struct {
	Account     shipment.AccountID
	Connection  shipment.ConnectionID
	Name        string
	Cron        string
	Zone        string
	Off         bool
	PausedUntil time.Time   // zero, or in the future
	Next        []time.Time // the next five, in the schedule's zone; none while it is off
	Clashes     []job.Clash // times that meet a change of clocks within a year
}

// nextRuns is how many coming runs are shown.
const nextRuns = 5

// Schedules lists the schedules of the accounts the actor sees.
func (o *Ops) Schedules(_ context.Context, a Actor) ([]Schedule, error) {
	if err := a.need(Viewer); err != nil {
		return nil, err
	}
	var out []Schedule
	now := o.now()
	for _, c := range o.cfg.Settings.Current().Connections {
		for _, acc := range c.Accounts {
			if !a.Sees(acc.ID) {
				continue
			}
			s := Schedule{Account: acc.ID, Connection: c.ID, Name: acc.Name, Cron: acc.Schedule.Cron, Zone: acc.Schedule.Zone, Off: acc.Schedule.Off, Next: upcoming(acc.Schedule, now), Clashes: job.Clashes(acc.Schedule, now)}
			if acc.PausedUntil.After(now) {
				s.PausedUntil = acc.PausedUntil
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// upcoming are the next runs as clocks in the schedule's zone show them. Settings are checked before they are stored, so
// a schedule that cannot be read has none.
func upcoming(s settings.Schedule, now time.Time) []time.Time {
	slots, err := job.Next(s, now, nextRuns)
	if err != nil {
		return nil
	}
	for i := range slots {
		slots[i] = slots[i].In(s.Location())
	}
	return slots
}
