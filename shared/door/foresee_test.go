package door

import (
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func said(ps []Problem) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Field+": "+p.Text)
	}
	return strings.Join(out, "; ")
}

func TestCarriersAreForeseen(t *testing.T) {
	a := settings.Account{Mapping: settings.Mapping{Rules: []settings.MapRule{{Carrier: "DHL*", CarrierCode: "DHL"}}}}
	for _, row := range []struct{ carrier, tracking, want string }{
		{"DHL Paket", "00340434161094042557", ""},
		{"DHL Paket", "X1", "trackingNumber: "},
		{"HERMEZ", "12345678901234", "carrier: \"HERMEZ\""},
		{"UPS", "1Z999AA10123456784", ""},
		{"UPS", "12", "trackingNumber: "},
		{"", "12", ""}, // missing is said elsewhere
	} {
		got := said(carrierWarnings(shipment.Data{Carrier: row.carrier, Tracking: row.tracking}, a))
		if (row.want == "") != (got == "") || !strings.HasPrefix(got, row.want) {
			t.Errorf("%s %s: %q, want %q", row.carrier, row.tracking, got, row.want)
		}
	}
}

func TestOrdersAreForeseen(t *testing.T) {
	o := orders.Order{Status: orders.Unshipped, Items: []orders.Item{{ID: "a", Ordered: 2, Unfulfilled: 2}}, AsOf: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	with := func(s orders.Status) orders.Order { x := o; x.Status = s; return x }
	items := func(id string, n int) shipment.Data {
		return shipment.Data{Items: []shipment.Item{{OrderItemID: id, Quantity: n}}}
	}
	for _, row := range []struct {
		name string
		d    shipment.Data
		o    orders.Order
		want string
	}{
		{"fits", items("a", 2), o, ""},
		{"whole", shipment.Data{}, o, ""},
		{"too many", items("a", 3), o, "items[0].quantity: 3 units are reported, 2 were open"},
		{"another item", items("b", 1), o, "items[0].orderItemId: "},
		{"cancelled", items("a", 1), with(orders.Cancelled), "amazonOrderId: the order is cancelled"},
		{"shipped", items("a", 1), with(orders.Shipped), "amazonOrderId: the order is no longer open"},
		{"not open", items("a", 1), with(orders.NotOpen), "amazonOrderId: the order is no longer open"},
		{"not paid", items("a", 1), with(orders.Pending), "amazonOrderId: Amazon has not confirmed the payment"},
	} {
		got := said(orderWarnings(row.d, row.o))
		if (row.want == "") != (got == "") || !strings.HasPrefix(got, row.want) || got != "" && !strings.Contains(got, "2026-11-20T12:00:00Z") {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}
