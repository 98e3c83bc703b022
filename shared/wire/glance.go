package wire

import (
	"bytes"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Glance reads, from an entry as it stands in the ledger, in which state its shipment is and since when, at a small part of
// what decoding costs. It reports false when the text does not look as EncodeEntry writes it; then decoding decides.
func Glance(entry []byte) (state shipment.State, since time.Time, ok bool) {
	// A quote inside of a text is escaped, so these sequences are nowhere else. The shipment comes last in an entry, its
	// state before its data, and its since before everything that has one of its own.
	_, rest, ok := bytes.Cut(entry, []byte(`"after":{`))
	if !ok {
		return "", time.Time{}, false
	}
	name, rest, ok := text(rest, `"state":"`)
	if !ok {
		return "", time.Time{}, false
	}
	at, _, ok := text(rest, `,"since":"`)
	if !ok {
		return "", time.Time{}, false
	}
	since, err := time.Parse(time.RFC3339Nano, string(at))
	for _, s := range shipment.States {
		if string(name) == string(s) {
			return s, since, err == nil
		}
	}
	return "", time.Time{}, false
}

// text returns what stands between a beginning and the next quote, and what follows.
func text(b []byte, begin string) (value, rest []byte, ok bool) {
	if _, b, ok = bytes.Cut(b, []byte(begin)); !ok {
		return nil, nil, false
	}
	value, rest, ok = bytes.Cut(b, []byte(`"`))
	return value, rest, ok
}
