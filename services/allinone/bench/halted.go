package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/shipment"
)

// A small fleet, of which Amazon refuses some while it runs.
const (
	haltedFleet = 50
	haltedOf    = 5
	haltedAfter = 20 * time.Second
)

// halted measures what connections that Amazon refuses in the middle of a run cost, themselves and their neighbours: the same
// fleet runs once undisturbed and once with some of it refused.
func halted(ctx context.Context, b bench) ([]figure, error) {
	alone, _, err := haltedRun(ctx, b, 0)
	if err != nil {
		return nil, err
	}
	others, wasted, err := haltedRun(ctx, b, haltedOf)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("worst of %d connections at %d a second while %d others are refused from %s on", haltedFleet-haltedOf, int(rate), haltedOf, haltedAfter)
	return []figure{
		{"halted_alone_utilisation", alone, "", "stated", true, fmt.Sprintf("worst of %d connections, none refused", haltedFleet)},
		{"halted_others_utilisation", others, "", ">= 0.99", others >= 0.99, note},
		{"halted_wasted_requests", float64(wasted), "", "<= 5", wasted <= 5, "answers 403 of the connection that had most: its last requests and its probes in the 45 s that follow"},
	}, nil
}

// haltedRun lets a fleet run of which some are refused, and returns the worst share of its rate that one of the others had and the
// most answers 403 that one of the refused had.
func haltedRun(ctx context.Context, b bench, refused int) (worst float64, wasted int, err error) {
	each := burst + minute
	total := haltedFleet * each
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	sim, err := startSimulator(ctx, b, dir, scenario{orders: total, rate: rate, burst: burst, record: 2 * total, sellers: haltedFleet})
	if err != nil {
		return 0, 0, err
	}
	defer sim.stop()
	s, err := newStack(ctx, dir, sim.url, stackOptions{rate: rate, burst: burst, redisServer: true, tcp: true, connections: haltedFleet})
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	err = s.load(ctx, total, func(i int) (shipment.ConnectionID, shipment.AccountID) {
		return shipment.ConnectionID(fmt.Sprintf("C%04d", i/each)), shipment.AccountID(fmt.Sprintf("A%04d", i/each))
	})
	if err == nil {
		err = s.settled(ctx, haltedFleet)
	}
	if err != nil {
		return 0, 0, err
	}
	injected := make(chan error, 1)
	go func() { injected <- sim.refuse(ctx, refused) }()
	if err := s.runAll(ctx, haltedFleet); err != nil {
		return 0, 0, err
	}
	if err := <-injected; err != nil {
		return 0, 0, err
	}
	got, err := sim.served(ctx)
	if err != nil {
		return 0, 0, err
	}
	for n := range refused {
		delete(got.at, seller(n).Seller)
	}
	if worst, err = got.worst(each); err == nil && got.throttled > 0 {
		err = fmt.Errorf("%d answers 429", got.throttled)
	}
	if refused > 0 {
		wasted = slices.Max(append(slices.Collect(maps.Values(got.denied)), 0))
	}
	return worst, wasted, err
}

// refuse has Amazon take the authorisation of the first sellers back a while later.
func (s *simulator) refuse(ctx context.Context, sellers int) error {
	if sellers == 0 {
		return nil
	}
	select {
	case <-time.After(haltedAfter):
	case <-ctx.Done():
		return ctx.Err()
	}
	var in struct {
		Faults []amazonsim.Fault `json:"faults"`
	}
	for n := range sellers {
		in.Faults = append(in.Faults, amazonsim.Fault{Kind: amazonsim.FaultRevokedGrant, Seller: seller(n).Seller})
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/admin/faults", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the simulator takes no fault: %s", resp.Status)
	}
	return nil
}
