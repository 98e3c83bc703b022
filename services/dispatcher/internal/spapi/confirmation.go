package spapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
)

// Confirmation says that one package of an order has shipped. Empty optional fields are left out.
type Confirmation struct {
	MarketplaceID      string
	PackageReferenceID string // positive number as text; the same one again edits the package
	CarrierCode        string // from Amazon's list, or Other with a CarrierName
	CarrierName        string // optional but for Other
	ShippingMethod     string // optional
	TrackingNumber     string
	ShipDate           time.Time
	Items              []ConfirmationItem
}

// ConfirmationItem is a part of the package, in units.
type ConfirmationItem struct {
	OrderItemID       string
	Quantity          int
	TransparencyCodes []string // optional
}

// FieldError names the field of a confirmation that Amazon would refuse, and what to do about it.
type FieldError struct {
	Field   string // as in outcome.Rule.Field
	Path    string // as in Amazon's body, packageDetail.trackingNumber for instance
	Problem string
	Remedy  outcome.Text
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("encode confirmation: %s %s: %s", e.Path, e.Problem, e.Remedy.EN)
}

// The wire format; the order of the fields is the order of the bytes.
// Source: ConfirmShipmentRequest in Amazon's model ordersV0.json
type wireConfirmation struct {
	MarketplaceID string            `json:"marketplaceId"`
	PackageDetail wirePackageDetail `json:"packageDetail"`
}

type wirePackageDetail struct {
	PackageReferenceID string     `json:"packageReferenceId"` // a JSON number is refused since January 2026
	CarrierCode        string     `json:"carrierCode"`
	CarrierName        string     `json:"carrierName,omitempty"`
	ShippingMethod     string     `json:"shippingMethod,omitempty"`
	TrackingNumber     string     `json:"trackingNumber"`
	ShipDate           string     `json:"shipDate"`
	OrderItems         []wireItem `json:"orderItems"`
}

type wireItem struct {
	OrderItemID       string   `json:"orderItemId"`
	Quantity          int      `json:"quantity"`
	TransparencyCodes []string `json:"transparencyCodes,omitempty"`
}

// EncodeConfirmation makes the body of confirmShipment: canonical, so that equal confirmations are equal bytes whatever
// the order of their items, and checked, so that what Amazon is known to refuse is refused here. Errors are *FieldError.
func EncodeConfirmation(c Confirmation) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	w := wireConfirmation{MarketplaceID: c.MarketplaceID, PackageDetail: wirePackageDetail{
		PackageReferenceID: c.PackageReferenceID,
		CarrierCode:        c.CarrierCode,
		CarrierName:        c.CarrierName,
		ShippingMethod:     c.ShippingMethod,
		TrackingNumber:     c.TrackingNumber,
		ShipDate:           c.ShipDate.UTC().Format("2006-01-02T15:04:05.000Z"),
	}}
	for _, i := range c.Items {
		w.PackageDetail.OrderItems = append(w.PackageDetail.OrderItems,
			wireItem{OrderItemID: i.OrderItemID, Quantity: i.Quantity, TransparencyCodes: slices.Sorted(slices.Values(i.TransparencyCodes))})
	}
	slices.SortFunc(w.PackageDetail.OrderItems, func(a, b wireItem) int { return strings.Compare(a.OrderItemID, b.OrderItemID) })
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		return nil, fmt.Errorf("encode confirmation: %w", err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

var reference = regexp.MustCompile(`^[1-9][0-9]{0,19}$`)

// maxField is what Amazon's own feed schema allows for carrier name, method and tracking number.
const maxField = 50

func (c Confirmation) check() error {
	if _, known := settings.MarketplaceByID(c.MarketplaceID); !known {
		return refuse(outcome.FieldOrder, "marketplaceId", "is not one of Amazon's marketplaces", remedyMarketplace)
	}
	if !reference.MatchString(c.PackageReferenceID) {
		return refuse(outcome.FieldPackageReference, "packageDetail.packageReferenceId", "is not a positive number", remedyReference)
	}
	if p := problem(c.CarrierCode, true); p != "" {
		return refuse(outcome.FieldCarrier, "packageDetail.carrierCode", p, remedyCarrier)
	}
	if p := problem(c.CarrierName, c.CarrierCode == "Other"); p != "" {
		return refuse(outcome.FieldCarrier, "packageDetail.carrierName", p, remedyCarrierName)
	}
	if p := problem(c.ShippingMethod, false); p != "" {
		return refuse(outcome.FieldMethod, "packageDetail.shippingMethod", p, remedyMethod)
	}
	p := problem(c.TrackingNumber, true)
	if p == "" && strings.ContainsFunc(c.TrackingNumber, unicode.IsSpace) {
		p = "holds a blank"
	}
	if p != "" {
		return refuse(outcome.FieldTracking, "packageDetail.trackingNumber", p, remedyTracking)
	}
	if y := c.ShipDate.UTC().Year(); c.ShipDate.IsZero() || y < 2000 || y > 9999 {
		return refuse(outcome.FieldShipDate, "packageDetail.shipDate", "is missing or absurd", remedyShipDate)
	}
	return c.checkItems()
}

func (c Confirmation) checkItems() error {
	if len(c.Items) == 0 {
		return refuse(outcome.FieldItems, "packageDetail.orderItems", "is empty", remedyItems)
	}
	seen := make(map[string]bool, len(c.Items))
	for n, i := range c.Items {
		path := fmt.Sprintf("packageDetail.orderItems[%d]", n)
		if p := problem(i.OrderItemID, true); p != "" {
			return refuse(outcome.FieldItems, path+".orderItemId", p, remedyItems)
		}
		if seen[i.OrderItemID] {
			return refuse(outcome.FieldItems, path+".orderItemId", "occurs twice", remedyItems)
		}
		seen[i.OrderItemID] = true
		if i.Quantity < 1 {
			return refuse(outcome.FieldItems, path+".quantity", "is less than 1", remedyItems)
		}
		for _, code := range i.TransparencyCodes {
			if p := problem(code, true); p != "" {
				return refuse(outcome.FieldItems, path+".transparencyCodes", p, remedyTransparency)
			}
		}
	}
	return nil
}

func refuse(field, path, problem string, remedy outcome.Text) error {
	return &FieldError{Field: field, Path: path, Problem: problem, Remedy: remedy}
}

// problem says what is wrong with a text that goes to Amazon, empty if nothing.
func problem(s string, required bool) string {
	switch {
	case s == "" && required:
		return "is missing"
	case s != strings.TrimSpace(s):
		return "begins or ends with a blank"
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "holds unprintable characters"
	case utf8.RuneCountInString(s) > maxField:
		return fmt.Sprintf("is longer than %d characters", maxField)
	default:
		return ""
	}
}

var (
	remedyMarketplace  = outcome.Text{DE: "den Marktplatz des Kontos einstellen", EN: "set the account's marketplace"}
	remedyReference    = outcome.Text{DE: "eine Zahl ohne führende Null eintragen, für das einzige Paket 1", EN: "enter a number without leading zero, 1 for the only package"}
	remedyCarrier      = outcome.Text{DE: "den Versender einem Code aus Amazons Liste zuordnen", EN: "map the carrier to a code from Amazon's list"}
	remedyCarrierName  = outcome.Text{DE: "zum Code Other den Namen des Versenders angeben, höchstens 50 Zeichen", EN: "give the carrier's name with code Other, 50 characters at most"}
	remedyMethod       = outcome.Text{DE: "die Versandart in der Zuordnung auf höchstens 50 Zeichen kürzen", EN: "shorten the shipping method in the mapping to 50 characters"}
	remedyTracking     = outcome.Text{DE: "die Trackingnummer ohne Leerzeichen eintragen, höchstens 50 Zeichen", EN: "enter the tracking number without blanks, 50 characters at most"}
	remedyShipDate     = outcome.Text{DE: "das Versanddatum eintragen", EN: "enter the ship date"}
	remedyItems        = outcome.Text{DE: "jede Position einmal mit Amazons Positionsnummer und einer Menge ab 1 angeben", EN: "list every item once with Amazon's item number and a quantity of at least 1"}
	remedyTransparency = outcome.Text{DE: "die Transparency-Codes neu einscannen", EN: "scan the Transparency codes again"}
)
