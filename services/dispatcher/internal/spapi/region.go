package spapi

import "github.com/fertig-project/fertig/shared/settings"

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

// Serves reports why a marketplace cannot be reached through this region, nil if it can.
func (r Region) Serves(marketplaceID string) error { return settings.Serves(string(r), marketplaceID) }
