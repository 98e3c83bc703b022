package attempt

import (
	"fmt"
	"time"

	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Confirmation is what would be sent, in Amazon's words.
type Confirmation struct {
	Marketplace string
	Package     string
	Carrier     settings.Mapped
	Tracking    string
	ShipDate    time.Time
	Items       []shipment.Item
}

// Incomplete says which field is missing or unusable before anything can be sent.
type Incomplete struct {
	Field string // trackingNumber, carrier, items ...
	Text  string
}

func (e *Incomplete) Error() string { return fmt.Sprintf("%s %s", e.Field, e.Text) }

// Items returns the items to send and whether they are known: the sender's, else those read from Amazon earlier unless
// Amazon's last answer blamed them.
func Items(s shipment.Shipment) ([]shipment.Item, bool) {
	if len(s.Data.Items) > 0 {
		return s.Data.Items, true
	}
	blamed := s.Answer != nil && s.Answer.Field == "items"
	return s.Resolved, len(s.Resolved) > 0 && !blamed
}

// Compose puts a confirmation together with the account's mapping as it is now. It fails with *Incomplete.
func Compose(s shipment.Shipment, a settings.Account, country string, items []shipment.Item, now time.Time) (Confirmation, error) {
	if s.Data.Tracking == "" {
		return Confirmation{}, &Incomplete{"trackingNumber", "is missing"}
	}
	if s.Data.Carrier == "" {
		return Confirmation{}, &Incomplete{"carrier", "is missing"}
	}
	if len(items) == 0 {
		return Confirmation{}, &Incomplete{"items", "are missing: the order has none left to ship"}
	}
	carrier, _ := a.Mapping.Map(s.Data.Carrier, s.Data.Service, country)
	date := s.Data.ShippedAt
	if date.After(now) { // a date without time stands for the end of that day, which Amazon need not accept yet
		date = now
	}
	return Confirmation{Marketplace: a.Marketplace, Package: s.Package, Carrier: carrier, Tracking: s.Data.Tracking, ShipDate: date, Items: items}, nil
}
