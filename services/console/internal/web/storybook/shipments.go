package storybook

import (
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/shipment"
)

const noCarrier = `Invalid Input: InvalidCarrier: carrier code "Hermes" with name "Hermes" is not supported for this marketplace.`

// shipments returns one shipment in every state and kind, and a few more.
func shipments() []shipment.Shipment {
	base := func(n int, st shipment.State, kind shipment.Kind) shipment.Shipment {
		s := shipment.Shipment{Key: key(n), Account: "DE", State: st, Kind: kind, AcceptedAt: ago(5 * time.Hour), Since: ago(9 * time.Minute), LastRun: "run-1",
			Data: shipment.Data{ShippedAt: ago(6 * time.Hour), ShipBy: Now.Add(time.Duration(n*3-4) * time.Hour), Carrier: "DHL", Service: "Paket", Tracking: "00340434161094042557",
				LabelSource: shipment.LabelOwn, Reference: "B-100" + string(rune('0'+n%10)), Source: "api"}}
		if st != shipment.Pending && st != shipment.Expired {
			s.Attempts, s.Answered, s.EverSent = 1, true, true
		}
		return s
	}
	answer := func(s shipment.Shipment, status int, code, text, rule, field string) shipment.Shipment {
		s.Answer = &shipment.Answer{At: s.Since, Status: status, Code: code, Message: text, RequestID: "6f9c1f0e-7a55-4f0c-9d0b-2f8f3d1c5e11", Rule: rule, Field: field}
		return s
	}
	attempt := func(s shipment.Shipment) shipment.Shipment {
		s.Attempt = &shipment.Attempt{ID: "a1", N: 1, Run: "run-1", Transport: shipment.Confirm, At: s.Since, AnswerBy: Now.Add(time.Minute),
			Body: `{"marketplaceId":"A1PA6795UKMFR9","packageDetail":{"packageReferenceId":"1","carrierCode":"DHL"}}`, Hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
		return s
	}
	rejected := answer(base(1, shipment.Deferred, shipment.Rejected), 400, "InvalidInput", noCarrier, "carrier-unsupported", "carrier")
	rejected.Data.Carrier, rejected.Attempts = "Hermes", 2
	tracking := answer(base(2, shipment.Deferred, shipment.Rejected), 400, "InvalidInput", "Invalid Input: Enter a valid tracking ID.", "tracking-invalid", "tracking")
	tracking.Changed = true
	transient := answer(base(3, shipment.Deferred, shipment.Transient), 503, "ServiceUnavailable", "Service is temporarily unavailable. Please try again later.", "unavailable", "")
	throttled := answer(base(4, shipment.Deferred, shipment.Throttled), 429, "QuotaExceeded", "You exceeded your quota for the requested resource.", "throttled", "")
	incomplete := base(5, shipment.Deferred, shipment.Incomplete)
	incomplete.Data.Tracking, incomplete.Attempts, incomplete.Answered, incomplete.EverSent = "", 0, false, false
	transmitting := attempt(base(6, shipment.Transmitting, ""))
	doubt := attempt(base(7, shipment.Doubt, ""))
	doubt.Inquiry = &shipment.Inquiry{Since: doubt.Since}
	expired := base(8, shipment.Expired, "")
	expired.Data.ShippedAt, expired.Data.ShipBy = ago(8*24*time.Hour), ago(7*24*time.Hour)
	excluded := base(9, shipment.Excluded, "")
	confirmed := answer(base(10, shipment.Confirmed, ""), 204, "", "", "confirmed", "")
	elsewhere := base(11, shipment.Confirmed, shipment.Elsewhere)
	unneeded := base(12, shipment.NotRequired, "")
	unneeded.Data.LabelSource = shipment.LabelAmazon
	closed := base(13, shipment.Closed, shipment.Cancelled)
	second := base(14, shipment.Pending, "")
	second.Package, second.Data.Service, second.Account = "2", "", "FR"
	return []shipment.Shipment{base(0, shipment.Pending, ""), rejected, tracking, transient, throttled, incomplete, transmitting, doubt, expired, excluded,
		confirmed, elsewhere, unneeded, closed, second}
}

// history is a story that ends in s.
func history(s shipment.Shipment) []shipment.Entry {
	before := s
	before.State, before.Kind, before.Answer = shipment.Pending, "", nil
	sent := s
	sent.State, sent.Kind, sent.Attempts = shipment.Transmitting, "", 1
	sent.Attempt = &shipment.Attempt{ID: "a1", N: 1, Run: "run-1", At: ago(9 * time.Minute), Hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Body: `{"marketplaceId":"A1PA6795UKMFR9","packageDetail":{"packageReferenceId":"1","carrierCode":"` + s.Data.Carrier + `","trackingNumber":"` + s.Data.Tracking + `"}}`}
	h := []shipment.Entry{
		{ID: "e1", Type: shipment.Accepted, At: s.AcceptedAt, Actor: "erp", After: before},
		{ID: "e2", Type: shipment.Amended, At: ago(2 * time.Hour), Actor: "Anna Krüger", Comment: "Zahlendreher auf dem Paketschein", After: before,
			Changes: []shipment.Change{{Field: "trackingNumber", Old: "00340434161094042556", New: "00340434161094042557"}}},
	}
	if s.Attempts == 0 {
		return h
	}
	h = append(h, shipment.Entry{ID: "e3", Type: shipment.Attempted, At: ago(9 * time.Minute), Actor: "dispatcher", Run: "run-1", After: sent})
	switch s.State {
	case shipment.Doubt:
		h = append(h, shipment.Entry{ID: "e4", Type: shipment.Doubted, At: ago(8 * time.Minute), Actor: "dispatcher", After: s})
	case shipment.Transmitting:
	case shipment.Excluded:
		h = append(h, shipment.Entry{ID: "e4", Type: shipment.Exclude, At: ago(8 * time.Minute), Actor: "Anna Krüger", Comment: "Kunde hat abgeholt", After: s})
	case shipment.Closed:
		h = append(h, shipment.Entry{ID: "e4", Type: shipment.CloseEvent, At: ago(8 * time.Minute), Actor: "Anna Krüger", Comment: "Storno 4711", After: s})
	default:
		h = append(h, shipment.Entry{ID: "e4", Type: shipment.Outcome, At: ago(8 * time.Minute), Actor: "dispatcher", Run: "run-1", After: s})
	}
	return h
}

func rows(in []shipment.Shipment) []page.Row {
	out := make([]page.Row, len(in))
	for i, s := range in {
		out[i] = page.NewRow(s, Now, Zone, 7)
	}
	return out
}
