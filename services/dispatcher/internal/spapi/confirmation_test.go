package spapi

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
)

func TestConfirmationBodyIsGolden(t *testing.T) {
	const want = `{"marketplaceId":"A1PA6795UKMFR9","packageDetail":{"packageReferenceId":"1","carrierCode":"DHL","shippingMethod":"Paket <klein>",` +
		`"trackingNumber":"00340434161094021501","shipDate":"2026-11-20T13:03:00.000Z","orderItems":[` +
		`{"orderItemId":"20212345678901","quantity":1,"transparencyCodes":["A","B"]},{"orderItemId":"20212345678902","quantity":2}]}}`
	if got := string(someBody(t)); got != want {
		t.Errorf("body\n%s, want\n%s", got, want)
	}
	swapped := someConfirmation()
	swapped.Items[0], swapped.Items[1] = swapped.Items[1], swapped.Items[0]
	swapped.ShipDate = swapped.ShipDate.UTC().Add(999 * time.Microsecond)
	got, err := EncodeConfirmation(swapped)
	if err != nil || string(got) != want {
		t.Errorf("the same confirmation said differently: %s, %v", got, err)
	}
	if someConfirmation().Items[0].OrderItemID != "20212345678902" {
		t.Error("the caller's items were sorted")
	}
}

func TestConfirmationNamesTheFieldAmazonWouldRefuse(t *testing.T) {
	long := strings.Repeat("x", 51)
	rows := []struct {
		field, path string
		spoil       func(*Confirmation)
	}{
		{outcome.FieldOrder, "marketplaceId", func(c *Confirmation) { c.MarketplaceID = "DE" }},
		{outcome.FieldPackageReference, "packageReferenceId", func(c *Confirmation) { c.PackageReferenceID = "" }},
		{outcome.FieldPackageReference, "packageReferenceId", func(c *Confirmation) { c.PackageReferenceID = "01" }},
		{outcome.FieldPackageReference, "packageReferenceId", func(c *Confirmation) { c.PackageReferenceID = "PKG001" }},
		{outcome.FieldPackageReference, "packageReferenceId", func(c *Confirmation) { c.PackageReferenceID = "1\n" }},
		{outcome.FieldPackageReference, "packageReferenceId", func(c *Confirmation) { c.PackageReferenceID = strings.Repeat("1", 21) }},
		{outcome.FieldCarrier, "carrierCode", func(c *Confirmation) { c.CarrierCode = "" }},
		{outcome.FieldCarrier, "carrierCode", func(c *Confirmation) { c.CarrierCode = "DHL " }},
		{outcome.FieldCarrier, "carrierName", func(c *Confirmation) { c.CarrierCode = "Other" }},
		{outcome.FieldCarrier, "carrierName", func(c *Confirmation) { c.CarrierName = long }},
		{outcome.FieldMethod, "shippingMethod", func(c *Confirmation) { c.ShippingMethod = long }},
		{outcome.FieldTracking, "trackingNumber", func(c *Confirmation) { c.TrackingNumber = "" }},
		{outcome.FieldTracking, "trackingNumber", func(c *Confirmation) { c.TrackingNumber = "12 34" }},
		{outcome.FieldTracking, "trackingNumber", func(c *Confirmation) { c.TrackingNumber = "12\u200034" }},
		{outcome.FieldTracking, "trackingNumber", func(c *Confirmation) { c.TrackingNumber = "12\xff34" }},
		{outcome.FieldTracking, "trackingNumber", func(c *Confirmation) { c.TrackingNumber = "12\x0034" }},
		{outcome.FieldTracking, "trackingNumber", func(c *Confirmation) { c.TrackingNumber = long }},
		{outcome.FieldShipDate, "shipDate", func(c *Confirmation) { c.ShipDate = time.Time{} }},
		{outcome.FieldShipDate, "shipDate", func(c *Confirmation) { c.ShipDate = time.Date(20266, 1, 1, 0, 0, 0, 0, time.UTC) }},
		{outcome.FieldItems, "orderItems", func(c *Confirmation) { c.Items = nil }},
		{outcome.FieldItems, "orderItems[1].orderItemId", func(c *Confirmation) { c.Items[1].OrderItemID = "" }},
		{outcome.FieldItems, "orderItems[1].orderItemId", func(c *Confirmation) { c.Items[1].OrderItemID = c.Items[0].OrderItemID }},
		{outcome.FieldItems, "orderItems[0].quantity", func(c *Confirmation) { c.Items[0].Quantity = 0 }},
		{outcome.FieldItems, "orderItems[1].transparencyCodes", func(c *Confirmation) { c.Items[1].TransparencyCodes = []string{""} }},
	}
	for _, row := range rows {
		c := someConfirmation()
		row.spoil(&c)
		body, err := EncodeConfirmation(c)
		var refused *FieldError
		if body != nil || !errors.As(err, &refused) || refused.Field != row.field || !strings.HasSuffix(refused.Path, row.path) || refused.Remedy.DE == "" || !strings.Contains(err.Error(), refused.Remedy.EN) {
			t.Errorf("%s: %s, %v", row.path, body, err)
		}
	}
	other := someConfirmation()
	other.CarrierCode, other.CarrierName = "Other", "Kurier Müller & Söhne"
	if body, err := EncodeConfirmation(other); err != nil || !strings.Contains(string(body), `"carrierCode":"Other","carrierName":"Kurier Müller & Söhne"`) {
		t.Errorf("other carrier: %s, %v", body, err)
	}
}

func TestConfigNamesEveryWrongField(t *testing.T) {
	_, err := New(Config{Region: Europe, Marketplaces: []string{someMarket, "ATVPDKIKX0DER", "X"}, Endpoint: "ftp://x", TokenEndpoint: "http://x/?secret=1", AppName: strings.Repeat("x", 500)})
	for _, want := range []string{"ATVPDKIKX0DER (US) belongs to region NA, but the connection to region EU", `"X" is unknown`, "endpoint must", "tokenEndpoint must", "credentials", "appName"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
	if _, err := New(Config{Region: "mars"}); err == nil || !strings.Contains(err.Error(), `region "mars" is unknown`) {
		t.Errorf("error %v", err)
	}
	for _, m := range settings.Marketplaces {
		if r := Region(m.Region); r.Serves(m.ID) != nil || !strings.HasPrefix(r.Endpoint(), "https://sellingpartnerapi-") {
			t.Errorf("%s: %v", m.Country, err)
		}
	}
	c := newClient(t, newAmazon(t))
	if c.Serves(someMarket) != nil || c.Serves("ATVPDKIKX0DER") == nil {
		t.Error("the client serves the wrong marketplaces")
	}
}
