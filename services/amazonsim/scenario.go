package amazonsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/goccy/go-yaml"
)

// Scenario is the world a simulator starts with and returns to on a reset. The zero value is usable: one
// account (DefaultAccount), no orders, Amazon's default usage plans, no faults. Files are YAML or JSON.
type Scenario struct {
	// Region is the endpoint's region: "eu" (default), "na" or "fe". Marketplaces of another region are
	// refused with 403.
	Region string `json:"region,omitempty"`
	// Accounts are the sellers and the applications they authorised. None means DefaultAccount.
	Accounts []Account `json:"accounts,omitempty"`
	// TokenLifetime is how long an access token lasts; an hour unless given.
	TokenLifetime Duration `json:"tokenLifetime,omitempty"`
	// ReadDelay is how far getOrder lags behind what was confirmed.
	ReadDelay Duration `json:"readDelay,omitempty"`
	// EditCap is how often a package may be sent again before Amazon refuses the update. Amazon does not
	// publish the number; 10 unless given.
	EditCap int `json:"editCap,omitempty"`
	// UnknownOrder is what getOrder says about an order it does not know: "notFound" (404, default) or
	// "emptyOrder" (200 with an empty object, seen in production).
	UnknownOrder string `json:"unknownOrder,omitempty"`
	// WrongMarketplace is what a confirmation with another marketplace of the same region gets: "ignore"
	// (204 and no package, seen in production; default) or "refuse" (400).
	WrongMarketplace string `json:"wrongMarketplace,omitempty"`
	// AnyTrackingForm switches off the check of the form of tracking numbers.
	AnyTrackingForm bool `json:"anyTrackingForm,omitempty"`
	// AutoCancel cancels what is unshipped seven business days after the end of its ship-by window.
	AutoCancel bool `json:"autoCancel,omitempty"`
	// Carriers are carrier codes accepted besides the embedded list.
	Carriers []string `json:"carriers,omitempty"`
	// BlockedTracking are tracking numbers refused with BlockedTrackingId.
	BlockedTracking []string `json:"blockedTracking,omitempty"`
	// Texts replaces texts of refusals, for those nobody has published; see Text.
	Texts map[Text]string `json:"texts,omitempty"`
	// Quotas replaces usage plans.
	Quotas []Quota `json:"quotas,omitempty"`
	// RecordLimit bounds the record; the oldest calls go first. 1,000,000 unless given.
	RecordLimit int `json:"recordLimit,omitempty"`
	// Orders are the orders there are, Generate makes more of them.
	Orders   []Order    `json:"orders,omitempty"`
	Generate []Generate `json:"generate,omitempty"`
	// Sandbox makes it Amazon's static sandbox: only the requests of Amazon's models are answered, at 5 a second. Orders,
	// faults of the work itself, and everything else about orders has no effect then.
	Sandbox bool `json:"sandbox,omitempty"`
	// Faults are in force from the start.
	Faults []Fault `json:"faults,omitempty"`
}

// Account is one seller's authorisation of one application. A seller that authorised two applications
// has two accounts, and a bucket for each.
type Account struct {
	Seller       string `json:"seller"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
	RefreshToken string `json:"refreshToken"`
}

// DefaultAccount is the account of a scenario that names none. Its secrets open nothing else.
func DefaultAccount() Account {
	return Account{
		Seller:       "A2AMAZONSIM",
		ClientID:     "amzn1.application-oa2-client.amazonsim",
		ClientSecret: "amzn1.oa2-cs.v1.amazonsim",
		RefreshToken: "Atzr|amazonsim",
	}
}

// Generate makes Count unshipped orders of one seller, with ids <Prefix>-0000000-0000001 and so on and
// item ids of 14 digits that are unique over all of them.
type Generate struct {
	Count         int      `json:"count"`
	Prefix        string   `json:"prefix,omitempty"`        // three digits, "900" unless given
	Seller        string   `json:"seller,omitempty"`        // the first account's unless given
	MarketplaceID string   `json:"marketplaceId,omitempty"` // Germany unless given
	Items         int      `json:"items,omitempty"`         // lines of an order, 1 unless given
	Quantity      int      `json:"quantity,omitempty"`      // units of a line, 1 unless given
	ShipWithin    Duration `json:"shipWithin,omitempty"`    // from the start, 24h unless given
}

// Quota is a usage plan. An empty Seller sets the plan of every seller that has none of its own.
type Quota struct {
	Seller    string  `json:"seller,omitempty"`
	Operation string  `json:"operation"`
	Rate      float64 `json:"rate"`  // requests a second
	Burst     int     `json:"burst"` // requests at once
}

// Duration is a time.Duration that reads and writes as text, such as "90s".
type Duration time.Duration

// MarshalText writes d as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("read duration %q: write it like 90s or 1h30m: %w", text, err)
	}
	*d = Duration(v)
	return nil
}

// ReadScenario reads a scenario in YAML or JSON. A field it does not know is an error.
func ReadScenario(r io.Reader) (Scenario, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return Scenario{}, nil
	}
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario as yaml: %w", err)
	}
	var s Scenario
	if err := decodeStrict(bytes.NewReader(asJSON), &s); err != nil {
		return Scenario{}, fmt.Errorf("read scenario: %w", err)
	}
	return s, nil
}

// decodeStrict is the one meaning that files and admin requests share.
func decodeStrict(r io.Reader, into any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (s Scenario) withDefaults() Scenario {
	if s.Region == "" {
		s.Region = "eu"
	}
	if len(s.Accounts) == 0 {
		s.Accounts = []Account{DefaultAccount()}
	}
	if s.TokenLifetime == 0 {
		s.TokenLifetime = Duration(time.Hour)
	}
	if s.EditCap == 0 {
		s.EditCap = 10
	}
	if s.UnknownOrder == "" {
		s.UnknownOrder = "notFound"
	}
	if s.WrongMarketplace == "" {
		s.WrongMarketplace = "ignore"
	}
	if s.RecordLimit == 0 {
		s.RecordLimit = 1_000_000
	}
	return s
}

func (s Scenario) validate() error {
	switch {
	case s.Region != "eu" && s.Region != "na" && s.Region != "fe":
		return fmt.Errorf("scenario.region is %q: use eu, na or fe", s.Region)
	case s.UnknownOrder != "notFound" && s.UnknownOrder != "emptyOrder":
		return fmt.Errorf("scenario.unknownOrder is %q: use notFound or emptyOrder", s.UnknownOrder)
	case s.WrongMarketplace != "ignore" && s.WrongMarketplace != "refuse":
		return fmt.Errorf("scenario.wrongMarketplace is %q: use ignore or refuse", s.WrongMarketplace)
	case s.TokenLifetime < Duration(time.Second):
		return fmt.Errorf("scenario.tokenLifetime is %v: use at least 1s", time.Duration(s.TokenLifetime))
	case s.ReadDelay < 0 || s.EditCap < 0 || s.RecordLimit < 0:
		return fmt.Errorf("scenario.readDelay, editCap and recordLimit must not be negative")
	}
	known := texts()
	for key := range s.Texts {
		if _, ok := known[key]; !ok {
			return fmt.Errorf("scenario.texts has no text %q", key)
		}
	}
	return nil
}

func (g Generate) orders(start time.Time) ([]Order, error) {
	if g.Prefix == "" {
		g.Prefix = "900"
	}
	if g.Count < 0 || g.Count > 1_000_000 {
		return nil, fmt.Errorf("generate.count is %d: use 1 to 1000000", g.Count)
	}
	g.Items, g.Quantity = max(g.Items, 1), max(g.Quantity, 1)
	if g.ShipWithin == 0 {
		g.ShipWithin = Duration(24 * time.Hour)
	}
	made := make([]Order, g.Count)
	for i := range made {
		o := Order{
			ID:            fmt.Sprintf("%s-%07d-%07d", g.Prefix, (i+1)/10_000_000, (i+1)%10_000_000),
			Seller:        g.Seller,
			MarketplaceID: g.MarketplaceID,
			ShipBy:        Window{Earliest: start, Latest: start.Add(time.Duration(g.ShipWithin))},
		}
		for line := range g.Items {
			id := fmt.Sprintf("%s%08d%03d", g.Prefix, i+1, line+1)
			o.Items = append(o.Items, Item{ID: id, Quantity: g.Quantity})
		}
		made[i] = o
	}
	return made, nil
}
