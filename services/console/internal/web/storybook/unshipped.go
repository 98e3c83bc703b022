package storybook

import (
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/page"
	known "github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// unshipped is a page of open orders: late, soon, later, without ship-by, and one that was reported here.
func unshipped(f page.Frame) page.Open {
	p := page.Open{Frame: f, All: true, Accounts: []page.Option{{Label: "list.all_accounts"}, {Value: "DE", Text: "Amazon.de"}}, Next: "/open?after=x",
		AsOf: []page.OpenAsOf{{Name: "Muster GmbH, Europa", At: ago(12 * time.Minute), Open: 1038}, {Name: "Muster Ltd"}}}
	for n, by := range []time.Duration{-time.Hour, 2 * time.Hour, 26 * time.Hour, 30 * time.Hour, 0} {
		var packages []shipment.Shipment
		x := known.Order{Connection: "EU1", Account: "DE", ID: fmt.Sprintf("302-7654321-%07d", n+1), OwnNumber: fmt.Sprintf("B-20%d", n), Status: known.Unshipped,
			ServiceLevel: "STANDARD", Items: []known.Item{{ID: "1", Ordered: n + 1, Unfulfilled: n + 1}}}
		if by != 0 {
			x.ShipBy = Now.Add(by)
		}
		switch n {
		case 1:
			x.ServiceLevel, x.Programs = "NEXT_DAY", []string{"PRIME"}
		case 2:
			packages = []shipment.Shipment{{Key: shipment.Key{Connection: "EU1", Order: x.ID, Package: "1"}, State: shipment.Pending}}
		}
		row := page.NewOpenRow(x, packages, "Amazon.de", Now, Zone)
		if f.Role.Acts() && len(packages) == 0 {
			row.ShipURL = "/ship?account=DE&order=" + x.ID
		}
		p.Rows = append(p.Rows, row)
	}
	return p
}
