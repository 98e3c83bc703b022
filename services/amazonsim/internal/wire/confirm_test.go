package wire

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const whole = `{"marketplaceId":"A1PA6795UKMFR9","codCollectionMethod":"DirectPayment","packageDetail":{
 "packageReferenceId":"12","carrierCode":"Other","carrierName":"Evri","shippingMethod":"Next Day","trackingNumber":"T1",
 "shipDate":"2026-11-02T09:00:00.000+01:00","shipFromSupplySourceId":"s",
 "orderItems":[{"orderItemId":"11111111111111","quantity":2,"transparencyCodes":["a","b"]}]}}`

func TestWholeBody(t *testing.T) {
	c, problem := ParseConfirmation([]byte(whole))
	p := c.Package
	if problem != nil || c.MarketplaceID != "A1PA6795UKMFR9" || p.PackageReferenceID != "12" || p.CarrierCode != "Other" ||
		p.CarrierName != "Evri" || p.ShippingMethod != "Next Day" || p.TrackingNumber != "T1" ||
		!p.ShipDate.Equal(time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)) {
		t.Fatalf("got %+v %v", c, problem)
	}
	if i := p.Items[0]; len(p.Items) != 1 || i.OrderItemID != "11111111111111" || i.Quantity != 2 ||
		!slices.Equal(i.TransparencyCodes, []string{"a", "b"}) {
		t.Fatalf("got %+v", p.Items)
	}
}

func TestPathsOfWrongTypes(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`"A1PA6795UKMFR9"`, `1`, "marketplaceId"},
		{`"DirectPayment"`, `{}`, "codCollectionMethod"},
		{`"Evri"`, `[]`, "packageDetail.carrierName"},
		{`"s"`, `true`, "packageDetail.shipFromSupplySourceId"},
		{`{"orderItemId":"11111111111111","quantity":2,"transparencyCodes":["a","b"]}`, `3`, "packageDetail.orderItems[0]"},
		{`["a","b"]`, `"a"`, "packageDetail.orderItems[0].transparencyCodes"},
		{`["a","b"]`, `["a",1]`, "packageDetail.orderItems[0].transparencyCodes[1]"},
		{`"quantity":2`, `"quantity":1e99`, "packageDetail.orderItems[0].quantity"},
	} {
		_, problem := ParseConfirmation([]byte(strings.Replace(whole, c.old, c.new, 1)))
		if problem == nil || problem.Form != WrongType || !slices.Equal(problem.Fields, []string{c.want}) {
			t.Errorf("%s: got %+v", c.want, problem)
		}
	}
}

func TestPackageReferences(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "007": true, strings.Repeat("9", 20): true,
		"": false, "0": false, "00": false, "+1": false, "1.0": false, "1 ": false, "١": false, strings.Repeat("9", 21): false,
	} {
		if positiveNumber(text) != want {
			t.Errorf("positiveNumber(%q) is %v", text, !want)
		}
	}
}

// Whatever arrives, the parser answers; and what it lets through is fit to be put into an order.
func FuzzParseConfirmation(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"packageDetail":{"orderItems":{}}}`))
	f.Add([]byte(`{"marketplaceId":null,"packageDetail":{"packageReferenceId":1,"orderItems":[null,1,{"quantity":-1e30}]}}`))
	f.Add([]byte(`[[[[`))
	f.Add([]byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, problem := ParseConfirmation(body)
		if problem != nil {
			if (problem.Form == WrongType) != (len(problem.Fields) > 0) {
				t.Fatalf("problem %+v", problem)
			}
			return
		}
		p := c.Package
		if c.MarketplaceID == "" || !positiveNumber(p.PackageReferenceID) || p.CarrierCode == "" ||
			p.TrackingNumber == "" || p.ShipDate.IsZero() || len(p.Items) == 0 {
			t.Fatalf("let through: %+v", c)
		}
		for _, item := range p.Items {
			if item.OrderItemID == "" || item.Quantity < 1 {
				t.Fatalf("let through: %+v", item)
			}
		}
	})
}
