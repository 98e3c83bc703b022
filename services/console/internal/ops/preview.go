package ops

import (
	"context"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Preview is what a run would do if it started now.
type Preview struct {
	Accounts []AccountPreview
	Count    int       // shipments over all accounts
	DoneBy   time.Time // estimated from the connections' quota; zero when nothing would be sent
	LastRun  time.Time // start of the last one; zero when there was none
	At       time.Time
	Zone     *time.Location // of the first account's schedule; Text tells the time in it
}

// AccountPreview is an account's part of a preview. A paused account sends nothing.
type AccountPreview struct {
	ID          shipment.AccountID
	Name        string
	Count       int
	PausedUntil time.Time
}

// Preview counts what Start would send.
func (o *Ops) Preview(ctx context.Context, a Actor, accounts []shipment.AccountID) (Preview, error) {
	if err := a.need(Viewer); err != nil {
		return Preview{}, err
	}
	parts, err := o.spread(a, accounts)
	if err != nil {
		return Preview{}, err
	}
	counts, err := o.cfg.View.Counts(ctx)
	if err != nil {
		return Preview{}, fmt.Errorf("preview a run: %w", err)
	}
	p := Preview{At: o.now(), Zone: time.UTC}
	if len(parts) > 0 {
		p.Zone = parts[0].accounts[0].Schedule.Location()
	}
	for _, part := range parts {
		n := 0
		for _, acc := range part.accounts {
			ap := AccountPreview{ID: acc.ID, Name: acc.Name, Count: counts[acc.ID].Sendable(acc.RejectedOrder)}
			if acc.PausedUntil.After(p.At) {
				ap.Count, ap.PausedUntil = 0, acc.PausedUntil
			}
			p.Accounts, n = append(p.Accounts, ap), n+ap.Count
		}
		p.Count += n
		if by := p.At.Add(takes(n, part.connection.Limits)); n > 0 && by.After(p.DoneBy) {
			p.DoneBy = by
		}
		logs, err := o.cfg.Board.Recent(ctx, part.connection.ID, 1)
		if err != nil {
			return Preview{}, fmt.Errorf("preview a run: %w", err)
		}
		for _, l := range logs {
			if at := l.StartedAt; at.After(p.LastRun) {
				p.LastRun = at
			} else if at.IsZero() && l.At.After(p.LastRun) {
				p.LastRun = l.At
			}
		}
	}
	return p, nil
}

// takes estimates how long n requests need: what the bucket holds goes at once, one of it kept back, the rest at its rate.
func takes(n int, l settings.Limits) time.Duration {
	waiting := max(0, n-max(0, l.ConfirmBurst-1))
	return time.Duration(float64(waiting)/l.ConfirmRate*float64(time.Second)) + time.Second
}

// Text is the warning in front of a manual run, in "de" or else English.
func (p Preview) Text(lang string) string {
	by := "–"
	if !p.DoneBy.IsZero() {
		by = p.DoneBy.In(p.Zone).Format("15:04")
	}
	ago := int(p.At.Sub(p.LastRun).Minutes())
	if lang == "de" {
		last := ""
		if !p.LastRun.IsZero() {
			last = fmt.Sprintf(" Letzter Lauf vor %d Minuten.", ago)
		}
		return fmt.Sprintf("Dieser Lauf würde %d Aufträge übermitteln, fertig etwa %s.%s Zu häufiges Ausführen kann zur Drosselung durch Amazon führen; die Übermittlung dauert dann insgesamt länger.", p.Count, by, last)
	}
	last := ""
	if !p.LastRun.IsZero() {
		last = fmt.Sprintf(" Last run %d minutes ago.", ago)
	}
	return fmt.Sprintf("This run would send %d orders, done by about %s.%s Running it too often can make Amazon throttle you, and sending then takes longer overall.", p.Count, by, last)
}
