package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/shipment"
)

// report sends everything through the four doors and waits until the ledger has it.
func (s *Story) report(ctx context.Context) error {
	if err := s.senders.all(ctx); err != nil {
		return err
	}
	if err := s.known(ctx); err != nil {
		return err
	}
	if err := s.senders.again(ctx); err != nil {
		return err
	}
	doors := map[string]int{}
	for _, l := range s.senders.journal {
		doors[l.Door]++
	}
	s.say("Reported: %d on JetStream, %d by the web service, %d by hand, %d in carriers' files. Each is on disk before its sender is told so.",
		doors["stream"], doors["api"], doors["hand"], doors["import"])
	return nil
}

// known waits until every shipment somebody was promised has its first ledger entry.
func (s *Story) known(ctx context.Context) error {
	keys := make([]shipment.Key, len(s.sample.parcels))
	for i, p := range s.sample.parcels {
		keys[i] = p.key(s.sample.Settings)
	}
	return s.until(ctx, intakeWithin, "all shipments are taken in", func(ctx context.Context) (bool, error) {
		got, err := s.system.Ledger.LastMany(ctx, keys)
		return len(got) == len(keys), err
	})
}

// until polls a condition.
func (s *Story) until(ctx context.Context, within time.Duration, what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		ok, err := done(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// exclude takes one order out of the job, as an operator would who reports it by hand.
func (s *Story) exclude(ctx context.Context) error {
	p := s.sample.role(roleExcluded)[0]
	k := p.key(s.sample.Settings)
	keys := []client.Key{{Connection: string(k.Connection), Order: k.Order, Package: k.Package}}
	r, err := s.api.ExcludeShipmentsWithResponse(ctx, client.BulkRequest{Keys: &keys, Comment: "reported in Seller Central by hand"})
	if err == nil {
		err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
	}
	if err != nil {
		return fmt.Errorf("exclude an order: %w", err)
	}
	s.say("Excluded: order %s, with a comment.", k.Order)
	return nil
}

// run asks for the job and follows it.
func (s *Story) run(ctx context.Context) error {
	p, err := s.api.PreviewRunWithResponse(ctx, &client.PreviewRunParams{})
	if err == nil {
		err = client.Check(p.StatusCode(), p.Body, p.JSONDefault)
	}
	if err != nil {
		return fmt.Errorf("preview the run: %w", err)
	}
	s.say("\n%s", p.JSON200.Text.En)
	return s.start(ctx, "the demo's noon run")
}

// start runs the job now and follows it to its end.
func (s *Story) start(ctx context.Context, comment string) error {
	r, err := s.api.StartRunWithResponse(ctx, client.StartRunRequest{Comment: &comment})
	if err == nil {
		err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
	}
	if err != nil {
		return fmt.Errorf("start the run: %w", err)
	}
	return s.follow(ctx, r.JSON202.Runs)
}

// follow shows the progress of runs, side by side as they are, until all have ended.
func (s *Story) follow(ctx context.Context, runs []client.Run) error {
	ctx, cancel := context.WithTimeout(ctx, runWithin)
	defer cancel()
	told := make(chan client.Progress, 64)
	ended := make(chan error, len(runs))
	for _, r := range runs {
		go func() { ended <- s.watch(ctx, r.Id, told) }()
	}
	bar := cli.NewBar(s.cfg.Out, "run")
	latest := map[string]client.Progress{}
	var errs []error
	for open := len(runs); open > 0; {
		select {
		case p := <-told:
			if why := value(p.Waiting); why != "" && why != value(latest[p.RunId].Waiting) {
				bar.End()
				s.say("%s waits: %s", p.Connection, why)
			}
			latest[p.RunId] = p
			done, total, remark := combine(latest)
			bar.Show(s.cfg.Now(), done, total, remark)
		case err := <-ended:
			open--
			errs = append(errs, err)
		}
	}
	bar.End()
	for _, r := range runs {
		if err := s.result(ctx, r.Id); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// watch tells a run's progress until its log says that it has ended.
func (s *Story) watch(ctx context.Context, id string, told chan<- client.Progress) error {
	for {
		r, err := s.lookUp(ctx, id)
		if err != nil || r.Phase == client.Finished || r.Phase == client.Joined {
			return err
		}
		_ = client.Watch(ctx, s.api, id, func(p client.Progress) {
			select {
			case told <- p:
			case <-ctx.Done():
			}
		})
		select {
		case <-ctx.Done():
			return fmt.Errorf("follow run %s: %w", id, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Story) lookUp(ctx context.Context, id string) (client.Run, error) {
	r, err := s.api.GetRunWithResponse(ctx, id)
	if err == nil {
		err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
	}
	if err != nil {
		return client.Run{}, fmt.Errorf("look up run %s: %w", id, err)
	}
	return *r.JSON200, nil
}

func combine(latest map[string]client.Progress) (done, total int, remark string) {
	var confirmed, deferred int
	for _, p := range latest {
		done, total = done+p.Done, total+p.Total
		confirmed, deferred = confirmed+p.Confirmed, deferred+p.Deferred
	}
	return done, total, fmt.Sprintf("confirmed %d, deferred %d", confirmed, deferred)
}

func (s *Story) result(ctx context.Context, id string) error {
	r, err := s.lookUp(ctx, id)
	if err != nil {
		return err
	}
	var c client.RunCounts
	if r.Counts != nil {
		c = *r.Counts
	}
	s.say("Run of %s: %d attempts, %d confirmed, %d deferred, %d in doubt, %d closed, %d not required, %d answers 429.",
		r.Connection, c.Attempts, c.Confirmed, c.Deferred, c.Doubt, c.Closed, c.NotRequired, c.Throttled)
	return nil
}

// deferred prints what was set back, and why.
func (s *Story) deferred(ctx context.Context) error {
	items, err := s.list(ctx, client.StateDeferred)
	if err != nil {
		return err
	}
	s.say("\nSet back (%d):", len(items))
	for _, i := range items {
		s.say("  %s %s %-10s %s", i.Account, i.Order, kind(i), words(i))
		if i.Remedy != nil {
			s.say("      %s", i.Remedy.En)
		}
	}
	return nil
}

func (s *Story) list(ctx context.Context, states ...client.State) ([]client.Shipment, error) {
	limit := 500
	r, err := s.api.ListShipmentsWithResponse(ctx, &client.ListShipmentsParams{State: &states, Limit: &limit})
	if err == nil {
		err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
	}
	if err != nil {
		return nil, fmt.Errorf("list shipments: %w", err)
	}
	return r.JSON200.Items, nil
}

func kind(s client.Shipment) string {
	if s.Kind == nil {
		return ""
	}
	return string(*s.Kind)
}

func words(s client.Shipment) string {
	if s.Answer == nil || s.Answer.Message == nil {
		return ""
	}
	return *s.Answer.Message
}

// correct does what a clerk does with one of the orders whose carrier Amazon does not know.
func (s *Story) correct(ctx context.Context) error {
	k := s.sample.role(roleUnknownCarrier)[0].key(s.sample.Settings)
	carrier, tracking := "GLS", "27814590331"
	r, err := s.api.CorrectShipmentWithResponse(ctx, string(k.Connection), k.Order, k.Package,
		client.CorrectRequest{Carrier: &carrier, TrackingNumber: &tracking, Comment: "the parcel went with GLS"})
	if err == nil {
		err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
	}
	if err != nil {
		return fmt.Errorf("correct an order: %w", err)
	}
	s.say("\nCorrected: order %s goes with %s.", k.Order, carrier)
	return nil
}

// press uses the button of every message that offers one: what it lists is sent now, and only that.
func (s *Story) press(ctx context.Context) error {
	failed, err := s.failed(ctx)
	if err != nil {
		return err
	}
	var messages []client.Message
	err = s.until(ctx, intakeWithin, "the message is raised", func(ctx context.Context) (bool, error) {
		r, err := s.api.ListMessagesWithResponse(ctx)
		if err == nil {
			err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
		}
		if err != nil {
			return false, err
		}
		messages = messages[:0]
		for _, m := range r.JSON200.Messages {
			if m.Button {
				messages = append(messages, m)
			}
		}
		return len(messages) >= failed, nil
	})
	if err != nil {
		return err
	}
	for _, m := range messages {
		s.say("Message: transmission failed, %d orders of %s. Button pressed.", m.Count, value(m.Account))
		r, err := s.api.SendMessageWithResponse(ctx, m.Id, client.SendMessageRequest{})
		if err == nil {
			err = client.Check(r.StatusCode(), r.Body, r.JSONDefault)
		}
		if err != nil {
			return fmt.Errorf("press the message's button: %w", err)
		}
		if err := s.follow(ctx, []client.Run{*r.JSON202}); err != nil {
			return err
		}
	}
	return nil
}

// failed counts the accounts something of which was set back: each gets a message.
func (s *Story) failed(ctx context.Context) (int, error) {
	items, err := s.list(ctx, client.StateDeferred)
	accounts := map[string]bool{}
	for _, i := range items {
		accounts[i.Account] = true
	}
	return len(accounts), err
}

func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// settle waits until Amazon has been asked about every doubt, and lets the next run send again what proved not to have
// arrived: the recorded body, nothing else.
func (s *Story) settle(ctx context.Context) error {
	again := 0
	err := s.until(ctx, doubtWithin, "Amazon has been asked about every doubt", func(ctx context.Context) (bool, error) {
		open := 0
		again = 0
		_, err := s.system.Ledger.Heads(ctx, "", func(e shipment.Entry) error {
			switch {
			case e.After.State == shipment.Doubt && e.After.Sendable():
				again++
			case e.After.State == shipment.Doubt, e.After.State == shipment.Transmitting:
				open++
			}
			return nil
		})
		return open == 0, err
	})
	if err != nil {
		return err
	}
	s.say("\nDoubts: Amazon was asked about each; %d proved not to have arrived. The next run sends those again, as recorded.", again)
	return s.start(ctx, "the demo's afternoon run")
}
