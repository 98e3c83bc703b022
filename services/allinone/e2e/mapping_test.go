package e2e

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// console starts a console and returns a client of its API with the role operator.
func (b *bed) console() *client.ClientWithResponses {
	b.t.Helper()
	const token = "operator-of-the-test-bed"
	l := must(net.Listen("tcp", "127.0.0.1:0"))(b.t)
	c := must(console.New(b.t.Context(), console.Config{NATS: b.server.Connect(b.t), Redis: b.redis, Listener: l, Tokens: []console.Token{{Name: "anna", Role: "operator", Token: token}}}))(b.t)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("console: %v", err)
		}
	})
	return must(client.Open("http://"+l.Addr().String(), token, nil))(b.t)
}

// TestOneDefectOneMessageOneFix: five thousand shipments go with a carrier that the mapping does not know. Few requests find
// that out, one message says so, one line of the mapping and the message's button send all of them.
func TestOneDefectOneMessageOneFix(t *testing.T) {
	const n = 5000
	b := newBed(t, redistest.Real(t))
	quota := func(rate float64, burst int) func(*settings.Connection) { // Amazon's while the defect is unknown: what runs ahead of the answers is spent in vain
		return func(c *settings.Connection) { c.Limits.ConfirmRate, c.Limits.ConfirmBurst = rate, burst }
	}
	b.configure(quota(2, 10))
	if err := b.sim.SetQuota(amazonsim.Quota{Operation: amazonsim.OpConfirmShipment, Rate: 5000, Burst: 2000}); err != nil {
		t.Fatal(err)
	}
	b.dispatch("one")
	api := b.console()
	var events []event.Event
	for i := range n {
		id, item := shipped(i+1).Order, fmt.Sprintf("%014d", i+1)
		if err := b.sim.AddOrders(amazonsim.Order{ID: id, Items: []amazonsim.Item{{ID: item, Quantity: 1}}}); err != nil {
			t.Fatal(err)
		}
		events = append(events, event.New(event.TypeShipped, uuid.NewString(), "/test", time.Now(), event.Shipped{Account: string(account), Order: id, ShippedAt: event.Time{Time: time.Now().Add(-time.Hour)},
			Carrier: "HERMEZ", Tracking: fmt.Sprintf("%014d", i+1), Items: []shipment.Item{{OrderItemID: item, Quantity: 1}}, Label: shipment.LabelOwn, Source: "service"}))
		if len(events) == 1000 {
			must(b.door.Submit(t.Context(), events))(t)
			events = nil
		}
	}
	b.until("all are taken in", func(c map[shipment.State]int) bool { return c[shipment.Pending] == n })
	b.run()
	raised := func() (found []client.Message) {
		r, err := api.ListMessagesWithResponse(t.Context())
		if err != nil || r.JSON200 == nil {
			return nil
		}
		for _, m := range r.JSON200.Messages {
			if m.Kind == client.MessageKindTransmissionFailed {
				found = append(found, m)
			}
		}
		return found
	}
	natstest.Until(t, time.Minute, "a message is raised", func() bool { return len(raised()) == 1 })
	m, spent := raised()[0], len(b.sim.Record())
	t.Logf("%d shipments: %d requests, 1 message: %d deferred and %d held back", n, spent, m.Count, *m.Held)
	if spent > 60 || m.Count+*m.Held != n {
		t.Errorf("%d requests were spent; the message speaks of %d + %d", spent, m.Count, *m.Held)
	}
	b.configure(quota(5000, 1000)) // so that it takes seconds
	mapped := must(api.MapCarrierWithResponse(t.Context(), string(account), client.MapCarrierRequest{Carrier: "HERMEZ", CarrierCode: "Hermes", Comment: "misspelt"}))(t)
	if mapped.JSON200 == nil {
		t.Fatalf("map the carrier: %d %s", mapped.StatusCode(), mapped.Body)
	}
	pressed := must(api.SendMessageWithResponse(t.Context(), m.Id, client.SendMessageRequest{}))(t)
	if pressed.JSON202 == nil {
		t.Fatalf("press the button: %d %s", pressed.StatusCode(), pressed.Body)
	}
	natstest.Until(t, 4*time.Minute, "all are confirmed", func() bool {
		done := 0
		_, err := b.ledger.Heads(t.Context(), connection, func(e shipment.Entry) error {
			if e.After.State == shipment.Confirmed {
				done++
			}
			return nil
		})
		return err == nil && done == n
	})
	natstest.Until(t, time.Minute, "the message is cleared", func() bool { return len(raised()) == 0 })
}
