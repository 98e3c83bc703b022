package spapi

import (
	"fmt"
	"strings"
)

// Region is one of Amazon's three selling regions. A connection belongs to exactly one.
type Region string

// The regions.
const (
	NorthAmerica Region = "na"
	Europe       Region = "eu"
	FarEast      Region = "fe"
)

// TokenEndpoint is where Login with Amazon issues access tokens, for all regions.
const TokenEndpoint = "https://api.amazon.com/auth/o2/token"

// Endpoint is the region's base URL, empty for an unknown region.
// Source: https://developer-docs.amazon.com/sp-api/docs/sp-api-endpoints
func (r Region) Endpoint() string {
	switch r {
	case NorthAmerica, Europe, FarEast:
		return "https://sellingpartnerapi-" + string(r) + ".amazon.com"
	default:
		return ""
	}
}

// Marketplace is one of Amazon's shops.
type Marketplace struct {
	ID      string
	Country string // ISO 3166
	Region  Region
}

// marketplaces is Amazon's list. Source: https://developer-docs.amazon.com/sp-api/docs/marketplace-ids
var marketplaces = []Marketplace{
	{"A2EUQ1WTGCTBG2", "CA", NorthAmerica}, {"ATVPDKIKX0DER", "US", NorthAmerica},
	{"A1AM78C64UM0Y8", "MX", NorthAmerica}, {"A2Q3Y263D00KWC", "BR", NorthAmerica},

	{"A1PA6795UKMFR9", "DE", Europe}, {"A13V1IB3VIYZZH", "FR", Europe}, {"APJ6JRA9NG5V4", "IT", Europe},
	{"A1RKKUPIHCS9HS", "ES", Europe}, {"A1F83G8C2ARO7P", "GB", Europe}, {"A1805IZSGTT6HS", "NL", Europe},
	{"AMEN7PMS3EDWL", "BE", Europe}, {"A2NODRKZP88ZB9", "SE", Europe}, {"A1C3SOZRARQ6R3", "PL", Europe},
	{"A28R8C7NBKEWEA", "IE", Europe}, {"A33AVAJ2PDY3EV", "TR", Europe}, {"A2VIGQ35RCS4UG", "AE", Europe},
	{"A17E79C6D8DWNP", "SA", Europe}, {"ARBP9OOSHTCHU", "EG", Europe}, {"AE08WJ6YKNBMC", "ZA", Europe},
	{"A21TJRUUN4KGV", "IN", Europe},

	{"A1VC38T7YXB528", "JP", FarEast}, {"A39IBJ37TRP1C6", "AU", FarEast}, {"A19VAU5U5O7RUS", "SG", FarEast},
}

// Marketplaces returns all known marketplaces. The slice is the caller's.
func Marketplaces() []Marketplace { return append([]Marketplace(nil), marketplaces...) }

// MarketplaceByID finds a marketplace by Amazon's id, as in A1PA6795UKMFR9.
func MarketplaceByID(id string) (Marketplace, bool) {
	for _, m := range marketplaces {
		if m.ID == id {
			return m, true
		}
	}
	return Marketplace{}, false
}

// Serves reports why a marketplace cannot be reached through this region, nil if it can. Asking Amazon in the wrong
// region only earns a 403, so it is refused here.
func (r Region) Serves(marketplaceID string) error {
	m, known := MarketplaceByID(marketplaceID)
	switch {
	case !known:
		return fmt.Errorf("marketplaceId %q is unknown: use one of Amazon's ids, such as A1PA6795UKMFR9 for Germany", marketplaceID)
	case m.Region != r:
		return fmt.Errorf("marketplaceId %s (%s) belongs to region %s, but the connection to region %s: correct the connection's region",
			m.ID, m.Country, strings.ToUpper(string(m.Region)), strings.ToUpper(string(r)))
	default:
		return nil
	}
}
