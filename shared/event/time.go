package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/fertig-project/fertig/shared/fault"
)

// Time is an instant, or a date that stands for the end of that day in the account's zone.
// The zero Time is no time; a text that is no time decodes to a Time that Check reports, so that all problems of an event
// are reported at once.
type Time struct {
	time.Time
	DateOnly bool
	unread   string // why the text could not be read
}

// MarshalJSON writes RFC 3339, or just the date where no time was given.
func (t Time) MarshalJSON() ([]byte, error) { return t.append(nil) }

// UnmarshalJSON reads RFC 3339 with a zone, or a date.
func (t *Time) UnmarshalJSON(b []byte) error {
	var s string
	if n := len(b); n > 1 && b[0] == '"' && b[n-1] == '"' && bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) {
		s = string(b[1 : n-1])
	} else if json.Unmarshal(b, &s) != nil {
		*t = Time{unread: "is no text: write \"2026-11-20T14:03:00+01:00\" or \"2026-11-20\""}
		return nil
	}
	parsed, err := ParseTime(s)
	if err != nil {
		parsed.unread = err.Error()
	}
	*t = parsed
	return nil
}

// ParseTime reads RFC 3339 with a zone, or a date as 2026-11-20.
func ParseTime(s string) (Time, error) {
	if d, err := time.Parse(time.DateOnly, s); err == nil {
		return Time{Time: d, DateOnly: true}, nil
	}
	d, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return Time{}, fmt.Errorf("%q is not a time: write 2026-11-20T14:03:00+01:00 or 2026-11-20", s)
	}
	return Time{Time: d}, nil
}

// In returns the instant: the time itself, or the last second of the date in loc.
func (t Time) In(loc *time.Location) time.Time {
	if !t.DateOnly || t.IsZero() {
		return t.Time
	}
	y, m, d := t.Date()
	next := time.Date(y, m, d+1, 0, 0, 0, 0, loc)
	// Where clocks go forward at midnight, that midnight does not exist and the day ends with the change.
	if next.Day() == d {
		_, next = next.ZoneBounds()
	} else if next.Hour() != 0 {
		next, _ = next.ZoneBounds()
	}
	return next.Add(-time.Second)
}

// Years that a date of a shipment may have: outside of them it is a typing error, and some would not survive encoding.
const minYear, maxYear = 2000, 2199

func (t Time) absent() bool { return t.IsZero() && t.unread == "" }

func (t Time) check(field string) error {
	switch {
	case t.unread != "":
		return fault.Field(field, "%s", t.unread)
	case t.absent():
		return fault.Field(field, "is missing: write 2026-11-20T14:03:00+01:00 or 2026-11-20")
	case t.UTC().Year() < minYear || t.UTC().Year() > maxYear:
		return fault.Field(field, "the year %d is not plausible", t.UTC().Year())
	}
	return nil
}
