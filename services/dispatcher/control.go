package dispatcher

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi"
	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Tests of access ask Amazon and may take long; that many go on at once, and while they do other questions are answered.
const (
	testsAtOnce = 4
	testLimit   = 20 * time.Second
)

// control answers the questions of consoles about the connections this process holds. Others do not answer.
func (s *Service) control(ctx context.Context) error {
	asked := make(chan *nats.Msg, 64)
	sub, err := s.cfg.NATS.ChanSubscribe(control.All, asked)
	if err != nil {
		return fmt.Errorf("listen to questions: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var tests sync.WaitGroup
	defer tests.Wait()
	slots := make(chan struct{}, testsAtOnce)
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-asked:
			if test := s.answer(m); test != nil {
				select {
				case slots <- struct{}{}:
					tests.Go(func() { test(ctx); <-slots })
				default: // no answer: ask again later
				}
			}
		}
	}
}

// answer answers a question at once, or returns how to.
func (s *Service) answer(m *nats.Msg) (test func(context.Context)) {
	if m.Subject == control.Rebuild {
		if s.projecting.Load() {
			select {
			case s.again <- struct{}{}:
			default:
			}
			s.reply(m, struct{}{})
		}
		return nil
	}
	part := strings.Split(m.Subject, ".")
	if len(part) != 4 {
		return nil
	}
	id := shipment.ConnectionID(part[2])
	st, ok := s.station(id)
	switch {
	case !ok:
		return nil
	case m.Subject == control.StatusOf(id):
		s.reply(m, status(st))
		return nil
	case m.Subject == control.TestOf(id):
		return func(ctx context.Context) { s.reply(m, steps(ctx, st)) }
	}
	return nil
}

func steps(ctx context.Context, st *station) []control.Step {
	ctx, cancel := context.WithTimeout(ctx, testLimit)
	defer cancel()
	var out []control.Step
	for _, step := range st.client.Test(ctx) {
		out = append(out, control.Step{Name: step.Name, OK: step.OK, Skipped: step.Skipped, Took: step.Took, Rule: step.Rule.ID, Text: step.Text})
	}
	return out
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
		PausedUntil: is.Quota.Confirm.PausedUntil, TokenUntil: is.Token.ValidUntil, Halted: is.Halted, Run: st.worker.Progress(),
	}
}

func breaker(b spapi.BreakerStatus) control.Breaker {
	return control.Breaker{State: b.State, Reason: b.Reason, Since: b.Since, NextProbe: b.NextProbe}
}
