package view

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/wire"
)

// facts is what places a shipment in an image: which sets and counters it belongs to and with which scores. It stands at
// the head of every document, so that replacing a shipment needs no look into the rest. Times are unix milliseconds.
type facts struct {
	seq                uint64
	member             string // "connection/order/package"
	account            shipment.AccountID
	state              shipment.State
	kind               shipment.Kind
	print              string
	queue              shipment.Queue
	tracking, ref      string
	since, shipped     int64
	shipBy, answer, at int64 // ship-by; the end of waiting for an answer; when a doubt was last asked about
	has                byte  // which of these three there are
}

const (
	hasShipBy = 1 << iota
	hasAnswer
	hasDoubt
)

func factsOf(seq uint64, s *shipment.Shipment) facts {
	f := facts{seq: seq, member: s.Key.String(), account: s.Account, state: s.State, kind: s.Kind, print: s.Fingerprint, queue: s.Queue(),
		tracking: s.Data.Tracking, ref: s.Data.Reference, since: s.Since.UnixMilli(), shipped: s.Data.ShippedAt.UnixMilli()}
	if !s.Data.ShipBy.IsZero() {
		f.shipBy, f.has = s.Data.ShipBy.UnixMilli(), f.has|hasShipBy
	}
	if s.State == shipment.Transmitting && s.Attempt != nil {
		f.answer, f.has = s.Attempt.AnswerBy.UnixMilli(), f.has|hasAnswer
	}
	if s.State == shipment.Doubt && !s.Sendable() {
		f.at, f.has = askedAt(s), f.has|hasDoubt
	}
	return f
}

// askedAt orders doubts: who was not asked about for the longest time comes first.
func askedAt(s *shipment.Shipment) int64 {
	switch {
	case s.Inquiry == nil:
		return s.Since.UnixMilli()
	case s.Inquiry.LastAsked.IsZero():
		return s.Inquiry.Since.UnixMilli()
	}
	return s.Inquiry.LastAsked.UnixMilli()
}

// deadline is the score of Shipment.Deadline.
func (f *facts) deadline() int64 {
	if f.has&hasShipBy != 0 {
		return f.shipBy
	}
	return f.shipped
}

// connection and order are the parts of the member.
func (f *facts) connection() string {
	c, _, _ := strings.Cut(f.member, "/")
	return c
}

func (f *facts) order() string {
	_, rest, _ := strings.Cut(f.member, "/")
	o, _, _ := strings.Cut(rest, "/")
	return o
}

// encode writes a document: its facts, then the shipment as JSON. The request body is dropped: it is large and only the
// ledger's counts.
func encode(f *facts, s shipment.Shipment) ([]byte, error) {
	if s.Attempt != nil && s.Attempt.Body != "" {
		a := *s.Attempt
		a.Body = ""
		s.Attempt = &a
	}
	body, err := wire.EncodeShipment(s)
	if err != nil {
		return nil, fmt.Errorf("view: %w", err)
	}
	b := make([]byte, 0, 160+len(f.tracking)+len(f.ref)+len(f.print)+len(body))
	b = binary.AppendUvarint(b, f.seq)
	b = append(b, f.has)
	for _, n := range [...]int64{f.since, f.shipped, f.shipBy, f.answer, f.at} {
		b = binary.AppendVarint(b, n)
	}
	for _, t := range [...]string{f.member, string(f.account), string(f.state), string(f.kind), f.print, string(f.queue), f.tracking, f.ref} {
		b = binary.AppendUvarint(b, uint64(len(t)))
		b = append(b, t...)
	}
	return append(b, body...), nil
}

var errTorn = errors.New("a shipment of the view is cut short")

// glance reads the facts of a document and returns what follows them.
func glance(doc string) (facts, string, error) {
	var f facts
	var ok bool
	if f.seq, doc, ok = uvarint(doc); !ok || doc == "" {
		return f, "", errTorn
	}
	f.has, doc = doc[0], doc[1:]
	for _, n := range [...]*int64{&f.since, &f.shipped, &f.shipBy, &f.answer, &f.at} {
		var u uint64
		if u, doc, ok = uvarint(doc); !ok {
			return f, "", errTorn
		}
		*n = int64(u>>1) ^ -int64(u&1) // as binary.AppendVarint folds the sign
	}
	var account, state, kind, queue string
	for _, t := range [...]*string{&f.member, &account, &state, &kind, &f.print, &queue, &f.tracking, &f.ref} {
		var n uint64
		if n, doc, ok = uvarint(doc); !ok || uint64(len(doc)) < n {
			return f, "", errTorn
		}
		*t, doc = doc[:n], doc[n:]
	}
	f.account, f.state, f.kind, f.queue = shipment.AccountID(account), shipment.State(state), shipment.Kind(kind), shipment.Queue(queue)
	return f, doc, nil
}

// uvarint reads what binary.AppendUvarint wrote, from a string.
func uvarint(s string) (v uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			return v, s[i+1:], true
		}
	}
	return 0, s, false
}

func decode(doc string) (Item, error) {
	f, body, err := glance(doc)
	if err != nil {
		return Item{}, err
	}
	s, err := wire.DecodeShipment([]byte(body))
	if err != nil {
		return Item{}, fmt.Errorf("%s of the view at ledger entry %d: %w", f.member, f.seq, err)
	}
	return Item{Seq: f.seq, Shipment: s}, nil
}
