package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Every report is encoded for the inbox, and its content once more for the id of what it leads to. Written by hand that
// takes a tenth of the time; the bytes are those of encoding/json, to which a test holds them.

// Encode writes the event as one line of JSON.
func Encode(e Event) ([]byte, error) {
	b, err := e.append(make([]byte, 0, 640))
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", e.ID, err)
	}
	if len(b) > MaxBytes {
		return nil, tooLong(len(b))
	}
	return b, nil
}

func (e Event) append(b []byte) ([]byte, error) {
	b = text(append(b, '{'), "specversion", e.SpecVersion)
	b = text(append(b, ','), "id", e.ID)
	b = text(append(b, ','), "source", e.Source)
	b = text(append(b, ','), "type", e.Type)
	b = given(b, "subject", e.Subject)
	if !e.Time.IsZero() {
		b = append(b, `,"time":"`...)
		var err error
		if b, err = e.Time.AppendText(b); err != nil {
			return nil, fmt.Errorf("time: %w", err)
		}
		b = append(b, '"')
	}
	b = given(b, "datacontenttype", e.DataContentType)
	b, err := e.Data.Append(append(b, `,"data":`...))
	return append(b, '}'), err
}

// Append adds the data as JSON to b. It fails for times that could not be read.
func (s Shipped) Append(b []byte) ([]byte, error) {
	b = append(b, '{')
	if s.Connection != "" {
		b = append(text(b, "connection", s.Connection), ',')
	}
	b = text(b, "account", s.Account)
	b = text(append(b, ','), "amazonOrderId", s.Order)
	b = given(b, "packageReferenceId", s.Package)
	var err, by error
	if !s.ShippedAt.IsZero() {
		b, err = s.ShippedAt.append(append(b, `,"shippedAt":`...))
	}
	if s.ShipBy != nil {
		b, by = s.ShipBy.append(append(b, `,"shipBy":`...))
	}
	b = given(b, "carrier", s.Carrier)
	b = given(b, "service", s.Service)
	b = given(b, "trackingNumber", s.Tracking)
	b = items(b, s.Items)
	b = given(b, "labelSource", string(s.Label))
	if len(s.Programs) > 0 {
		b = texts(append(b, `,"programs":`...), s.Programs)
	}
	b = given(b, "reference", s.Reference)
	b = text(append(b, ','), "source", s.Source)
	return append(b, '}'), errors.Join(err, by)
}

func (t Time) append(b []byte) ([]byte, error) {
	if t.unread != "" {
		return b, errors.New(t.unread)
	}
	b = append(b, '"')
	if t.DateOnly {
		b = t.AppendFormat(b, time.DateOnly)
	} else {
		b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	}
	return append(b, '"'), nil
}

func items(b []byte, list []shipment.Item) []byte {
	for i, it := range list {
		if i == 0 {
			b = append(b, `,"items":[`...)
		} else {
			b = append(b, ',')
		}
		b = text(append(b, '{'), "orderItemId", it.OrderItemID)
		b = strconv.AppendInt(append(b, `,"quantity":`...), int64(it.Quantity), 10)
		if len(it.TransparencyCodes) > 0 {
			b = texts(append(b, `,"transparencyCodes":`...), it.TransparencyCodes)
		}
		b = append(b, '}')
		if i == len(list)-1 {
			b = append(b, ']')
		}
	}
	return b
}

func texts(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = quoted(b, s)
	}
	return append(b, ']')
}

// given adds a field and the comma before it, unless the text is empty.
func given(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return text(append(b, ','), name, s)
}

func text(b []byte, name, s string) []byte {
	b = append(append(append(b, '"'), name...), `":`...)
	return quoted(b, s)
}

func quoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			escaped, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // no string is refused
			}
			return append(b, escaped...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// Join makes one message of encoded events: the JSON array that CloudEvents calls a batch. DecodeAll reads it. The caller
// sees to it that it is not longer than MaxTogether.
func Join(encoded [][]byte) []byte {
	n := 2
	for _, e := range encoded {
		n += len(e) + 1
	}
	b := append(make([]byte, 0, n), '[')
	for i, e := range encoded {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, ']')
}
