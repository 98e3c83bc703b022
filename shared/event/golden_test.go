package event_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/shipment"
)

func at(s string) event.Time {
	t, err := event.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

// Golden files are what senders published once. They are never changed; a new version of an event gets new files.
var golden = map[string]event.Event{
	"shipped_full.json": {
		SpecVersion: "1.0", ID: "0198c2f0-7f4e-7d5b-9a31-6b7b2f5f1c11", Source: "/erp/warehouse-2", Type: event.TypeShipped,
		Subject: "302-1234567-7654321/2", Time: time.Date(2026, 11, 20, 13, 4, 5, 123e6, time.UTC), DataContentType: "application/json",
		Data: event.Shipped{
			Connection: "EU-MAIN", Account: "AMZ_DE", Order: "302-1234567-7654321", Package: "2",
			ShippedAt: at("2026-11-20T14:03:00+01:00"), ShipBy: new(at("2026-11-21")), Carrier: "DHL", Service: "Paket", Tracking: "00340434161094042557",
			Items: []shipment.Item{{OrderItemID: "05015851154158", Quantity: 2, TransparencyCodes: []string{"AZ:ABC123", "AZ:ABC124"}},
				{OrderItemID: "05015851154166", Quantity: 1}},
			Label: shipment.LabelOwn, Programs: []string{"PRIME"}, Reference: "R-2026-1178", Source: "service",
		},
	},
	"shipped_minimal.json": {
		SpecVersion: "1.0", ID: "1", Source: "/erp", Type: event.TypeShipped,
		Data: event.Shipped{Account: "AMZ_DE", Order: "302-1234567-7654321", Package: "1", ShippedAt: at("2026-11-20"), Source: "import"},
	},
	"amended.json": {
		SpecVersion: "1.0", ID: "0198c2f0-7f4e-7d5b-9a31-6b7b2f5f1c12", Source: "/erp/warehouse-2", Type: event.TypeAmended,
		Subject: "302-1234567-7654321/1", Time: time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC), DataContentType: "application/json",
		Data: event.Shipped{Account: "AMZ_DE", Order: "302-1234567-7654321", Package: "1", ShippedAt: at("2026-11-20T13:03:00Z"),
			Carrier: "UPS", Tracking: "1Z999AA10123456784", Source: "api"},
	},
	"withdrawn.json": {
		SpecVersion: "1.0", ID: "0198c2f0-7f4e-7d5b-9a31-6b7b2f5f1c13", Source: "/erp/warehouse-2", Type: event.TypeWithdrawn,
		Time: time.Date(2026, 11, 20, 16, 0, 0, 0, time.UTC),
		Data: event.Shipped{Account: "AMZ_DE", Order: "302-1234567-7654321", Package: "1", Source: "service"},
	},
}

func TestGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) != len(golden) {
		t.Fatalf("%d golden files (%v), want %d", len(files), err, len(golden))
	}
	schemas := compile(t)
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			got, err := event.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, want)
			valid(t, schemas, got.Type, b)

			encoded, err := event.Encode(got)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, schemas, got.Type, encoded)
			again, err := event.Decode(encoded)
			if err != nil {
				t.Fatal(err)
			}
			same(t, again, want)
		})
	}
}

// same compares two events; times are equal when they are the same instant, or both the same date.
func same(t *testing.T, got, want event.Event) {
	t.Helper()
	times := func(e *event.Event) {
		e.Time = e.Time.UTC()
		e.Data.ShippedAt.Time = e.Data.ShippedAt.UTC()
		if e.Data.ShipBy != nil {
			e.Data.ShipBy = &event.Time{Time: e.Data.ShipBy.UTC(), DateOnly: e.Data.ShipBy.DateOnly}
		}
	}
	times(&got)
	times(&want)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func TestNewFillsTheEnvelope(t *testing.T) {
	data := golden["shipped_minimal.json"].Data
	data.Package = ""
	e := event.New(event.TypeShipped, "7", "/erp", time.Date(2026, 11, 20, 14, 0, 0, 0, time.FixedZone("CET", 3600)), data)
	if err := e.Check(); err != nil {
		t.Fatal(err)
	}
	if e.Subject != "302-1234567-7654321/1" || e.SpecVersion != "1.0" || e.Data.Package != "1" || e.Time.Hour() != 13 {
		t.Fatalf("%+v", e)
	}
}
