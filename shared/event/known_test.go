package event_test

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/event"
)

// The golden file is what senders published once; it is never changed.
func TestKnownGoldenFile(t *testing.T) {
	b, err := os.ReadFile("testdata/orders/known.json")
	if err != nil {
		t.Fatal(err)
	}
	valid(t, compile(t), event.TypeKnown, b)
	got := event.DecodeKnown(b)
	want := event.KnownEvent{SpecVersion: "1.0", ID: "0198c2f0-7f4e-7d5b-9a31-6b7b2f5f1c21", Source: "/erp", Type: event.TypeKnown,
		Time: time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC), Data: event.Known{Account: "AMZ_DE", Order: "302-1234567-7654321", OwnNumber: "R-2026-1178", Status: "UNSHIPPED",
			ServiceLevel: "EXPEDITED", Programs: []string{"PRIME"}, ShipBy: new(at("2026-11-21T22:59:59Z")), Items: []event.KnownItem{{OrderItemID: "05015851154158", Quantity: 2}}, Source: "service"}}
	if len(got) != 1 || got[0].Err != nil || !reflect.DeepEqual(got[0].Event, want) || !event.TellsOfOrders(b) {
		t.Errorf("%+v", got)
	}
	two := event.DecodeKnown([]byte("[" + string(b) + "," + string(b) + "]"))
	if len(two) != 2 || two[1].Err != nil {
		t.Errorf("%+v", two)
	}
}

func TestKnownIsChecked(t *testing.T) {
	b, err := os.ReadFile("testdata/orders/known.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, old, new, want string }{
		{"order", "302-1234567-7654321", "302", "amazonOrderId"},
		{"account", "AMZ_DE", "de", "account"},
		{"state", "UNSHIPPED", "OPEN", "status"},
		{"quantity", `"quantity": 2`, `"quantity": 0`, "quantity"},
		{"buyer", `"ownNumber"`, `"buyerName"`, "buyerName"},
		{"type", "order.known.v1", "order.known.v2", "type"},
		{"id", "0198c2f0-7f4e-7d5b-9a31-6b7b2f5f1c21", "", "id"},
		{"no JSON", `{`, `{{`, "JSON"},
	} {
		got := event.DecodeKnown([]byte(strings.Replace(string(b), row.old, row.new, 1)))
		if len(got) != 1 || got[0].Err == nil || !strings.Contains(got[0].Err.Error(), row.want) {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
	for text, tells := range map[string]bool{`{"type":"fertig.order.known.v1"}`: true, `[{"type":"fertig.order.known.v1"}]`: true,
		`{"type":"fertig.order.shipped.v1","data":{"reference":"fertig.order.known.v1"}}`: false, `fertig.order.known.v1`: false, `{}`: false} {
		if event.TellsOfOrders([]byte(text)) != tells {
			t.Errorf("%s: tells %v", text, !tells)
		}
	}
}

func FuzzDecodeKnown(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","type":"fertig.order.known.v1"}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		event.TellsOfOrders(b)
		for _, d := range event.DecodeKnown(b) {
			if d.Err == nil && d.Event.Check() != nil {
				t.Errorf("%q is taken for usable", b)
			}
		}
	})
}
