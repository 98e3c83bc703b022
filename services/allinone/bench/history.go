package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

// past is a history to be written straight into a ledger, as the services would have written it.
type past struct {
	shipments int
	at        func(n int) time.Time      // when shipment n was reported
	end       func(n int) shipment.State // Pending: never tried; Deferred, Confirmed: tried once
}

// write appends the history, many shipments at once and several batches in preparation.
func (p past) write(ctx context.Context, l *ledger.Ledger) error {
	const page = 1000
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, 2*runtime.GOMAXPROCS(0))
	for i := range errs {
		wg.Go(func() {
			for from := int(next.Add(page)) - page; from < p.shipments && errs[i] == nil; from = int(next.Add(page)) - page {
				errs[i] = p.page(ctx, l, from, min(from+page, p.shipments))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// page appends one event after the other for shipments from to to.
func (p past) page(ctx context.Context, l *ledger.Ledger, from, to int) error {
	heads := make([]shipment.Entry, to-from)
	for _, step := range p.steps() {
		var drafts []ledger.Draft
		var of []int
		for i := range heads {
			ev := step(from+i, heads[i].After)
			if ev.Type == "" {
				continue
			}
			e, err := shipment.Record(heads[i].After, ev)
			if err != nil {
				return fmt.Errorf("write history: %w", err)
			}
			drafts, of = append(drafts, ledger.Draft{Expected: heads[i].Seq, Entry: e}), append(of, i)
		}
		for i, r := range l.AppendAll(ctx, drafts) {
			if r.Err != nil {
				return fmt.Errorf("write history: %w", r.Err)
			}
			heads[of[i]] = r.Entry
		}
	}
	return nil
}

// steps are the events of a shipment; one of no type does not happen to it.
func (p past) steps() []func(int, shipment.Shipment) shipment.Event {
	return []func(int, shipment.Shipment) shipment.Event{p.accepted, p.attempted, p.answered}
}

func (p past) accepted(n int, _ shipment.Shipment) shipment.Event {
	at := p.at(n)
	return shipment.Event{ID: "a" + strconv.Itoa(n), Type: shipment.Accepted, At: at, Actor: "intake", Key: keyOf(n), Account: "DE", To: shipment.Pending,
		Data: &shipment.Data{ShippedAt: at.Add(-time.Hour), ShipBy: at.Add(24 * time.Hour), Carrier: "DHL", Service: "Paket", Tracking: fmt.Sprintf("0034043400%010d", n),
			Items: []shipment.Item{{OrderItemID: item(n), Quantity: 1}}, LabelSource: shipment.LabelOwn, Reference: fmt.Sprintf("R-%09d", n), Source: "service"}}
}

func (p past) attempted(n int, _ shipment.Shipment) shipment.Event {
	if p.end(n) == shipment.Pending {
		return shipment.Event{}
	}
	at := p.at(n).Add(time.Minute)
	body := fmt.Sprintf(`{"marketplaceId":"A1PA6795UKMFR9","packageDetail":{"packageReferenceId":"1","carrierCode":"DHL","trackingNumber":"0034043400%010d","shipDate":%q,"orderItems":[{"orderItemId":%q,"quantity":1}]}}`,
		n, p.at(n).Format(time.RFC3339), item(n))
	sum := sha256.Sum256([]byte(body))
	return shipment.Event{ID: "b" + strconv.Itoa(n), Type: shipment.Attempted, At: at, Actor: "dispatcher", Run: "bench",
		Attempt: &shipment.Attempt{ID: "t" + strconv.Itoa(n), Run: "bench", Lease: 1, Transport: shipment.Confirm, At: at, AnswerBy: at.Add(12 * time.Second),
			Body: body, Hash: hex.EncodeToString(sum[:])}}
}

func (p past) answered(n int, s shipment.Shipment) shipment.Event {
	at := p.at(n).Add(time.Minute + time.Second)
	ev := shipment.Event{ID: "c" + strconv.Itoa(n), Type: shipment.Outcome, At: at, Actor: "dispatcher", Run: "bench", Attempt: s.Attempt, To: p.end(n),
		Answer: &shipment.Answer{At: at, Status: 204, RequestID: "3f2a1b4c-0000-4000-8000-" + fmt.Sprintf("%012d", n), Rule: "ok"}}
	switch p.end(n) {
	case shipment.Pending:
		return shipment.Event{}
	case shipment.Deferred:
		ev.Kind, ev.Print, ev.Answer.Status, ev.Answer.Rule = shipment.Transient, "503", 503, "unavailable"
	}
	return ev
}

func keyOf(n int) shipment.Key { return shipment.Key{Connection: "EU", Order: order(n), Package: "1"} }
