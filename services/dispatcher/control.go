package dispatcher

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi"
	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/shipment"
)

// control answers the questions of consoles about the connections this process holds. Others do not answer.
func (s *Service) control(ctx context.Context) error {
	asked := make(chan *nats.Msg, 64)
	sub, err := s.cfg.NATS.ChanSubscribe(control.All, asked)
	if err != nil {
		return err
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-asked:
			s.answer(ctx, m)
		}
	}
}

func (s *Service) answer(ctx context.Context, m *nats.Msg) {
	if m.Subject == control.Rebuild {
		select {
		case s.again <- struct{}{}:
		default:
		}
		s.reply(m, struct{}{})
		return
	}
	part := strings.Split(m.Subject, ".")
	st, ok := s.station(shipment.ConnectionID(part[2]))
	if !ok || len(part) != 4 {
		return
	}
	switch part[3] {
	case "status":
		s.reply(m, status(st))
	case "test":
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		var out []control.Step
		for _, step := range st.client.Test(ctx) {
			out = append(out, control.Step{Name: step.Name, OK: step.OK, Took: step.Took, Rule: step.Rule.ID, Text: step.Text})
		}
		s.reply(m, out)
	}
}

func (s *Service) reply(m *nats.Msg, v any) {
	data, err := json.Marshal(v)
	if err == nil && m.Reply != "" {
		err = m.Respond(data)
	}
	if err != nil {
		s.cfg.Logger.Warn("question not answered", "subject", m.Subject, "error", err)
	}
}

func status(st *station) control.Status {
	is := st.client.Status()
	return control.Status{
		Breaker: breaker(is.Breaker), TokenBreaker: breaker(is.TokenBreaker),
		Rate: is.Quota.Confirm.Rate, Burst: is.Quota.Confirm.Burst, Available: is.Quota.Confirm.Available,
		PausedUntil: is.Quota.Confirm.PausedUntil, TokenUntil: is.Token.ValidUntil, Run: st.worker.Progress(),
	}
}

func breaker(b spapi.BreakerStatus) control.Breaker {
	return control.Breaker{State: b.State, Reason: b.Reason, Since: b.Since, NextProbe: b.NextProbe}
}
