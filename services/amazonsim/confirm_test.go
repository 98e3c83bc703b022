package amazonsim_test

import (
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/amazonsim"
)

const inputInvalid = "The input you have submitted is not valid. Please check "

func TestRefusalsOfTheBody(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), Quotas: wide()})
	good := body(pack{})
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%q is not in the body", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct{ body, message string }{
		"not json":             {`{"marketplaceId":`, inputInvalid + "your input and try again."},
		"empty":                {``, inputInvalid + "your input and try again."},
		"array":                {`[]`, inputInvalid + "your input and try again."},
		"no package":           {`{"marketplaceId":"` + germany + `"}`, inputInvalid + "your input and try again."},
		"package is text":      {`{"marketplaceId":"X","packageDetail":"x"}`, inputInvalid + "the fields with invalid type [packageDetail]."},
		"reference is number":  {swap(`"packageReferenceId":"1"`, `"packageReferenceId":1`), inputInvalid + "the fields with invalid type [packageDetail.packageReferenceId]."},
		"two wrong types":      {strings.Replace(swap(`"packageReferenceId":"1"`, `"packageReferenceId":1`), `"carrierCode":"DHL Express"`, `"carrierCode":7`, 1), inputInvalid + "the fields with invalid type [packageDetail.packageReferenceId, packageDetail.carrierCode]."},
		"reference missing":    {swap(`"packageReferenceId":"1",`, ``), "PackageReferenceId: is invalid, must be a positive numeric value."},
		"reference is a word":  {body(pack{ref: "PKG001"}), "PackageReferenceId: is invalid, must be a positive numeric value."},
		"reference is zero":    {body(pack{ref: "0"}), "PackageReferenceId: is invalid, must be a positive numeric value."},
		"reference negative":   {body(pack{ref: "-1"}), "PackageReferenceId: is invalid, must be a positive numeric value."},
		"items is an object":   {swap(`[`+units(itemA, 1)+`]`, units(itemA, 1)), "OrderItemId  is invalid, please obtain the value through the getOrderItems API or Manage Orders page"},
		"items empty":          {swap(`[`+units(itemA, 1)+`]`, `[]`), inputInvalid + "your input and try again."},
		"item id is a number":  {swap(`"orderItemId":"`+itemA+`"`, `"orderItemId":`+itemA), inputInvalid + "the fields with invalid type [packageDetail.orderItems[0].orderItemId]."},
		"item id unknown":      {body(pack{items: units("99999999999999", 1)}), "OrderItemId  is invalid, please obtain the value through the getOrderItems API or Manage Orders page"},
		"quantity is text":     {swap(`"quantity":1`, `"quantity":"1"`), inputInvalid + "the fields with invalid type [packageDetail.orderItems[0].quantity]."},
		"quantity is half":     {swap(`"quantity":1`, `"quantity":0.5`), inputInvalid + "the fields with invalid type [packageDetail.orderItems[0].quantity]."},
		"quantity is zero":     {swap(`"quantity":1`, `"quantity":0`), inputInvalid + "your input and try again."},
		"ship date american":   {swap(`2026-11-02T08:00:00.000Z`, `02/21/2022`), inputInvalid + "the fields with invalid type [packageDetail.shipDate]."},
		"ship date without tz": {swap(`2026-11-02T08:00:00.000Z`, `2026-11-02T08:00:00`), inputInvalid + "the fields with invalid type [packageDetail.shipDate]."},
		"ship date missing":    {swap(`"shipDate":"2026-11-02T08:00:00.000Z",`, ``), inputInvalid + "your input and try again."},
		"tracking missing":     {swap(`"trackingNumber":"`+dhl+`",`, ``), "Enter a valid tracking ID"},
		"tracking blank":       {body(pack{tracking: "  "}), "Enter a valid tracking ID"},
		"marketplace unknown":  {body(pack{marketplace: "A0"}), inputInvalid + "your input and try again."},
		"cod method":           {swap(`{"marketplaceId"`, `{"codCollectionMethod":"Cash","marketplaceId"`), inputInvalid + "your input and try again."},
		"carrier unknown":      {body(pack{carrier: "dhl"}), "ErrorCode: InvalidCarrier Description: Selected carrier is not supported"},
		"other without name":   {body(pack{carrier: "Other"}), "ErrorCode: CarrierNameCorrection Description: Enter the carrier name"},
		"tracking form":        {body(pack{carrier: "UPS", tracking: "12"}), "The tracking ID 12 for UPS does not match the expected format for the carrier. Please verify that you have entered the tracking ID and carrier name correctly."},
		"too many units":       {body(pack{items: units(itemA, 3)}), "Failed to create/update package due to overfulfillment"},
		"too many in two":      {body(pack{items: units(itemB, 1) + "," + units(itemB, 1)}), "Failed to create/update package due to overfulfillment"},
	} {
		t.Run(name, func(t *testing.T) {
			w := b.confirm(orderA, c.body)
			got := refused(t, w)
			if w.Code != 400 || got.Code != "InvalidInput" || got.Message != c.message || got.Details != "" {
				t.Fatalf("got %d %+v\nwant 400 InvalidInput %q", w.Code, got, c.message)
			}
		})
	}
	if o, _ := b.sim.Order(orderA); len(o.Packages) != 0 || o.Status != amazonsim.Unshipped {
		t.Fatalf("a refused confirmation changed the order: %+v", o)
	}
}

func TestToleratedBodies(t *testing.T) {
	good := body(pack{})
	for name, text := range map[string]string{
		"unknown field":    strings.Replace(good, `{"marketplaceId"`, `{"extra":1,"marketplaceId"`, 1),
		"empty cod method": strings.Replace(good, `{"marketplaceId"`, `{"codCollectionMethod":"","marketplaceId"`, 1),
		"null optional":    strings.Replace(good, `"carrierName":""`, `"carrierName":null`, 1),
		"other, named":     body(pack{carrier: "Other", name: "Evri"}),
		"ups":              body(pack{carrier: "UPS", tracking: "1Z999AA10123456784"}),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
			if w := b.confirm(orderA, text); w.Code != 204 || w.Body.Len() != 0 {
				t.Fatalf("got %d %s", w.Code, w.Body)
			}
		})
	}
}

func TestConditionsOfTheOrder(t *testing.T) {
	state := func(change func(*amazonsim.Order)) amazonsim.Order {
		o := twoOrders()[0]
		change(&o)
		return o
	}
	for name, c := range map[string]struct {
		order   amazonsim.Order
		status  int
		message string
	}{
		"cancelled": {state(func(o *amazonsim.Order) { o.Status = amazonsim.Cancelled }), 400,
			"ErrorCode: NonexistentOrderItem Description: Failed to find order item list by order ID: " + orderA},
		"pending": {state(func(o *amazonsim.Order) { o.Status = amazonsim.Pending }), 400,
			"Failed validation because order " + orderA + " is pending"},
		"fba": {state(func(o *amazonsim.Order) { o.FulfilledBy = "AMAZON" }), 400,
			"Failed validation because order " + orderA + " is fulfilled by Amazon"},
		"ship plus": {state(func(o *amazonsim.Order) { o.Programs = []string{amazonsim.ProgramShipPlus} }), 400,
			"Failed validation because order " + orderA + " is a Ship+ order and needs no confirmation"},
		"shipped elsewhere": {state(func(o *amazonsim.Order) { o.Status = amazonsim.Shipped }), 400, alreadyFulfilled},
		"label from amazon": {state(func(o *amazonsim.Order) {
			o.Packages = []amazonsim.Package{{Reference: "PKG-2026-1", Carrier: "DHL", TrackingNumber: "x"}}
		}), 400, alreadyFulfilled},
		"another seller's": {state(func(o *amazonsim.Order) { o.Seller = "A2OTHER" }), 404,
			"The specified resource does not exist."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, amazonsim.Scenario{Orders: []amazonsim.Order{c.order}})
			w := b.confirm(orderA, body(pack{}))
			if got := refused(t, w); w.Code != c.status || got.Message != c.message {
				t.Fatalf("got %d %+v\nwant %d %q", w.Code, got, c.status, c.message)
			}
		})
	}
}

const alreadyFulfilled = "Failed to create package due to not finding a matching package or order already fulfilled. " +
	"ErrorMessage(errorCode=GeneralError, errorDescription=Unable to find package to update for order (" + orderA + "), " +
	"errorMetric=PackageToUpdateNotFound, packageIndex=null)"

func TestPackagesOfAnOrder(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), EditCap: 2, Quotas: wide()})
	step := func(p pack, want int, message string, status amazonsim.Status) {
		t.Helper()
		w := b.confirm(orderA, body(p))
		if w.Code != want {
			t.Fatalf("got %d %s, want %d", w.Code, w.Body, want)
		}
		if want != 204 {
			if got := refused(t, w); got.Message != message {
				t.Fatalf("got %q, want %q", got.Message, message)
			}
		}
		if o, _ := b.sim.Order(orderA); o.Status != status {
			t.Fatalf("order is %s, want %s", o.Status, status)
		}
	}
	both := units(itemA, 1) + "," + units(itemB, 1)
	step(pack{ref: "1"}, 204, "", amazonsim.PartiallyShipped)
	step(pack{ref: "2", items: both, tracking: "00340434161094021502"}, 204, "", amazonsim.Shipped)
	step(pack{ref: "3"}, 400, alreadyFulfilled, amazonsim.Shipped)
	step(pack{ref: "1", tracking: "00340434161094021503"}, 204, "", amazonsim.Shipped) // first edit
	step(pack{ref: "1", items: units(itemA, 2)}, 400, "Failed to create/update package due to overfulfillment", amazonsim.Shipped)
	step(pack{ref: "1", tracking: "00340434161094021504"}, 204, "", amazonsim.Shipped) // second edit
	step(pack{ref: "1"}, 400,
		"ErrorCode: InvalidPackageVersion Description: The package has reached the maximum number of allowed updates", amazonsim.Shipped)

	o, _ := b.sim.Order(orderA)
	if len(o.Packages) != 2 || o.Packages[0].TrackingNumber != "00340434161094021504" || o.Packages[0].Edits != 2 {
		t.Fatalf("packages: %+v", o.Packages)
	}
	if c := b.sim.Counts(); c.Packages != 2 || c.Edits != 2 || c.Calls != 7 {
		t.Fatalf("counts: %+v", c)
	}
}

func TestTrackingNumberOfAnotherOrder(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders(), BlockedTracking: []string{"666666666666"}})
	other := func(tracking string) string {
		return body(pack{tracking: tracking, items: units("33333333333333", 1)})
	}
	if w := b.confirm(orderA, body(pack{})); w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got := refused(t, b.confirm(orderB, other(dhl))); !strings.HasPrefix(got.Message, "ErrorCode: DuplicateTrackingId Description") {
		t.Fatalf("got %+v", got)
	}
	if got := refused(t, b.confirm(orderB, other("666666666666"))); !strings.HasPrefix(got.Message, "ErrorCode: BlockedTrackingId Description") {
		t.Fatalf("got %+v", got)
	}
	if w := b.confirm(orderA, body(pack{tracking: "00340434161094021599"})); w.Code != 204 {
		t.Fatalf("edit: %d %s", w.Code, w.Body)
	}
	if w := b.confirm(orderB, other(dhl)); w.Code != 204 { // the edit set the number free
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
}

func TestMarketplaces(t *testing.T) {
	b := newBench(t, amazonsim.Scenario{Orders: twoOrders()})
	w := b.confirm(orderA, body(pack{marketplace: "ATVPDKIKX0DER"}))
	if got := refused(t, w); w.Code != 403 || got.Details != "The marketplaces you provided are not valid for region." {
		t.Fatalf("other region: %d %+v", w.Code, got)
	}
	if w = b.confirm(orderA, body(pack{marketplace: "A13V1IB3VIYZZH"})); w.Code != 204 {
		t.Fatalf("same region: %d %s", w.Code, w.Body)
	}
	if o, _ := b.sim.Order(orderA); len(o.Packages) != 0 {
		t.Fatal("a confirmation for another marketplace made a package")
	}
	strict := newBench(t, amazonsim.Scenario{Orders: twoOrders(), WrongMarketplace: "refuse"})
	if w = strict.confirm(orderA, body(pack{marketplace: "A13V1IB3VIYZZH"})); w.Code != 400 {
		t.Fatalf("refuse: %d", w.Code)
	}
}

func TestTextsCanBeReplaced(t *testing.T) {
	o := twoOrders()[0]
	o.Status = amazonsim.Pending
	b := newBench(t, amazonsim.Scenario{Orders: []amazonsim.Order{o},
		Texts: map[amazonsim.Text]string{amazonsim.TextPending: "wait for {order}"}})
	if got := refused(t, b.confirm(orderA, body(pack{}))); got.Message != "wait for "+orderA {
		t.Fatalf("got %+v", got)
	}
	if _, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{
		Texts: map[amazonsim.Text]string{"nonsense": "x"}}}); err == nil {
		t.Fatal("an unknown text was accepted")
	}
}
