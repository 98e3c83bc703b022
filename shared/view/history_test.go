package view_test

import (
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/shipment"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// history is a ledger in memory.
type history struct {
	entries []shipment.Entry
	heads   map[shipment.Key]shipment.Entry
	now     time.Time
}

func newHistory() *history {
	return &history{heads: map[shipment.Key]shipment.Entry{}, now: noon}
}

// add records an event on top of a shipment's head; what the state table refuses is left out.
func (h *history) add(k shipment.Key, e shipment.Event) (shipment.Entry, bool) {
	e.ID, e.At, e.Actor = fmt.Sprint("e", len(h.entries)+1), h.now, "test"
	entry, err := shipment.Record(h.heads[k].After, e)
	var no *shipment.Refusal
	if errors.As(err, &no) {
		return entry, false
	}
	entry.Seq = uint64(len(h.entries) + 1)
	h.entries = append(h.entries, entry)
	h.heads[k] = entry
	return entry, true
}

func key(order, pkg int) shipment.Key {
	return shipment.Key{Connection: shipment.ConnectionID(fmt.Sprint("C", order%2)), Order: fmt.Sprintf("302-%07d-0000001", order), Package: fmt.Sprint(pkg)}
}

func account(k shipment.Key) shipment.AccountID {
	return shipment.AccountID("A" + k.Order[9:11] + string(k.Connection))
}

// accept is the first event of a shipment.
func accept(k shipment.Key, d shipment.Data) shipment.Event {
	return shipment.Event{Type: shipment.Accepted, Key: k, Account: account(k), Data: &d, To: shipment.Pending}
}

func data(t *rapid.T) shipment.Data {
	hour := func(name string, from int) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(from, from+4).Draw(t, name)) * time.Hour)
	}
	d := shipment.Data{ShippedAt: hour("shipped", -9), Carrier: rapid.SampledFrom([]string{"DHL", "DPD"}).Draw(t, "carrier")}
	if rapid.Bool().Draw(t, "hasShipBy") {
		d.ShipBy = hour("shipBy", -2)
	}
	d.Tracking = rapid.SampledFrom([]string{"", "00340434", "jd01", "JD01 "}).Draw(t, "tracking")
	d.Reference = rapid.SampledFrom([]string{"", "R-1", "R-2"}).Draw(t, "reference")
	return d
}

var (
	outcomes = []shipment.State{shipment.Confirmed, shipment.Deferred, shipment.Deferred, shipment.Doubt, shipment.NotRequired, shipment.Closed}
	kinds    = []shipment.Kind{shipment.Transient, shipment.Rejected, shipment.Incomplete, shipment.Throttled}
	steps    = []shipment.Type{
		shipment.Attempted, shipment.Attempted, shipment.Attempted, shipment.Outcome, shipment.Outcome, shipment.Outcome, shipment.Released,
		shipment.Doubted, shipment.Aged, shipment.Exclude, shipment.Include, shipment.Requeued, shipment.Amended, shipment.Noted, shipment.Found, shipment.CloseEvent,
	}
)

// event draws a next event for a shipment, which may be one that is not possible there.
func event(t *rapid.T, h *history, k shipment.Key) shipment.Event {
	s := h.heads[k].After
	if !s.Exists() {
		return accept(k, data(t))
	}
	e := shipment.Event{Type: rapid.SampledFrom(steps).Draw(t, "type")}
	switch e.Type {
	case shipment.Attempted:
		n := len(h.entries)
		e.Attempt = &shipment.Attempt{
			ID: fmt.Sprint("a", n), Run: "r", Lease: uint64(rapid.IntRange(1, 4).Draw(t, "lease")), Transport: shipment.Confirm, Body: "the body",
			Hash: "h", At: h.now, AnswerBy: h.now.Add(time.Minute), Correction: rapid.Bool().Draw(t, "correction"),
		}
	case shipment.Outcome, shipment.Released:
		e.Attempt = s.Attempt
		e.To = rapid.SampledFrom(outcomes).Draw(t, "to")
		if e.To == shipment.Deferred {
			e.Kind = rapid.SampledFrom(kinds).Draw(t, "kind")
			e.Print = rapid.SampledFrom([]string{"", "carrier|x", "503"}).Draw(t, "print")
			e.Answer = &shipment.Answer{Status: 400}
		}
	case shipment.Requeued:
		e.Waiver = rapid.Bool().Draw(t, "waiver")
	case shipment.Amended:
		d := data(t)
		e.Data = &d
	case shipment.Found:
		e.To = rapid.SampledFrom(append(outcomes, "")).Draw(t, "found")
		if e.To == shipment.Deferred {
			e.Kind = shipment.Transient
		} else if e.To == shipment.Confirmed {
			e.Kind = shipment.Elsewhere
		}
		e.Settled = rapid.Bool().Draw(t, "settled")
	case shipment.CloseEvent:
		e.Kind = shipment.Cancelled
	}
	return e
}

// grow lets n things happen.
func grow(t *rapid.T, h *history, n int) {
	for range n {
		h.now = h.now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "minutes")) * time.Minute)
		k := key(rapid.IntRange(1, 5).Draw(t, "order"), rapid.IntRange(1, 2).Draw(t, "package"))
		h.add(k, event(t, h, k))
	}
}

// feed gives the newest entry of every shipment, oldest first.
func (h *history) feed(visit func(shipment.Entry) error) (uint64, error) {
	for _, e := range h.entries {
		if h.heads[e.After.Key].Seq == e.Seq {
			if err := visit(e); err != nil {
				return 0, err
			}
		}
	}
	return uint64(len(h.entries)), nil
}
