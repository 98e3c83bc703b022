package job

import (
	"fmt"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
)

// Clash is a time of a schedule that clocks skip, or show twice, on the day they are changed.
type Clash struct {
	Wall    time.Time // the scheduled time as clocks on the wall show it, as if the wall were in UTC
	At      time.Time // when the run is due instead, in the schedule's zone
	Skipped bool      // clocks skip the time; otherwise they show it twice
}

// clashYear is how far ahead clashes are looked for: far enough to meet every yearly change of clocks.
const clashYear = 366 * 24 * time.Hour

// Clashes returns the times of a schedule that meet a change of clocks within a year of now, the earliest first, at most
// one for each change. A schedule for every hour has none, because it follows elapsed time; one that cannot be read has
// none either, that is reported elsewhere.
func Clashes(s settings.Schedule, now time.Time) []Clash {
	loc, spec, err := parse(s)
	if err != nil || s.Off || spec.Hour&everyHour != 0 {
		return nil
	}
	var out []Clash
	for t := now.In(loc); ; {
		_, change := t.ZoneBounds()
		if change.IsZero() || change.Sub(now) > clashYear {
			return out
		}
		_, before := change.Add(-time.Second).Zone()
		_, after := change.Zone()
		// What clocks show as the change comes, by the old reckoning and by the new one.
		from, to := onWall(change).Add(time.Duration(before-after)*time.Second), onWall(change)
		if skipped := after > before; skipped || after < before {
			if !skipped {
				from, to = to, from
			}
			if w := spec.Next(from.Add(-time.Second)); !w.IsZero() && w.Before(to) {
				out = append(out, Clash{Wall: w, At: instant(w, loc).In(loc), Skipped: skipped})
			}
		}
		t = change
	}
}

// Text says what will happen, in German ("de") or English.
func (c Clash) Text(lang string) string {
	switch {
	case lang == "de" && c.Skipped:
		return fmt.Sprintf("%s Uhr am %s gibt es nicht, die Uhren werden vorgestellt: Der Lauf beginnt an diesem Tag um %s Uhr.", c.Wall.Format("15:04"), c.Wall.Format("02.01.2006"), c.At.Format("15:04"))
	case lang == "de":
		return fmt.Sprintf("%s Uhr am %s gibt es zweimal, die Uhren werden zurückgestellt: Der Lauf findet nur beim ersten Mal statt (%s).", c.Wall.Format("15:04"), c.Wall.Format("02.01.2006"), c.At.Format("15:04 -07:00"))
	case c.Skipped:
		return fmt.Sprintf("%s on %s does not exist, clocks go forward: the run is due at %s that day", c.Wall.Format("15:04"), c.Wall.Format("2 Jan 2006"), c.At.Format("15:04"))
	}
	return fmt.Sprintf("%s on %s comes twice, clocks go back: the run is due the first time only (%s)", c.Wall.Format("15:04"), c.Wall.Format("2 Jan 2006"), c.At.Format("15:04 -07:00"))
}
