package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// Confirmation is the body of confirmShipment (ConfirmShipmentRequest in Amazon's ordersV0 model) after
// its form was found right.
type Confirmation struct {
	MarketplaceID string
	Package       PackageDetail
}

// PackageDetail is the one package a confirmation carries.
type PackageDetail struct {
	PackageReferenceID string
	CarrierCode        string
	CarrierName        string
	ShippingMethod     string
	TrackingNumber     string
	ShipDate           time.Time
	Items              []ItemUnits
}

// ItemUnits is how many units of an order item a package holds.
type ItemUnits struct {
	OrderItemID       string
	Quantity          int
	TransparencyCodes []string
}

// Problem is why a body was refused: a wrong form, and the fields it was found in.
type Problem struct {
	Form   Form
	Fields []string
}

// Form names a wrong form. Amazon has one text for each.
type Form int

// The wrong forms, in the order in which they are looked for.
const (
	Unusable     Form = iota + 1 // not JSON, or something required is missing or out of range
	WrongType                    // a field has another JSON type than the model says
	BadReference                 // packageReferenceId is missing or no positive number in a string
	BadItem                      // orderItems is no list, or an item has no id
	BadTracking                  // trackingNumber is blank
)

// ParseConfirmation reads a body as Amazon does: fields it does not know are ignored, null counts as
// missing, names are case sensitive, and all wrong types are reported together.
func ParseConfirmation(body []byte) (Confirmation, *Problem) {
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		return Confirmation{}, &Problem{Form: Unusable}
	}
	top, ok := root.(map[string]any)
	if !ok {
		return Confirmation{}, &Problem{Form: Unusable}
	}
	r := &reader{}
	detail, present := r.object(top, "packageDetail")
	c := Confirmation{MarketplaceID: r.text(top, "", "marketplaceId")}
	cod := r.text(top, "", "codCollectionMethod")
	if len(r.wrong) > 0 || !present {
		return c, r.problem(Unusable)
	}
	const in = "packageDetail."
	c.Package = PackageDetail{
		PackageReferenceID: r.text(detail, in, "packageReferenceId"),
		CarrierCode:        r.text(detail, in, "carrierCode"),
		CarrierName:        r.text(detail, in, "carrierName"),
		ShippingMethod:     r.text(detail, in, "shippingMethod"),
		TrackingNumber:     r.text(detail, in, "trackingNumber"),
		ShipDate:           r.instant(detail, in, "shipDate"),
	}
	r.text(detail, in, "shipFromSupplySourceId")
	items, listed := detail["orderItems"].([]any)
	for i, item := range items {
		c.Package.Items = append(c.Package.Items, r.item(item, fmt.Sprintf("%sorderItems[%d]", in, i)))
	}
	return c, r.verdict(c, detail, listed, cod)
}

// verdict names the first thing that is wrong with a body whose outline could be read.
func (r *reader) verdict(c Confirmation, detail map[string]any, listed bool, cod string) *Problem {
	p := c.Package
	switch {
	case len(r.wrong) > 0:
		return r.problem(WrongType)
	case !positiveNumber(p.PackageReferenceID):
		return &Problem{Form: BadReference}
	case detail["orderItems"] != nil && !listed:
		return &Problem{Form: BadItem}
	case c.MarketplaceID == "", p.CarrierCode == "", p.ShipDate.IsZero(), len(p.Items) == 0,
		cod != "" && cod != "DirectPayment":
		return &Problem{Form: Unusable}
	case p.TrackingNumber == "":
		return &Problem{Form: BadTracking}
	}
	for _, item := range p.Items {
		if item.OrderItemID == "" {
			return &Problem{Form: BadItem}
		}
		if item.Quantity < 1 {
			return &Problem{Form: Unusable}
		}
	}
	return nil
}

// reader takes typed values out of decoded JSON and notes the path of every value of another type.
type reader struct{ wrong []string }

func (r *reader) problem(otherwise Form) *Problem {
	if len(r.wrong) > 0 {
		return &Problem{Form: WrongType, Fields: r.wrong}
	}
	return &Problem{Form: otherwise}
}

func (r *reader) object(m map[string]any, name string) (map[string]any, bool) {
	v := m[name]
	if v == nil {
		return nil, false
	}
	o, ok := v.(map[string]any)
	if !ok {
		r.wrong = append(r.wrong, name)
	}
	return o, ok
}

func (r *reader) text(m map[string]any, in, name string) string {
	v := m[name]
	if v == nil {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		r.wrong = append(r.wrong, in+name)
	}
	return s
}

func (r *reader) instant(m map[string]any, in, name string) time.Time {
	before := len(r.wrong)
	s := r.text(m, in, name)
	if s == "" || len(r.wrong) > before {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		r.wrong = append(r.wrong, in+name)
	}
	return t
}

func (r *reader) item(v any, at string) ItemUnits {
	m, ok := v.(map[string]any)
	if !ok {
		r.wrong = append(r.wrong, at)
		return ItemUnits{}
	}
	item := ItemUnits{OrderItemID: r.text(m, at+".", "orderItemId")}
	switch q := m["quantity"].(type) {
	case nil:
	case float64:
		if q != math.Trunc(q) || math.Abs(q) > math.MaxInt32 {
			r.wrong = append(r.wrong, at+".quantity")
			break
		}
		item.Quantity = int(q)
	default:
		r.wrong = append(r.wrong, at+".quantity")
	}
	switch codes := m["transparencyCodes"].(type) {
	case nil:
	case []any:
		for i, code := range codes {
			s, ok := code.(string)
			if !ok {
				r.wrong = append(r.wrong, fmt.Sprintf("%s.transparencyCodes[%d]", at, i))
			}
			item.TransparencyCodes = append(item.TransparencyCodes, s)
		}
	default:
		r.wrong = append(r.wrong, at+".transparencyCodes")
	}
	return item
}

// positiveNumber reports whether s is a decimal number above zero of at most 20 digits, the length that
// the feed schema allows a package number.
func positiveNumber(s string) bool {
	positive := false
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
		positive = positive || c != '0'
	}
	return positive && len(s) <= 20
}
