package console_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// openOrder is the n-th open order, due in hours; 0 without a ship-by.
func openOrder(a shipment.AccountID, n, hours int, at time.Time) orders.Order {
	o := orders.Order{Connection: "EU", Account: a, ID: order(n), Status: orders.Unshipped, Source: orders.FromAmazon, AsOf: at, OwnNumber: fmt.Sprintf("B-%d", n),
		Items: []orders.Item{{ID: "1", Ordered: 2, Unfulfilled: 2}}}
	if hours != 0 {
		o.ShipBy = at.Add(time.Duration(hours) * time.Hour)
	}
	return o
}

func TestOpenOrdersAreListedByDeadline(t *testing.T) {
	b := start(t, redistest.Mini(t))
	now := time.Now().UTC().Truncate(time.Second)
	v := b.visitor(operator)
	v.get("/open").has(t, test("empty"), "noch nicht mit Amazon abgeglichen", "erscheinen hier nach dem ersten Abgleich")
	book, err := orders.Open(b.nc)
	b.must(err)
	shipped := openOrder("DE", 6, 1, now)
	shipped.Status = orders.Shipped
	b.must(book.Put(b.ctx, openOrder("DE", 1, 30, now), openOrder("DE", 2, 0, now), openOrder("FR", 3, 2, now), openOrder("DE", 4, 8, now), openOrder("DE", 5, -1, now), shipped))
	b.must(book.Record(b.ctx, orders.Sweep{Connection: "EU", StartedAt: now, At: now, Finished: true, Open: 5}))
	b.accept("DE", 4)
	yes, limit := true, 2
	before := now.Add(24 * time.Hour)
	for _, row := range []struct {
		name, token string
		params      client.ListOpenOrdersParams
		total       int
		want        []int
	}{
		{"all", viewer, client.ListOpenOrdersParams{}, 5, []int{5, 3, 4, 1, 2}},
		{"in pages", viewer, client.ListOpenOrdersParams{Limit: &limit}, 5, []int{5, 3, 4, 1, 2}},
		{"not reported", viewer, client.ListOpenOrdersParams{Unreported: &yes, Limit: &limit}, 5, []int{5, 3, 1, 2}},
		{"due tomorrow", viewer, client.ListOpenOrdersParams{DueBefore: &before}, 3, []int{5, 3, 4}},
		{"one account", viewer, client.ListOpenOrdersParams{Account: &[]string{"FR"}}, 1, []int{3}},
		{"of who sees one account", french, client.ListOpenOrdersParams{}, 1, []int{3}},
	} {
		var want []string
		for _, n := range row.want {
			want = append(want, order(n))
		}
		b.until("list of "+row.name, func() bool {
			ids, total := b.openOrders(row.token, row.params)
			return total == row.total && slices.Equal(ids, want)
		})
	}
	r, err := b.api(viewer).ListOpenOrdersWithResponse(b.ctx, &client.ListOpenOrdersParams{})
	b.must(err)
	if got := r.JSON200; len(got.AsOf) != 2 || got.AsOf[0].At == nil || !got.AsOf[0].At.Equal(now) || got.AsOf[0].Open != 5 || got.AsOf[1].At != nil {
		t.Errorf("as of: %s", r.Body)
	}
	if x := r.JSON200.Items[2]; len(x.Packages) != 1 || x.Packages[0].State != client.StatePending || val(x.OwnNumber) != "B-4" || x.Items[0].Unfulfilled != 2 {
		t.Errorf("reported: %+v", x)
	}
	for name, p := range map[string]client.ListOpenOrdersParams{"a strange place": {After: ptr("x")}, "an unknown account": {Account: &[]string{"XX"}}} {
		if r, err := b.api(viewer).ListOpenOrdersWithResponse(b.ctx, &p); err != nil || r.StatusCode() != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, r.StatusCode(), err)
		}
	}
	page := v.get("/open")
	page.has(t, order(5), "due late", "5 Aufträge offen", `href="/ship?account=DE&amp;order=`+order(5))
	page.lacks(t, order(4), order(6))
	v.get("/open?all=1").has(t, order(4), "/orders/EU/"+order(4)+"/1")
	b.visitor(viewer).get("/open").lacks(t, "/ship?account")
}

// openOrders reads all pages.
func (b *bed) openOrders(token string, p client.ListOpenOrdersParams) (ids []string, total int) {
	for {
		r, err := b.api(token).ListOpenOrdersWithResponse(b.ctx, &p)
		b.must(err)
		if r.JSON200 == nil {
			b.t.Fatalf("%d %s", r.StatusCode(), r.Body)
		}
		for _, x := range r.JSON200.Items {
			ids = append(ids, x.AmazonOrderId)
		}
		if p.After, total = r.JSON200.Next, r.JSON200.Total; p.After == nil {
			return ids, total
		}
	}
}
