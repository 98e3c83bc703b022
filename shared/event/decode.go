package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	fast "github.com/go-json-experiment/json"

	"github.com/fertig-project/fertig/shared/fault"
)

// Decode reads and checks one event. All that is wrong is reported at once; each problem names the field.
func Decode(b []byte) (Event, error) {
	if len(b) > MaxBytes {
		return Event{}, tooLong(len(b))
	}
	var e Event
	if fast.Unmarshal(b, &e, strict) != nil {
		// The fast reader takes less than the standard one, which also says what is wrong in the words people know.
		e = Event{}
		if err := e.read(b); err != nil {
			return Event{}, err
		}
	}
	return e.usable()
}

var strict = fast.RejectUnknownMembers(true)

func (e Event) usable() (Event, error) {
	if e.Data.Package == "" {
		e.Data.Package = "1"
	}
	return e, e.Check()
}

func (e *Event) read(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(e); err != nil {
		return blame(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fault.New(fault.Invalid, "the event is followed by more text: publish one event per message")
	}
	return nil
}

// Decoded is one event of a message, or what is wrong with it.
type Decoded struct {
	Event Event
	Err   error
}

// DecodeAll reads a message that holds one event, or a JSON array of several; there is at least one result, and one event
// that cannot be used does not hold up the others.
func DecodeAll(b []byte) []Decoded {
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("[")) {
		e, err := Decode(b)
		return []Decoded{{e, err}}
	}
	var all []Event
	if fast.Unmarshal(b, &all, strict) == nil && len(all) > 0 {
		out := make([]Decoded, len(all))
		for i := range all {
			if out[i].Event, out[i].Err = all[i].usable(); all[i].length() > MaxBytes {
				out[i].Err = tooLong(all[i].length())
			}
		}
		return out
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(b, &parts); err != nil {
		return []Decoded{{Err: fault.Wrap(fault.Invalid, err, "the list of events is not usable JSON")}}
	}
	if len(parts) == 0 {
		return []Decoded{{Err: fault.New(fault.Invalid, "the list of events is empty")}}
	}
	out := make([]Decoded, len(parts))
	for i, p := range parts {
		out[i].Event, out[i].Err = Decode(p)
	}
	return out
}

// length is about how long the event is when it is encoded.
func (e Event) length() int {
	n := len(e.ID) + len(e.Source) + len(e.Type) + len(e.Subject) + len(e.DataContentType)
	d := &e.Data
	n += len(d.Connection) + len(d.Account) + len(d.Order) + len(d.Carrier) + len(d.Service) + len(d.Tracking) + len(d.Reference) + len(d.Source)
	for _, it := range d.Items {
		n += len(it.OrderItemID)
		for _, c := range it.TransparencyCodes {
			n += len(c)
		}
	}
	for _, p := range d.Programs {
		n += len(p)
	}
	return n
}

func tooLong(n int) error {
	return fault.New(fault.Invalid, "the event is %d bytes long: at most %d are allowed", n, MaxBytes)
}

// blame names the field that kept the decoder from going on.
func blame(err error) error {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return fault.Field(strings.TrimPrefix(wrong.Field, "data."), "must not be a %s", wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fault.Field(strings.Trim(name, `"`), "is not known: leave it out; nothing about buyers is taken in")
	}
	var parse *time.ParseError
	if errors.As(err, &parse) {
		return fault.Field("time", "%q is not a time: write 2026-11-20T14:03:00Z", parse.Value)
	}
	return fault.Wrap(fault.Invalid, err, "the event is not usable JSON")
}
