package job

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
)

// everyHour is the bit robfig/cron sets for a field written as a plain star.
const everyHour = 1 << 63

// Next returns the first n slots strictly after now, in UTC, earliest first; none when the schedule is off, and fewer
// when the expression has no further ones within five years. It is pure.
//
// A schedule with fixed hours means times on the wall: each comes exactly once on each of its days, also when clocks
// change. A time that is skipped in spring is due the moment the gap ends, a time that occurs twice in autumn is due the
// first time. A schedule for every hour follows elapsed time instead, so that it neither pauses nor hurries.
func Next(s settings.Schedule, now time.Time, n int) ([]time.Time, error) {
	step, err := stepper(s)
	if err != nil || s.Off {
		return nil, err
	}
	var out []time.Time
	for t := now; len(out) < n; {
		if t = step(t); t.IsZero() {
			break
		}
		out = append(out, t.UTC())
	}
	return out, nil
}

// Between returns the slots after one moment and up to and including another, as Next gives them.
func Between(s settings.Schedule, after, upTo time.Time) ([]time.Time, error) {
	step, err := stepper(s)
	if err != nil || s.Off {
		return nil, err
	}
	var out []time.Time
	for t := step(after); !t.IsZero() && !t.After(upTo); t = step(t) {
		out = append(out, t.UTC())
	}
	return out, nil
}

// stepper reads a schedule; what it returns finds the next slot strictly after a moment, the zero time when there is none.
func stepper(s settings.Schedule) (func(time.Time) time.Time, error) {
	loc, spec, err := parse(s)
	if err != nil {
		return nil, err
	}
	if spec.Hour&everyHour != 0 {
		return func(t time.Time) time.Time { return spec.Next(t.In(loc)) }, nil
	}
	return wallClock(spec, loc), nil
}

func parse(s settings.Schedule) (*time.Location, *cron.SpecSchedule, error) {
	loc := s.Location() // kept once loaded: schedules are read often
	if loc.String() != s.Zone {
		return nil, nil, fault.Field("schedule.zone", "%q is not an IANA time zone such as Europe/Berlin", s.Zone)
	}
	parsed, err := cron.ParseStandard(s.Cron)
	spec, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok || strings.Contains(s.Cron, "TZ=") {
		return nil, nil, fault.Field("schedule.cron", "%q is not a cron expression of five fields such as \"0 12,15,18 * * *\"; the zone is given beside it", s.Cron)
	}
	return loc, spec, nil
}

// wallClock finds the next instant by reckoning in a day that always has 24 hours and translating the result.
func wallClock(spec *cron.SpecSchedule, loc *time.Location) func(time.Time) time.Time {
	return func(after time.Time) time.Time {
		for w := onWall(after.In(loc)); ; {
			if w = spec.Next(w); w.IsZero() {
				return w
			}
			if t := instant(w, loc); t.After(after) {
				return t
			}
		}
	}
}

// onWall is what a clock on the wall shows at t, as if the wall were in UTC.
func onWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is the first moment at which clocks in loc show w; where they skip it, the moment they have skipped it.
func instant(w time.Time, loc *time.Location) time.Time {
	t := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, loc)
	start, end := t.ZoneBounds()
	switch shown := onWall(t); {
	case shown.After(w):
		return start
	case shown.Before(w):
		return end
	case start.IsZero():
		return t
	}
	_, before := start.Add(-time.Second).Zone()
	if earlier := w.Add(-time.Duration(before) * time.Second); earlier.Before(start) {
		return earlier
	}
	return t
}
