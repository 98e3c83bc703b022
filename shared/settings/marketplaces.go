package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Marketplace is one of Amazon's shops.
type Marketplace struct {
	ID      string
	Country string // ISO 3166
	Region  string // na, eu or fe
}

// Marketplaces is Amazon's list. Source: https://developer-docs.amazon.com/sp-api/docs/marketplace-ids
var Marketplaces = [...]Marketplace{
	{"A2EUQ1WTGCTBG2", "CA", "na"}, {"ATVPDKIKX0DER", "US", "na"}, {"A1AM78C64UM0Y8", "MX", "na"}, {"A2Q3Y263D00KWC", "BR", "na"},

	{"A1PA6795UKMFR9", "DE", "eu"}, {"A13V1IB3VIYZZH", "FR", "eu"}, {"APJ6JRA9NG5V4", "IT", "eu"}, {"A1RKKUPIHCS9HS", "ES", "eu"},
	{"A1F83G8C2ARO7P", "GB", "eu"}, {"A1805IZSGTT6HS", "NL", "eu"}, {"AMEN7PMS3EDWL", "BE", "eu"}, {"A2NODRKZP88ZB9", "SE", "eu"},
	{"A1C3SOZRARQ6R3", "PL", "eu"}, {"A28R8C7NBKEWEA", "IE", "eu"}, {"A33AVAJ2PDY3EV", "TR", "eu"}, {"A2VIGQ35RCS4UG", "AE", "eu"},
	{"A17E79C6D8DWNP", "SA", "eu"}, {"ARBP9OOSHTCHU", "EG", "eu"}, {"AE08WJ6YKNBMC", "ZA", "eu"}, {"A21TJRUUN4KGV", "IN", "eu"},

	{"A1VC38T7YXB528", "JP", "fe"}, {"A39IBJ37TRP1C6", "AU", "fe"}, {"A19VAU5U5O7RUS", "SG", "fe"},
}

// MarketplaceByID finds a marketplace by Amazon's id, as in A1PA6795UKMFR9.
func MarketplaceByID(id string) (Marketplace, bool) {
	for _, m := range Marketplaces {
		if m.ID == id {
			return m, true
		}
	}
	return Marketplace{}, false
}

// regions are Amazon's selling regions: North America, Europe, the Far East.
var regions = []string{"na", "eu", "fe"}

// Serves reports why a marketplace cannot be reached through a region, nil if it can or the region is none. Asking Amazon
// in the wrong region only earns a 403, so it is refused here.
func Serves(region, marketplace string) error {
	m, known := MarketplaceByID(marketplace)
	switch {
	case marketplace == "":
		return errors.New("is missing: Amazon's id, for example A1PA6795UKMFR9 for Germany")
	case !known:
		return fmt.Errorf("%q is unknown: use one of Amazon's ids, such as A1PA6795UKMFR9 for Germany", marketplace)
	case m.Region != region && slices.Contains(regions, region):
		return fmt.Errorf("%s (%s) belongs to region %s, but the connection to region %s: correct the connection's region",
			m.ID, m.Country, strings.ToUpper(m.Region), strings.ToUpper(region))
	}
	return nil
}
