package settings

import "strings"

// Mapping turns a carrier in the sender's words into Amazon's. Rules are tried in order, the first that fits wins.
type Mapping struct {
	Version int       `json:"version,omitempty" yaml:"version,omitempty"`
	Rules   []MapRule `json:"rules,omitempty" yaml:"rules,omitempty"`
}

// MapRule is one line of a mapping. Carrier and Service compare without regard to case; a * stands for any run of
// characters, an empty Service for any service. Country is the marketplace's country (DE, FR, GB ...), empty for any.
type MapRule struct {
	Carrier string `json:"carrier" yaml:"carrier"`
	Service string `json:"service,omitempty" yaml:"service,omitempty"`
	Country string `json:"country,omitempty" yaml:"country,omitempty"`

	CarrierCode    string `json:"carrierCode" yaml:"carrierCode"` // as Amazon spells it
	CarrierName    string `json:"carrierName,omitempty" yaml:"carrierName,omitempty"`
	ShippingMethod string `json:"shippingMethod,omitempty" yaml:"shippingMethod,omitempty"`
}

// Mapped is a carrier in Amazon's words.
type Mapped struct{ CarrierCode, CarrierName, ShippingMethod string }

// Map returns Amazon's words for a carrier and service, and whether a rule fitted. Without a rule the sender's words are
// passed on as they are, so that a sender who already speaks Amazon's language needs no mapping.
func (m Mapping) Map(carrier, service, country string) (Mapped, bool) {
	for _, r := range m.Rules {
		if like(r.Carrier, carrier) && (r.Service == "" || like(r.Service, service)) &&
			(r.Country == "" || strings.EqualFold(r.Country, country)) {
			out := Mapped{r.CarrierCode, r.CarrierName, r.ShippingMethod}
			if out.ShippingMethod == "" {
				out.ShippingMethod = service
			}
			return out, true
		}
	}
	return Mapped{CarrierCode: carrier, ShippingMethod: service}, false
}

// like matches text against a pattern in which * stands for any run of characters, without regard to case.
func like(pattern, text string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	if len(parts) == 1 {
		return parts[0] == text
	}
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	text = text[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(text, p)
		if i < 0 {
			return false
		}
		text = text[i+len(p):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}
