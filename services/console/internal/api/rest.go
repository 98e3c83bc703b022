package api

import (
	"context"
	"runtime"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func (s *server) GetOverview(ctx context.Context, _ gen.GetOverviewRequestObject) (gen.GetOverviewResponseObject, error) {
	o, err := s.ops.Overview(ctx, auth.From(ctx))
	if err != nil {
		return nil, err
	}
	out := gen.GetOverview200JSONResponse{At: o.At, Total: total(o.Total), Accounts: make([]gen.AccountOverview, len(o.Accounts)), Messages: messages(o.Messages), NextRun: moment(o.NextRun)}
	for i, a := range o.Accounts {
		out.Accounts[i] = gen.AccountOverview{Id: gen.AccountId(a.ID), Name: a.Name, Counts: total(a.Counts), PausedUntil: moment(a.PausedUntil), NextRun: moment(a.NextRun)}
	}
	if o.LastRun != nil {
		out.LastRun = ptr(run(*o.LastRun))
	}
	return out, nil
}

func (s *server) ListMessages(ctx context.Context, _ gen.ListMessagesRequestObject) (gen.ListMessagesResponseObject, error) {
	list, err := s.ops.Messages(ctx, auth.From(ctx))
	if err != nil {
		return nil, err
	}
	return gen.ListMessages200JSONResponse{Messages: messages(list)}, nil
}

func (s *server) SendMessage(ctx context.Context, r gen.SendMessageRequestObject) (gen.SendMessageResponseObject, error) {
	var op string
	if r.Body != nil {
		op = val(r.Body.OperationId)
	}
	started, err := s.ops.Press(ctx, auth.From(ctx), r.Id, op)
	if err != nil {
		return nil, err
	}
	return gen.SendMessage202JSONResponse(run(started)), nil
}

func (s *server) ListAccounts(ctx context.Context, _ gen.ListAccountsRequestObject) (gen.ListAccountsResponseObject, error) {
	list, err := s.ops.Accounts(ctx, auth.From(ctx))
	if err != nil {
		return nil, err
	}
	out := gen.ListAccounts200JSONResponse{Accounts: make([]gen.Account, len(list))}
	for i, a := range list {
		c := a.Connection
		out.Accounts[i] = gen.Account{Id: gen.AccountId(a.ID), Name: a.Name, Marketplace: a.Marketplace, Connection: gen.ConnectionId(c.ID), ConnectionName: c.Name,
			Mode: gen.AccountMode(c.Mode), Region: gen.AccountRegion(c.Region), PausedUntil: moment(a.PausedUntil), AgeLimitDays: a.AgeLimitDays,
			RejectedOrder: gen.AccountRejectedOrder(a.RejectedOrder), Rules: rules(a.Mapping.Rules), Labels: labels(a.Labels), Health: health(a.Status)}
	}
	return out, nil
}

func (s *server) MapCarrier(ctx context.Context, r gen.MapCarrierRequestObject) (gen.MapCarrierResponseObject, error) {
	b := r.Body
	rule := settings.MapRule{Carrier: b.Carrier, Service: val(b.Service), Country: val(b.Country), CarrierCode: b.CarrierCode, CarrierName: val(b.CarrierName), ShippingMethod: val(b.ShippingMethod)}
	m, err := s.ops.MapCarrier(ctx, auth.From(ctx), shipment.AccountID(r.Id), rule, b.Comment)
	if err != nil {
		return nil, err
	}
	return gen.MapCarrier200JSONResponse{Rules: rules(m.Rules), Repaired: bulk(m.Repaired)}, nil
}

func (s *server) SetLabelRules(ctx context.Context, r gen.SetLabelRulesRequestObject) (gen.SetLabelRulesResponseObject, error) {
	now, err := s.ops.SetLabels(ctx, auth.From(ctx), shipment.AccountID(r.Id), labelRules(r.Body.Rules), r.Body.Version, r.Body.Comment)
	if err != nil {
		return nil, err
	}
	return gen.SetLabelRules200JSONResponse(labels(now)), nil
}

func (s *server) PauseAccount(ctx context.Context, r gen.PauseAccountRequestObject) (gen.PauseAccountResponseObject, error) {
	if err := s.ops.Pause(ctx, auth.From(ctx), shipment.AccountID(r.Id), val(r.Body.Until), r.Body.Comment); err != nil {
		return nil, err
	}
	return gen.PauseAccount204Response{}, nil
}

func (s *server) TestConnection(ctx context.Context, r gen.TestConnectionRequestObject) (gen.TestConnectionResponseObject, error) {
	t, err := s.ops.TestConnection(ctx, auth.From(ctx), shipment.ConnectionID(r.Id))
	if err != nil {
		return nil, err
	}
	out := gen.TestConnection200JSONResponse{Ok: t.OK}
	out.Steps = make([]struct {
		Milliseconds int       `json:"milliseconds"`
		Name         string    `json:"name"`
		Ok           bool      `json:"ok"`
		Remedy       *gen.Text `json:"remedy,omitempty"`
		Skipped      *bool     `json:"skipped,omitempty"`
		Text         *string   `json:"text,omitempty"`
	}, len(t.Steps))
	for i, x := range t.Steps {
		y := &out.Steps[i]
		y.Milliseconds, y.Name, y.Ok, y.Skipped, y.Text = int(x.Took/time.Millisecond), x.Name, x.OK, opt(x.Skipped), opt(x.Text)
		y.Remedy = remedy(x.Remedy)
	}
	return out, nil
}

func (s *server) RebuildView(ctx context.Context, _ gen.RebuildViewRequestObject) (gen.RebuildViewResponseObject, error) {
	if err := s.ops.Rebuild(ctx, auth.From(ctx)); err != nil {
		return nil, err
	}
	return gen.RebuildView202Response{}, nil
}

func (s *server) GetVersion(ctx context.Context, _ gen.GetVersionRequestObject) (gen.GetVersionResponseObject, error) {
	a := auth.From(ctx)
	if !a.May(ops.Viewer) {
		return nil, auth.ErrUnknown
	}
	out := gen.GetVersion200JSONResponse{Version: s.version, Go: runtime.Version(), Actor: a.Name, Role: gen.VersionRole(a.Role), Accounts: []string{}}
	for _, id := range a.Accounts {
		out.Accounts = append(out.Accounts, string(id))
	}
	return out, nil
}
