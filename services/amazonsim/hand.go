package amazonsim

import (
	"fmt"
	"net/http"
	"time"
)

// ShipByHand does what a seller does in Seller Central, or what a label bought from Amazon brings about: all units left of an
// order are in a package with a reference of Amazon's own, now.
func (s *Simulator) ShipByHand(orderID, carrierCode, trackingNumber string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, now, err := s.order(orderID)
	if err != nil {
		return err
	}
	if len(o.unitsLeft()) == 0 || o.Status != Unshipped && o.Status != PartiallyShipped {
		return fmt.Errorf("ship order %s: it is %s", orderID, o.Status)
	}
	p := Package{Reference: fmt.Sprintf("AMZN-%s-%d", orderID, len(o.Packages)+1), Carrier: orElse(carrierCode, "DHL"), TrackingNumber: trackingNumber,
		ShipDate: now, CreatedAt: now, Status: "SHIPPED", Items: o.unitsLeft(), Origin: OriginAmazon}
	o.put(p, now, time.Duration(s.world.set.ReadDelay))
	s.world.noteTracking(o, p)
	return nil
}

// Cancel cancels an order that is not completely shipped: by BUYER, MERCHANT or AMAZON.
func (s *Simulator) Cancel(orderID, by string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, now, err := s.order(orderID)
	if err != nil {
		return err
	}
	if by = orElse(by, "BUYER"); by != "BUYER" && by != "MERCHANT" && by != "AMAZON" {
		return fmt.Errorf("cancel order %s: by is %q: use BUYER, MERCHANT or AMAZON", orderID, by)
	}
	if o.Status == Shipped || o.Status == Cancelled {
		return fmt.Errorf("cancel order %s: it is %s", orderID, o.Status)
	}
	o.Status, o.CancelledBy, o.UpdatedAt = Cancelled, by, now
	o.publish(now, time.Duration(s.world.set.ReadDelay))
	return nil
}

// order finds an order as it is now; s.mu must be held.
func (s *Simulator) order(id string) (*orderState, time.Time, error) {
	o, now := s.world.orders[id], s.clock()
	if o == nil {
		return nil, now, fmt.Errorf("there is no order %s: load it with POST /admin/orders", id)
	}
	s.world.settle(o, now)
	return o, now, nil
}

func (s *Simulator) adminShip(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Carrier        string `json:"carrier"`
		TrackingNumber string `json:"trackingNumber"`
	}
	done(w, readThen(w, r, &in, func() error { return s.ShipByHand(r.PathValue("orderId"), in.Carrier, in.TrackingNumber) }))
}

func (s *Simulator) adminCancel(w http.ResponseWriter, r *http.Request) {
	var in struct {
		By string `json:"by"`
	}
	done(w, readThen(w, r, &in, func() error { return s.Cancel(r.PathValue("orderId"), in.By) }))
}
