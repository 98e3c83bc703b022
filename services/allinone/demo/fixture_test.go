package demo

import (
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/event"
)

func TestTheSampleIsWhatItClaims(t *testing.T) {
	now := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	s, err := Load(now)
	if err != nil {
		t.Fatal(err)
	}
	doors, accounts, orders := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, p := range s.parcels {
		doors[p.door]++
		accounts[p.Account]++
		if orders[p.Order] {
			t.Errorf("order %s occurs twice", p.Order)
		}
		orders[p.Order] = true
		p.Source = "api"
		if err := p.Check(event.TypeShipped); err != nil {
			t.Errorf("order %s: %v", p.Order, err)
		}
		if k := p.key(s.Settings); k.Connection == "" {
			t.Errorf("order %s: account %s has no connection", p.Order, p.Account)
		}
	}
	if len(s.parcels) < 300 || len(accounts) != 3 {
		t.Errorf("%d shipments of %d accounts", len(s.parcels), len(accounts))
	}
	for _, door := range []string{"stream", "api", "hand", "import-dhl", "import-csv"} {
		if doors[door] == 0 {
			t.Errorf("nothing comes through door %s", door)
		}
	}
	if _, err := amazonsim.New(amazonsim.Options{Scenario: s.Scenario}); err != nil {
		t.Errorf("the simulator refuses the scenario: %v", err)
	}
	for _, role := range []string{roleUnknownCarrier, roleExcluded, roleRepeated, roleContradicted, "cancelled at Amazon",
		"already shipped at Amazon", "time-out after the commit", "label bought from Amazon", "Ship+ order",
		"shipped eight days ago", "without a tracking number"} {
		if len(s.role(role)) == 0 {
			t.Errorf("nobody plays %q", role)
		}
	}
	for i, c := range s.Settings.Connections {
		s.Settings.Connections[i].Endpoint, s.Settings.Connections[i].TokenEndpoint = "http://127.0.0.1:1", "http://127.0.0.1:1/auth/o2/token"
		for _, ref := range []string{c.ClientSecret, c.RefreshToken} {
			if _, err := secret(ref); err != nil {
				t.Error(err)
			}
		}
		s.Settings.Connections[i] = s.Settings.Connections[i].WithDefaults()
	}
	if err := s.Settings.Check(); err != nil {
		t.Error(err)
	}
}
