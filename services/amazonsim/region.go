package amazonsim

// regionOf is the region whose endpoint serves a marketplace, or "" for an unknown one. Source: Amazon's
// page "Marketplace IDs".
func regionOf(marketplaceID string) string {
	switch marketplaceID {
	case "A1PA6795UKMFR9", "A13V1IB3VIYZZH", "APJ6JRA9NG5V4", "A1RKKUPIHCS9HS", "A1F83G8C2ARO7P",
		"A1805IZSGTT6HS", "AMEN7PMS3EDWL", "A2NODRKZP88ZB9", "A1C3SOZRARQ6R3", "A28R8C7NBKEWEA",
		"A33AVAJ2PDY3EV", "A2VIGQ35RCS4UG", "A17E79C6D8DWNP", "ARBP9OOSHTCHU", "AE08WJ6YKNBMC",
		marketplaceIndia:
		return "eu"
	case "A2EUQ1WTGCTBG2", "ATVPDKIKX0DER", "A1AM78C64UM0Y8", "A2Q3Y263D00KWC":
		return "na"
	case "A1VC38T7YXB528", "A39IBJ37TRP1C6", "A19VAU5U5O7RUS":
		return "fe"
	}
	return ""
}

// marketplaceIndia is the one marketplace that does not accept the carrier code "Other".
const marketplaceIndia = "A21TJRUUN4KGV"
