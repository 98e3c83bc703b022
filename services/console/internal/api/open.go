package api

import (
	"context"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (s *server) ListOpenOrders(ctx context.Context, r gen.ListOpenOrdersRequestObject) (gen.ListOpenOrdersResponseObject, error) {
	p := r.Params
	if err := some(p.Limit); err != nil {
		return nil, err
	}
	f := ops.OpenFilter{DueBefore: val(p.DueBefore), Unreported: val(p.Unreported)}
	for _, id := range val(p.Account) {
		f.Accounts = append(f.Accounts, shipment.AccountID(id))
	}
	page, err := s.ops.OpenOrders(ctx, auth.From(ctx), f, ops.Paging{After: val(p.After), Limit: val(p.Limit)})
	if err != nil {
		return nil, err
	}
	out := gen.ListOpenOrders200JSONResponse{Items: make([]gen.OpenOrder, len(page.Items)), Next: opt(page.Next), Total: page.Total, AsOf: make([]gen.Comparison, len(page.AsOf))}
	for i, x := range page.Items {
		out.Items[i] = openOrder(x)
	}
	for i, c := range page.AsOf {
		out.AsOf[i] = gen.Comparison{Connection: gen.ConnectionId(c.Connection), At: moment(c.At), Open: c.Open}
	}
	return out, nil
}

func openOrder(x ops.OpenOrder) gen.OpenOrder {
	out := gen.OpenOrder{Connection: gen.ConnectionId(x.Connection), Account: gen.AccountId(x.Account), AmazonOrderId: x.ID, OwnNumber: opt(x.OwnNumber),
		Status: string(x.Status), ServiceLevel: opt(x.ServiceLevel), ShipBy: moment(x.ShipBy), Source: x.Source, AsOf: x.AsOf,
		Items: make([]gen.OpenItem, len(x.Items)), Packages: make([]gen.OpenPackage, len(x.Packages))}
	if len(x.Programs) > 0 {
		out.Programs = &x.Programs
	}
	for i, it := range x.Items {
		out.Items[i] = gen.OpenItem{OrderItemId: it.ID, Ordered: it.Ordered, Unfulfilled: it.Unfulfilled}
	}
	for i, p := range x.Packages {
		out.Packages[i] = gen.OpenPackage{Package: p.Package, State: gen.State(p.State)}
	}
	return out
}
