package amazonsim

import (
	"net/http"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

// confirmShipment makes or changes one package of an order. The checks run from the form of the body over
// the order to its units and the carrier; the first that fails answers.
func confirmShipment(w *world, req *request, now time.Time) answer {
	p := req.confirm.Package
	quote := sent{order: req.orderID, carrier: p.CarrierCode, tracking: p.TrackingNumber}
	invalid := func(t Text) answer { return refusal(http.StatusBadRequest, "InvalidInput", w.words.say(t, quote), "") }
	if req.problem != nil {
		quote.fields = strings.Join(req.problem.Fields, ", ")
		return invalid(textOfForm(req.problem.Form))
	}
	region := regionOf(req.confirm.MarketplaceID)
	if region == "" || !orderIDForm.MatchString(req.orderID) {
		return invalid(TextInvalid)
	}
	if region != w.set.Region {
		return denied(detailsRegion)
	}
	o := w.orders[req.orderID]
	if o == nil || o.Seller != req.claims.Seller {
		return refusal(http.StatusNotFound, "NotFound", w.words.say(TextNotFound, quote), "")
	}
	w.settle(o, now)
	if t := o.refuseState(); t != "" {
		return invalid(t)
	}
	silent := req.confirm.MarketplaceID != o.MarketplaceID
	if silent && w.set.WrongMarketplace == "refuse" {
		return invalid(TextInvalid)
	}
	if t := o.refuseUnits(p, w.set.EditCap); t != "" {
		return invalid(t)
	}
	if t := w.refuseCarrier(o, p); t != "" {
		return invalid(t)
	}
	a := answer{status: http.StatusNoContent}
	if silent {
		return a
	}
	t := target{operation: req.operation, seller: o.Seller, order: o.ID, try: o.tries[req.operation] - 1}
	if f := w.faults.strike(phaseCommit, t, now); f != nil {
		a.fault = f.Kind
		return a
	}
	a.committed, a.edit = true, w.commit(o, p, now)
	return a
}

// commit puts the package into the order and reports whether it was there before.
func (w *world) commit(o *orderState, p wire.PackageDetail, now time.Time) bool {
	made := Package{
		Reference: p.PackageReferenceID, Carrier: p.CarrierCode, CarrierName: p.CarrierName,
		ShippingMethod: p.ShippingMethod, TrackingNumber: p.TrackingNumber, ShipDate: p.ShipDate,
		CreatedAt: now, Status: "SHIPPED", Origin: OriginCall,
	}
	for _, item := range p.Items {
		made.Items = append(made.Items, PackageItem{
			ItemID: item.OrderItemID, Quantity: item.Quantity, TransparencyCodes: item.TransparencyCodes})
	}
	known := o.find(made.Reference)
	if known >= 0 {
		old := o.Packages[known]
		made.CreatedAt, made.Edits, made.Origin = old.CreatedAt, old.Edits+1, old.Origin
		w.forgetTracking(o, old)
	}
	o.put(made, now, time.Duration(w.set.ReadDelay))
	for _, each := range o.Packages { // all of them: the old number may be on a second package
		w.noteTracking(o, each)
	}
	return known >= 0
}

func (w *world) refuseCarrier(o *orderState, p wire.PackageDetail) Text {
	owner, used := w.tracking[trackingKey(o.Seller, p.CarrierCode, p.TrackingNumber)]
	switch {
	case !w.carriers.Known(p.CarrierCode),
		p.CarrierCode == "Other" && o.MarketplaceID == marketplaceIndia:
		return TextCarrier
	case p.CarrierCode == "Other" && strings.TrimSpace(p.CarrierName) == "":
		return TextCarrierName
	case strings.TrimSpace(p.TrackingNumber) == "":
		return TextTracking
	case used && owner != o.ID:
		return TextDuplicateTracking
	case w.blocked[p.TrackingNumber]:
		return TextBlockedTracking
	case !w.set.AnyTrackingForm && !w.carriers.Fits(p.CarrierCode, p.TrackingNumber):
		return TextTrackingForm
	}
	return ""
}

func textOfForm(f wire.Form) Text {
	switch f {
	case wire.WrongType:
		return TextInvalidType
	case wire.BadReference:
		return TextReference
	case wire.BadItem:
		return TextItem
	case wire.BadTracking:
		return TextTracking
	}
	return TextInvalid
}
