package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/stream"
)

const (
	intakeBatch   = 1000 // reports in a request, the most there may be
	intakeClients = 4    // posting side by side
	intakeRounds  = 60   // requests of one measurement
	intakeWarm    = 8    // requests before it
)

// intakeRates measures how fast reports are taken in: the built fertig up in a process of its own, its NATS syncing every
// write, its view in a redis-server of its own, and clients that post batches over HTTP with a token. The clock runs from
// the first request until the last report has its entry in the ledger and the inbox is settled; the projection runs beside.
func intakeRates(ctx context.Context, b bench) ([]figure, error) {
	dir, err := os.MkdirTemp("", "fertig-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	p50, err := fsyncP50(dir)
	if err != nil {
		return nil, err
	}
	u, err := upWithRedis(ctx, b, dir)
	if err != nil {
		return nil, err
	}
	defer u.stop()
	p := poster{u: u, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: intakeClients}}}
	if _, err := p.measure(ctx, fresh(0, intakeWarm*intakeBatch), intakeWarm*intakeBatch); err != nil {
		return nil, fmt.Errorf("warm up: %w", err)
	}
	const first, second = 1_000_000, 2_000_000 // numbers of their first orders
	plain, err := p.measure(ctx, fresh(first, intakeRounds*intakeBatch), intakeRounds*intakeBatch)
	if err != nil {
		return nil, err
	}
	known, err := p.measure(ctx, partlyKnown(second, first, intakeRounds), intakeRounds*intakeBatch*9/10)
	if err != nil {
		return nil, fmt.Errorf("a tenth known: %w", err)
	}
	disk := fmt.Sprintf("fsync p50 %.2f ms", p50.Seconds()*1000)
	return []figure{
		{"intake_per_s", plain.rate, "/s", ">= 20000", plain.rate >= 20_000, plain.String() + "; " + disk},
		{"intake_known_per_s", known.rate, "/s", ">= 10000", known.rate >= 10_000, known.String() + "; " + disk},
	}, nil
}

// fresh are batches of reports that nobody has made before, from order n on.
func fresh(n, count int) [][]byte {
	var out [][]byte
	for i := n; i < n+count; i += intakeBatch {
		var ids []reported
		for j := range intakeBatch {
			ids = append(ids, reported{i + j, "first"})
		}
		out = append(out, body(ids))
	}
	return out
}

// partlyKnown are batches of which one report in ten is known: five in a hundred were taken in long ago (orders from old
// on), and five are in the batch that is posted beside it, too, so that the door cannot know and intake has to find out.
func partlyKnown(n, old, batches int) [][]byte {
	const each = intakeBatch / 20
	var out [][]byte
	for i := range batches {
		own := n + i*intakeBatch
		var ids []reported
		for j := range intakeBatch - 2*each {
			ids = append(ids, reported{own + j, "first"})
		}
		beside := own + intakeBatch // of the next batch; the next reports some of this one's
		if i%2 == 1 {
			beside = own - intakeBatch
		}
		for j := range each {
			ids = append(ids, reported{old + i*each + j, "again"}, reported{beside + j, "beside"})
		}
		out = append(out, body(ids))
	}
	return out
}

type reported struct {
	order int
	id    string
}

// body is one request. Every report has an id of its own, as a sender gives that makes one for each try.
func body(reports []reported) []byte {
	type m = map[string]any
	list := make([]m, len(reports))
	for i, r := range reports {
		list[i] = m{"id": fmt.Sprintf("%s-%s", order(r.order), r.id), "account": "DE", "amazonOrderId": order(r.order), "packageReferenceId": "1",
			"shippedAt": intakeShipped, "carrier": "DHL", "service": "Paket", "trackingNumber": fmt.Sprintf("0034043400%010d", r.order),
			"items": []m{{"orderItemId": item(r.order), "quantity": 1}}, "reference": fmt.Sprint("A", r.order)}
	}
	out, err := json.Marshal(m{"reports": list})
	if err != nil {
		panic(err) // it cannot: strings and numbers
	}
	return out
}

var intakeShipped = time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)

// poster posts batches and watches the ledger.
type poster struct {
	u      *upped
	client *http.Client
}

type taken struct {
	rate     float64 // reports a second until the last one stood in the ledger
	door     float64 // reports a second until the last request was answered
	cpu      float64 // seconds per 1000 reports, of fertig and redis-server
	view     time.Duration
	reports  int
	entries  int
	redis    string
	slowest  time.Duration
	answered atomic.Int64
}

func (t *taken) String() string {
	return fmt.Sprintf("%d reports, %d new, %d clients; answered at %.0f/s, slowest request %.0f ms; %.3f CPU s per 1000 (fertig up, %s); the view was there %.0f ms later",
		t.reports, t.entries, intakeClients, t.door, t.slowest.Seconds()*1000, t.cpu, t.redis, t.view.Seconds()*1000)
}

func (p poster) measure(ctx context.Context, batches [][]byte, fresh int) (*taken, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	before, err := p.u.state(ctx)
	if err != nil {
		return nil, err
	}
	cpu, err := p.u.cpu()
	if err != nil {
		return nil, err
	}
	out := &taken{reports: len(batches) * intakeBatch, redis: p.u.redisName}
	next, failed := atomic.Int64{}, make(chan error, intakeClients)
	var slowest atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for range intakeClients {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batches)); i = next.Add(1) - 1 {
				at := time.Now()
				if err := p.post(ctx, batches[i]); err != nil {
					failed <- err
					return
				}
				for took := int64(time.Since(at)); ; {
					if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	answered := time.Since(began)
	select {
	case err := <-failed:
		return nil, err
	default:
	}
	after, err := p.u.settled(ctx)
	if err != nil {
		return nil, err
	}
	took := time.Since(began)
	if out.entries = int(after.entries - before.entries); out.entries != fresh || after.subjects-before.subjects != uint64(fresh) {
		return nil, fmt.Errorf("%d entries for %d shipments, not %d", out.entries, after.subjects-before.subjects, fresh)
	}
	out.rate, out.door, out.slowest = float64(out.reports)/took.Seconds(), float64(out.reports)/answered.Seconds(), time.Duration(slowest.Load())
	if err := p.viewed(ctx, int(after.subjects)); err != nil {
		return nil, err
	}
	out.view = time.Since(began) - took
	end, err := p.u.cpu()
	out.cpu = (end - cpu) / float64(out.reports) * 1000
	return out, err
}

func (p poster) post(ctx context.Context, body []byte) error {
	b, err := p.do(ctx, http.MethodPost, "/api/v1/shipments", body)
	if err != nil {
		return err
	}
	if n := bytes.Count(b, []byte(`"result":"accepted"`)) + bytes.Count(b, []byte(`"result":"already_known"`)); n != intakeBatch {
		return fmt.Errorf("%d of %d reports were taken: %.300s", n, intakeBatch, b)
	}
	return nil
}

func (p poster) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.u.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+benchToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, b)
	}
	return b, err
}

// viewed waits until the view shows so many shipments.
func (p poster) viewed(ctx context.Context, want int) error {
	return poll(ctx, func() (bool, error) {
		b, err := p.do(ctx, http.MethodGet, "/api/v1/shipments?limit=1", nil)
		var page struct{ Total int }
		if err == nil {
			err = json.Unmarshal(b, &page)
		}
		return page.Total >= want, err
	})
}

// state is what the streams hold, and what of the inbox is still to be settled.
type state struct {
	entries, subjects uint64
	unsettled         uint64
}

func (u *upped) state(ctx context.Context) (state, error) {
	c, err := u.js.Consumer(ctx, stream.Shipped, "intake")
	if err != nil {
		return state{}, err
	}
	l, err := u.js.Stream(ctx, stream.Ledger) // after the inbox: what is settled there is here
	if err != nil {
		return state{}, err
	}
	s, i := l.CachedInfo().State, c.CachedInfo()
	return state{s.Msgs, s.NumSubjects, i.NumPending + uint64(i.NumAckPending)}, nil
}

// settled waits until nothing of the inbox is open any more, asking every 2 ms.
func (u *upped) settled(ctx context.Context) (state, error) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := u.state(ctx)
		if err != nil || s.unsettled == 0 {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("%d messages of the inbox are open: %w", s.unsettled, ctx.Err())
		case <-tick.C:
		}
	}
}

// upped is fertig up in a process of its own, beside a redis-server where the machine has one.
type upped struct {
	url       string
	js        jetstream.JetStream
	redisName string
	pids      []int
	stops     []func()
}

func (u *upped) stop() {
	for i := range u.stops {
		u.stops[len(u.stops)-1-i]()
	}
}

const benchToken = "bench-token-of-enough-length-0123456789"

func upWithRedis(ctx context.Context, b bench, dir string) (*upped, error) {
	u := &upped{redisName: "embedded Redis"}
	ok := false
	defer func() {
		if !ok {
			u.stop()
		}
	}()
	redis, err := u.startRedis(ctx, dir)
	if err != nil {
		return nil, err
	}
	console, err := freeAddress()
	if err != nil {
		return nil, err
	}
	broker, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cfg := strings.Replace(fmt.Sprintf(upConfig, dir, console), "tokens:", fmt.Sprintf("  nats: %s\n%stokens:", broker, redis), 1)
	cfg = strings.Replace(cfg, "role: viewer", "role: operator", 1)
	file := filepath.Join(dir, "fertig.yaml")
	if err := os.WriteFile(file, []byte(cfg), 0o600); err != nil {
		return nil, err
	}
	pid, err := u.start(ctx, filepath.Join(dir, "fertig.log"), b.fertig, "up", "--config", file)
	if err != nil {
		return nil, err
	}
	u.pids, u.url = append(u.pids, pid), "http://"+console
	if err := ready(ctx, u.url+"/readyz"); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "fertig.log"))
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	token, err := os.ReadFile(filepath.Join(dir, "data", "nats.token"))
	if err != nil {
		return nil, err
	}
	nc, err := nats.Connect("nats://"+broker, nats.Token(strings.TrimSpace(string(token))))
	if err != nil {
		return nil, err
	}
	u.stops = append(u.stops, nc.Close)
	u.js, err = jetstream.New(nc)
	ok = err == nil
	return u, err
}
