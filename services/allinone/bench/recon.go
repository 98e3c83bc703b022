package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

const (
	reconTime  = 60 // times faster than Amazon's time
	reconOf    = 10_000
	reconShare = reconOf / 100    // of each difference
	reconDelay = 2 * time.Minute  // of Amazon's reading side
	reconAfter = 10 * time.Minute // ours: the default
)

// recon measures the reconciliation after a run: of 10,000 shipments a hundredth was confirmed without effect, a hundredth
// shipped by hand while it waited, a hundredth cancelled. Time runs 60 times faster: the rates of the reading operations
// are multiplied, bursts stay, the reading side's delay and our own waiting are divided.
func recon(ctx context.Context, b bench) ([]figure, error) {
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	sim, err := startSimulator(ctx, b, dir, reconScenario())
	if err != nil {
		return nil, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: 5000, burst: 1000, inFlight: 32, secondAccount: true, limits: func(l *settings.Limits) {
		l.ReadRate, l.SearchRate = l.ReadRate*reconTime, l.SearchRate*reconTime
		l.ReconcileAfter /= reconTime
	}})
	if err != nil {
		return nil, err
	}
	defer s.close()
	waits := func(i int) (shipment.ConnectionID, shipment.AccountID) {
		if i < 2*reconShare {
			return "EU", "FR"
		}
		return "EU", "DE"
	}
	if err := s.load(ctx, reconOf, waits); err != nil {
		return nil, err
	}
	for i := range 2 * reconShare {
		act := "ship"
		if i%2 == 1 {
			act = "cancel"
		}
		if err := sim.byHand(ctx, order(i), act); err != nil {
			return nil, err
		}
	}
	return s.reconciled(ctx, sim)
}

func reconScenario() scenario {
	sc := scenario{orders: reconOf, rate: 5000, burst: 1000, record: 4 * reconOf, more: func(sc *amazonsim.Scenario) {
		sc.ReadDelay = amazonsim.Duration(reconDelay / reconTime)
		sc.Quotas = append(sc.Quotas, amazonsim.Quota{Operation: amazonsim.OpGetOrder, Rate: 0.5 * reconTime, Burst: 30},
			amazonsim.Quota{Operation: amazonsim.OpSearchOrders, Rate: 0.0056 * reconTime, Burst: 20})
		for i := range 2 * reconShare {
			sc.Orders[i].MarketplaceID = secondMarketplace
		}
		for i := range reconShare {
			sc.Faults = append(sc.Faults, amazonsim.Fault{Kind: amazonsim.FaultSilentDrop, OrderID: order(reconOf - 1 - i), Times: 1})
		}
	}}
	return sc
}

// reconciled runs, waits for the sweep that follows, and compares what it found with what there was to find.
func (s *stack) reconciled(ctx context.Context, sim *simulator) ([]figure, error) {
	id := "bench-" + uuid.NewString()
	t := job.Trigger{RunID: id, Connection: "EU", Accounts: []shipment.AccountID{"DE"}, Kind: job.Manual, Scope: job.All, Actor: "bench", At: time.Now()}
	if _, err := s.board.Ask(ctx, t); err != nil {
		return nil, err
	}
	var ran job.Log
	if err := poll(ctx, func() (bool, error) {
		l, err := s.board.Last(ctx, "EU", id)
		ran = l
		return err == nil && l.Phase == job.Finished, nil
	}); err != nil {
		return nil, err
	}
	book, err := orders.Open(s.nc)
	if err != nil {
		return nil, err
	}
	var sweep orders.Sweep
	if err := poll(ctx, func() (bool, error) {
		sweep, err = book.Swept(ctx, "EU")
		// One that began earlier, because none ever had, could not yet see what the run has sent.
		return err == nil && sweep.Finished && !sweep.StartedAt.Before(ran.At.Add(reconAfter/reconTime)), err
	}); err != nil {
		return nil, err
	}
	missed, unfounded, err := s.differences(ctx)
	if err != nil {
		return nil, err
	}
	refused, err := sim.refusedReads(ctx)
	if err != nil {
		return nil, err
	}
	minutes := sweep.At.Sub(ran.At).Minutes() * reconTime
	note := fmt.Sprintf("%d shipments, %d each without effect, shipped by hand, cancelled; %d pages, %d orders read, %d answers 429", reconOf, reconShare, sweep.Pages, sweep.Asked, refused)
	return []figure{
		{"recon_missed", float64(missed), "", "0", missed == 0, note},
		{"recon_false", float64(unfounded), "", "0", unfounded == 0, ""},
		{"recon_minutes", minutes, "min", "none", true, fmt.Sprintf("of Amazon's time from the end of the run to the end of the sweep, %d of them waited on purpose; time x%d", int(reconAfter.Minutes()), reconTime)},
		{"recon_429", float64(refused), "", "0", refused == 0, ""},
	}, nil
}

// differences counts what the ledger should hold as found and does not, and what it holds and should not.
func (s *stack) differences(ctx context.Context) (missed, unfounded int, err error) {
	want := map[string]shipment.Finding{}
	for i := range 2 * reconShare {
		want[order(i)] = shipment.ShippedThere
		if i%2 == 1 {
			want[order(i)] = shipment.CancelledThere
		}
	}
	for i := range reconShare {
		want[order(reconOf-1-i)] = shipment.NoEffect
	}
	_, err = s.ledger.Heads(ctx, "EU", func(e shipment.Entry) error {
		got := shipment.Finding("")
		if e.After.Shown != nil {
			got = e.After.Shown.Finding
		}
		switch w := want[e.After.Order]; {
		case got == w:
		case got == "":
			missed++
		default:
			unfounded++
		}
		return nil
	})
	return missed, unfounded, err
}

// byHand lets something happen to an order at Amazon.
func (s *simulator) byHand(ctx context.Context, order, act string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/admin/orders/"+order+"/"+act, bytes.NewBufferString("{}"))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s order %s: the simulator answers %s", act, order, resp.Status)
	}
	return nil
}

// refusedReads counts the readings that Amazon refused because there were too many.
func (s *simulator) refusedReads(ctx context.Context) (n int, err error) {
	for after := uint64(0); ; {
		page, err := s.record(ctx, after)
		if err != nil || len(page) == 0 {
			return n, err
		}
		for _, c := range page {
			after = c.Seq
			if c.Operation != amazonsim.OpConfirmShipment && c.Status == http.StatusTooManyRequests {
				n++
			}
		}
	}
}
