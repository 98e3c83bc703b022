package view

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/fertig-project/fertig/shared/shipment"
)

// mark is one membership of a shipment in a sorted set of an image.
type mark struct{ set, member string }

// marks lists where a shipment belongs, with its score there. Leaving a state is the difference of two such lists, so
// no set can keep a stale member.
func marks(s shipment.Shipment) map[mark]int64 {
	member := s.Key.String()
	out := make(map[mark]int64, 12)
	add := func(set string, score int64) { out[mark{set, member}] = score }

	for _, c := range cells(s) {
		name := cellKey(c)
		for _, by := range sorts {
			add(cellSet(name, by), by.score(s))
		}
	}
	if q := s.Queue(); q != shipment.NotQueued {
		add(queueSet(s.Account, q), s.Deadline().UnixMilli())
	}
	if _, ok := s.AgesAt(1); ok {
		add(agingSet(s.Account), s.Data.ShippedAt.UnixMilli())
	}
	if s.State.Flagged() && !s.Data.ShipBy.IsZero() {
		add(dueSet(s.Account), s.Data.ShipBy.UnixMilli())
	}
	if s.State == shipment.Transmitting && s.Attempt != nil {
		add(sendingSet(s.Connection), s.Attempt.AnswerBy.UnixMilli())
		add(leaseSet(s.Connection), int64(s.Attempt.Lease))
	}
	if s.State == shipment.Doubt && !s.Sendable() {
		add(doubtSet(s.Connection), askedAt(s))
	}
	for _, l := range [...][2]string{{byOrder, s.Order}, {byTracking, s.Data.Tracking}, {byReference, s.Data.Reference}} {
		if strings.TrimSpace(l[1]) != "" {
			set, prefix := lookup(l[0], l[1])
			out[mark{set, prefix + "\x00" + member}] = 0
		}
	}
	return out
}

// askedAt orders doubts: who was not asked about for the longest time comes first.
func askedAt(s shipment.Shipment) int64 {
	switch {
	case s.Inquiry == nil:
		return s.Since.UnixMilli()
	case s.Inquiry.LastAsked.IsZero():
		return s.Inquiry.Since.UnixMilli()
	}
	return s.Inquiry.LastAsked.UnixMilli()
}

// cells lists the cells a shipment counts in: its state, its kind, its fingerprint.
func cells(s shipment.Shipment) []Cell {
	c := Cell{Account: s.Account, State: s.State}
	out := []Cell{c}
	if s.Kind != "" {
		c.Kind = s.Kind
		out = append(out, c)
	}
	if s.Fingerprint != "" {
		c.Kind, c.Fingerprint = s.Kind, s.Fingerprint
		out = append(out, c)
	}
	return out
}

// encode writes a shipment for the docs hash. The request body is dropped: it is large and only the ledger's counts.
func encode(it Item) (string, error) {
	s := it.Shipment
	if s.Attempt != nil && s.Attempt.Body != "" {
		a := *s.Attempt
		a.Body = ""
		s.Attempt = &a
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("encode shipment %s for the view: %w", s.Key, err)
	}
	return strconv.FormatUint(it.Seq, 10) + " " + string(b), nil
}

func decode(doc string) (Item, error) {
	head, body, _ := strings.Cut(doc, " ")
	seq, err := strconv.ParseUint(head, 10, 64)
	if err != nil {
		return Item{}, fmt.Errorf("decode a shipment of the view: %w", err)
	}
	it := Item{Seq: seq}
	if err := json.Unmarshal([]byte(body), &it.Shipment); err != nil {
		return Item{}, fmt.Errorf("decode a shipment of the view at ledger entry %d: %w", seq, err)
	}
	return it, nil
}
