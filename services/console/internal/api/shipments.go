package api

import (
	"cmp"
	"context"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (s *server) ReportShipments(ctx context.Context, r gen.ReportShipmentsRequestObject) (gen.ReportShipmentsResponseObject, error) {
	verdicts := make([]door.Verdict, len(r.Body.Reports))
	var reports []ops.Reported
	var at []int
	for i, in := range r.Body.Reports {
		rep, problem := reported(in)
		if problem != nil {
			verdicts[i] = door.Verdict{Result: door.Refused, Account: in.Account, Problems: []door.Problem{*problem}}
			continue
		}
		reports, at = append(reports, rep), append(at, i)
	}
	if len(reports) > 0 || len(verdicts) == 0 {
		given, err := s.ops.Report(ctx, auth.From(ctx), reports)
		if err != nil {
			return nil, err
		}
		for j, v := range given {
			verdicts[at[j]] = v
		}
	}
	out := gen.ReportShipments200JSONResponse{Results: make([]gen.Verdict, len(verdicts))}
	for i, v := range verdicts {
		out.Results[i] = verdict(v)
	}
	return out, nil
}

// reported reads a report. A time that cannot be read is the report's own problem and does not stop the others.
func reported(in gen.Report) (ops.Reported, *door.Problem) {
	out := ops.Reported{ID: val(in.Id), Data: event.Shipped{
		Connection: val(in.Connection), Account: in.Account, Order: in.AmazonOrderId, Package: val(in.PackageReferenceId),
		Carrier: val(in.Carrier), Service: val(in.Service), Tracking: val(in.TrackingNumber), Items: items(in.Items),
		Label: shipment.LabelSource(val(in.LabelSource)), Programs: val(in.Programs), Reference: val(in.Reference), Source: cmp.Or(string(val(in.Source)), "api")}}
	switch val(in.Type) {
	case "", gen.ReportTypeShipped:
		out.Type = event.TypeShipped
	case gen.ReportTypeAmended:
		out.Type = event.TypeAmended
	case gen.ReportTypeWithdrawn:
		out.Type = event.TypeWithdrawn
	default:
		return out, &door.Problem{Field: "type", Text: "must be shipped, amended or withdrawn"}
	}
	if in.ShippedAt != nil {
		t, err := event.ParseTime(*in.ShippedAt)
		if err != nil {
			return out, &door.Problem{Field: "shippedAt", Text: err.Error()}
		}
		out.Data.ShippedAt = t
	}
	if in.ShipBy != nil {
		t, err := event.ParseTime(*in.ShipBy)
		if err != nil {
			return out, &door.Problem{Field: "shipBy", Text: err.Error()}
		}
		out.Data.ShipBy = &t
	}
	return out, nil
}

func (s *server) ListShipments(ctx context.Context, r gen.ListShipmentsRequestObject) (gen.ListShipmentsResponseObject, error) {
	p := r.Params
	f := filter(gen.Filter{Accounts: p.Account, States: p.State, Kind: p.Kind, Flagged: p.Flagged, Search: p.Search, Fingerprint: p.Fingerprint, DeferredUntil: p.DeferredUntil})
	f.Sort, f.Desc = ops.Sort(val(p.Sort)), val(p.Desc)
	if err := some(p.Limit); err != nil {
		return nil, err
	}
	page, err := s.ops.Shipments(ctx, auth.From(ctx), f, ops.Paging{After: val(p.After), Limit: val(p.Limit)})
	if err != nil {
		return nil, err
	}
	out := gen.ListShipments200JSONResponse{Items: make([]gen.Shipment, len(page.Items)), Next: opt(page.Next), Total: page.Total}
	for i, sh := range page.Items {
		out.Items[i] = shown(sh)
	}
	return out, nil
}

// some refuses to be asked for nothing, which is not the same as not being asked for a number.
func some(limit *int) error {
	if limit != nil && *limit == 0 {
		return ops.Advise(fault.Field("limit", "is 0"), "ask for at least 1, or leave it out")
	}
	return nil
}

func (s *server) GetShipment(ctx context.Context, r gen.GetShipmentRequestObject) (gen.GetShipmentResponseObject, error) {
	k, err := pathKey(r.Connection, r.Order, r.Package)
	if err != nil {
		return nil, err
	}
	d, err := s.ops.Shipment(ctx, auth.From(ctx), k)
	if err != nil {
		return nil, err
	}
	out := gen.GetShipment200JSONResponse{Shipment: shown(d.Shipment), Version: int64(d.Version), History: make([]gen.HistoryEntry, len(d.History)), Packages: []gen.Key{}}
	for i, e := range d.History {
		out.History[i] = entry(e)
	}
	for _, p := range d.Packages {
		out.Packages = append(out.Packages, key(p))
	}
	return out, nil
}

func pathKey(connection, order, pkg string) (shipment.Key, error) {
	k, err := shipment.ParseKey(connection + "/" + order + "/" + pkg)
	if err != nil {
		return k, ops.Advise(fault.New(fault.NotFound, "%s/%s/%s is not a shipment", connection, order, pkg), "the path is connection/order/package, such as EU/302-1234567-1234567/1")
	}
	return k, nil
}

func (s *server) CorrectShipment(ctx context.Context, r gen.CorrectShipmentRequestObject) (gen.CorrectShipmentResponseObject, error) {
	k, err := pathKey(r.Connection, r.Order, r.Package)
	if err != nil {
		return nil, err
	}
	c := ops.Correction{Sent: val(r.Body.Sent), Carrier: r.Body.Carrier, Service: r.Body.Service, Tracking: r.Body.TrackingNumber, Label: labelSource(r.Body.LabelSource)}
	if c.ShippedAt, err = shippedAt(r.Body.ShippedAt); err != nil {
		return nil, err
	}
	if r.Body.Items != nil {
		list := items(r.Body.Items)
		c.Items = &list
	}
	sh, err := s.ops.Correct(ctx, auth.From(ctx), k, c, r.Body.Comment)
	if err != nil {
		return nil, err
	}
	return gen.CorrectShipment200JSONResponse(shown(sh)), nil
}

func (s *server) ReplayShipments(ctx context.Context, r gen.ReplayShipmentsRequestObject) (gen.ReplayShipmentsResponseObject, error) {
	b, err := s.ops.Replay(ctx, auth.From(ctx), selection(r.Body.Keys, r.Body.Filter), r.Body.Comment, val(r.Body.OperationId))
	if err != nil {
		return nil, err
	}
	return gen.ReplayShipments200JSONResponse{BulkDoneJSONResponse: gen.BulkDoneJSONResponse(bulk(b))}, nil
}

func (s *server) ExcludeShipments(ctx context.Context, r gen.ExcludeShipmentsRequestObject) (gen.ExcludeShipmentsResponseObject, error) {
	b, err := s.ops.Exclude(ctx, auth.From(ctx), selection(r.Body.Keys, r.Body.Filter), r.Body.Comment)
	if err != nil {
		return nil, err
	}
	return gen.ExcludeShipments200JSONResponse{BulkDoneJSONResponse: gen.BulkDoneJSONResponse(bulk(b))}, nil
}

func (s *server) IncludeShipments(ctx context.Context, r gen.IncludeShipmentsRequestObject) (gen.IncludeShipmentsResponseObject, error) {
	b, err := s.ops.Include(ctx, auth.From(ctx), selection(r.Body.Keys, r.Body.Filter), r.Body.Comment)
	if err != nil {
		return nil, err
	}
	return gen.IncludeShipments200JSONResponse{BulkDoneJSONResponse: gen.BulkDoneJSONResponse(bulk(b))}, nil
}

func shippedAt(text *string) (*event.Time, error) {
	if text == nil {
		return nil, nil
	}
	t, err := event.ParseTime(*text)
	if err != nil {
		return nil, fault.Field("shippedAt", "%v", err)
	}
	return &t, nil
}

func (s *server) CorrectShipments(ctx context.Context, r gen.CorrectShipmentsRequestObject) (gen.CorrectShipmentsResponseObject, error) {
	c := ops.Correction{Sent: val(r.Body.Sent), Carrier: r.Body.Carrier, Service: r.Body.Service, Label: labelSource(r.Body.LabelSource)}
	var err error
	if c.ShippedAt, err = shippedAt(r.Body.ShippedAt); err != nil {
		return nil, err
	}
	b, err := s.ops.CorrectMany(ctx, auth.From(ctx), selection(r.Body.Keys, r.Body.Filter), c, r.Body.Comment, val(r.Body.Preview))
	if err != nil {
		return nil, err
	}
	return gen.CorrectShipments200JSONResponse{Done: b.Done, Failed: b.Failed, Edits: b.Edits, MostEdited: opt(b.Most), Items: bulk(b.Bulk).Items,
		Text: gen.Text{De: b.Text("de"), En: b.Text("en")}}, nil
}

func (s *server) CloseShipments(ctx context.Context, r gen.CloseShipmentsRequestObject) (gen.CloseShipmentsResponseObject, error) {
	b, err := s.ops.Close(ctx, auth.From(ctx), selection(r.Body.Keys, r.Body.Filter), shipment.Kind(r.Body.Kind), r.Body.Comment)
	if err != nil {
		return nil, err
	}
	return gen.CloseShipments200JSONResponse{BulkDoneJSONResponse: gen.BulkDoneJSONResponse(bulk(b))}, nil
}

// labelSource is a correction of who sold the label.
func labelSource[T ~string](l *T) *shipment.LabelSource {
	if l == nil {
		return nil
	}
	return ptr(shipment.LabelSource(*l))
}
