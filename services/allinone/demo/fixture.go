package demo

import (
	"bytes"
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

//go:embed fixtures
var fixtures embed.FS

// Roles of shipments.csv that the story refers to.
const (
	roleUnknownCarrier = "unknown carrier"
	roleExcluded       = "excluded by an operator"
	roleNoEffect       = "accepted without effect"
	roleRepeated       = "reported twice, the same"
	roleContradicted   = "reported twice, with another tracking number"
)

// parcel is one line of shipments.csv: a shipment, the door it comes through, and what Amazon thinks of its order.
type parcel struct {
	door, role, amazon string
	event.Shipped
}

// Sample is the demo's input, with all times relative to the moment it was loaded.
type Sample struct {
	Settings settings.Set
	Scenario amazonsim.Scenario
	parcels  []parcel
}

// secrets are the references of settings.yaml; they open the simulator and nothing else.
func secret(ref string) (string, error) {
	known := map[string]string{
		"env:DEMO_CLIENT_SECRET_EU": "demo-secret-eu", "env:DEMO_REFRESH_TOKEN_EU": "Atzr|demo-eu",
		"env:DEMO_CLIENT_SECRET_UK": "demo-secret-uk", "env:DEMO_REFRESH_TOKEN_UK": "Atzr|demo-uk",
	}
	v, ok := known[ref]
	if !ok {
		return "", fmt.Errorf("secret %s is none of the demo's", ref)
	}
	return v, nil
}

// Load reads the fixtures.
func Load(now time.Time) (Sample, error) {
	var s Sample
	for name, read := range map[string]func([]byte) error{
		"settings.yaml": func(b []byte) error { return yaml.UnmarshalWithOptions(b, &s.Settings, yaml.Strict()) },
		"amazon.yaml": func(b []byte) (err error) {
			s.Scenario, err = amazonsim.ReadScenario(bytes.NewReader(b))
			return err
		},
		"shipments.csv": func(b []byte) (err error) {
			s.parcels, err = readParcels(b, now)
			return err
		},
	} {
		data, err := fixtures.ReadFile("fixtures/" + name)
		if err == nil {
			err = read(data)
		}
		if err != nil {
			return Sample{}, fmt.Errorf("read fixture %s: %w", name, err)
		}
	}
	return s, s.stock(now)
}

// stock gives Amazon the orders of the shipments, and the faults the ids of the orders they are aimed at.
func (s *Sample) stock(now time.Time) error {
	for _, p := range s.parcels {
		s.Scenario.Orders = append(s.Scenario.Orders, p.order(s.Settings, now))
	}
	for i, f := range s.Scenario.Faults {
		role, ok := strings.CutPrefix(f.OrderID, "role:")
		if !ok {
			continue
		}
		hits := s.role(role)
		if len(hits) != 1 {
			return fmt.Errorf("read fixture amazon.yaml: fault %s is aimed at %q, which %d shipments are", f.ID, role, len(hits))
		}
		s.Scenario.Faults[i].OrderID = hits[0].Order
	}
	return nil
}

// role returns the shipments with a part in the story.
func (s *Sample) role(name string) []parcel {
	return slices.DeleteFunc(slices.Clone(s.parcels), func(p parcel) bool { return p.role != name })
}

// order is the parcel's order as Amazon has it.
func (p parcel) order(set settings.Set, now time.Time) amazonsim.Order {
	conn, account, _ := set.Account(shipment.AccountID(p.Account))
	o := amazonsim.Order{ID: p.Order, Seller: map[shipment.ConnectionID]string{"EU-MAIN": "DEMOSELLEREU", "UK-MAIN": "DEMOSELLERUK"}[conn.ID],
		MarketplaceID: account.Marketplace, CreatedAt: now.Add(-10 * 24 * time.Hour), ShipBy: amazonsim.Window{Latest: p.ShipBy.Time}}
	for _, i := range p.Items {
		o.Items = append(o.Items, amazonsim.Item{ID: i.OrderItemID, Quantity: i.Quantity})
	}
	switch p.amazon {
	case "cancelled":
		o.Status, o.CancelledBy = amazonsim.Cancelled, "BUYER"
	case "shipped":
		o.Status = amazonsim.Shipped
	case "shipplus":
		o.Programs = []string{amazonsim.ProgramShipPlus}
	case "prime":
		o.Programs, o.ServiceLevel = []string{"PRIME"}, "NEXT_DAY"
	}
	return o
}

func readParcels(b []byte, now time.Time) ([]parcel, error) {
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma = ';'
	rows, err := r.ReadAll()
	if err != nil {
		return nil, err
	}
	head := rows[0]
	var out []parcel
	for n, row := range rows[1:] {
		field := map[string]string{}
		for i, name := range head {
			field[name] = row[i]
		}
		p, err := parse(field, now)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+2, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func parse(f map[string]string, now time.Time) (parcel, error) {
	age, err := time.ParseDuration(f["shipped"])
	if err != nil {
		return parcel{}, fmt.Errorf("shipped: %w", err)
	}
	left, err := time.ParseDuration(strings.TrimPrefix(f["ship_by"], "+"))
	if err != nil {
		return parcel{}, fmt.Errorf("ship_by: %w", err)
	}
	p := parcel{door: f["door"], role: f["role"], amazon: f["amazon"], Shipped: event.Shipped{
		Account: f["account"], Order: f["order"], Package: f["package"], Carrier: f["carrier"], Service: f["service"],
		Tracking: f["tracking"], Label: shipment.LabelSource(f["label"]), Reference: f["reference"],
		ShippedAt: event.Time{Time: now.Add(-age).Truncate(time.Second)}, ShipBy: &event.Time{Time: now.Add(left).Truncate(time.Minute)},
	}}
	for part := range strings.FieldsSeq(f["items"]) {
		id, n, _ := strings.Cut(part, ":")
		quantity, err := strconv.Atoi(n)
		if err != nil {
			return parcel{}, fmt.Errorf("items: %w", err)
		}
		p.Items = append(p.Items, shipment.Item{OrderItemID: id, Quantity: quantity})
	}
	return p, nil
}

// key is the shipment's, with the connection its account belongs to.
func (p parcel) key(set settings.Set) shipment.Key {
	conn, _, _ := set.Account(shipment.AccountID(p.Account))
	return shipment.Key{Connection: conn.ID, Order: p.Order, Package: p.Package}
}
