package amazonsim

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

// getOrder shows an order as it was one read delay ago.
func getOrder(w *world, req *request, now time.Time) answer {
	included, ok := includedData(req.query["includedData"])
	if !ok || !orderIDForm.MatchString(req.orderID) {
		return refusal(http.StatusBadRequest, "InvalidInput", w.words.say(TextInvalid, sent{order: req.orderID}), "")
	}
	o := w.orders[req.orderID]
	if o == nil || o.Seller != req.claims.Seller {
		if w.set.UnknownOrder == "emptyOrder" {
			return answer{status: http.StatusOK, body: wire.GetOrderResponse{Order: struct{}{}}}
		}
		return refusal(http.StatusNotFound, "NotFound", w.words.say(TextNotFound, sent{order: req.orderID}), "")
	}
	w.settle(o, now)
	shown := o.visible(now)
	if !slices.Contains(included, "PACKAGES") {
		return answer{status: http.StatusOK, body: wire.GetOrderResponse{Order: shownOrder(shown, included)},
			shown: &Order{Status: shown.Status}}
	}
	return answer{status: http.StatusOK, body: wire.GetOrderResponse{Order: shownOrder(shown, included)}, shown: &shown}
}

// includedData takes repeated and comma-separated values. Data sets about the buyer and the money are
// valid to ask for, and this simulator has none.
func includedData(values []string) ([]string, bool) {
	var all []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			switch name {
			case "FULFILLMENT", "PACKAGES", "CANCELLATION", "BUYER", "RECIPIENT", "PROCEEDS", "EXPENSE", "PROMOTION",
				"TAX", "PAYMENT", "FULFILLMENT_ORDERS":
				all = append(all, name)
			default:
				return nil, false
			}
		}
	}
	return all, true
}

func shownOrder(o Order, included []string) wire.Order {
	shown := wire.Order{
		OrderID: o.ID, CreatedTime: whole(o.CreatedAt), LastUpdatedTime: whole(o.UpdatedAt), Programs: o.Programs,
		SalesChannel: wire.SalesChannel{ChannelName: "AMAZON", MarketplaceID: o.MarketplaceID},
		OrderItems:   make([]wire.OrderItem, 0, len(o.Items)),
	}
	if o.OwnNumber != "" {
		shown.OrderAliases = []wire.OrderAlias{{AliasID: o.OwnNumber, AliasType: "SELLER_ORDER_ID"}}
	}
	fulfilment := slices.Contains(included, "FULFILLMENT")
	if fulfilment {
		shown.Fulfillment = &wire.Fulfillment{FulfillmentStatus: string(o.Status), FulfilledBy: o.FulfilledBy,
			FulfillmentServiceLevel: o.ServiceLevel, ShipByWindow: shownWindow(o.ShipBy)}
	}
	for _, item := range o.Items {
		line := wire.OrderItem{OrderItemID: item.ID, QuantityOrdered: item.Quantity, Programs: item.Programs,
			Product: wire.Product{ASIN: item.ASIN, SellerSKU: item.SKU}}
		if fulfilment {
			line.Fulfillment = &wire.ItemFulfillment{QuantityFulfilled: item.Fulfilled,
				QuantityUnfulfilled: max(0, item.Quantity-item.Fulfilled)}
		}
		if o.Status == Cancelled && slices.Contains(included, "CANCELLATION") {
			line.Cancellation = &wire.ItemCancellation{CancellationExecution: wire.CancellationExecution{
				CancelledBy: orElse(o.CancelledBy, "BUYER")}}
		}
		shown.OrderItems = append(shown.OrderItems, line)
	}
	if slices.Contains(included, "PACKAGES") && o.FulfilledBy == "MERCHANT" {
		for _, p := range o.Packages {
			shown.Packages = append(shown.Packages, shownPackage(p))
		}
	}
	return shown
}

func shownPackage(p Package) wire.Package {
	shown := wire.Package{
		PackageReferenceID: p.Reference, CreatedTime: whole(p.CreatedAt),
		PackageStatus: wire.PackageStatus{Status: p.Status}, Carrier: p.Carrier, ShipTime: optional(p.ShipDate),
		ShippingService: p.ShippingMethod, TrackingNumber: p.TrackingNumber,
		PackageItems: make([]wire.PackageItem, 0, len(p.Items)),
	}
	if p.Carrier == "Other" {
		shown.Carrier = p.CarrierName
	}
	for _, item := range p.Items {
		shown.PackageItems = append(shown.PackageItems, wire.PackageItem{
			OrderItemID: item.ItemID, Quantity: item.Quantity, TransparencyCodes: item.TransparencyCodes})
	}
	return shown
}

func shownWindow(w Window) *wire.Window {
	if w.Earliest.IsZero() && w.Latest.IsZero() {
		return nil
	}
	return &wire.Window{EarliestDateTime: optional(w.Earliest), LatestDateTime: optional(w.Latest)}
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = whole(t)
	return &t
}

// whole is t as Amazon shows times: in UTC and in whole seconds, so that an update may seem to lie up to a
// second before the call that made it.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
