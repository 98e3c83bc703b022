package console_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tokens of the three roles and of an operator who sees one account only.
const (
	viewer   = "viewer-token-000000000000"
	operator = "operator-token-0000000000"
	support  = "support-token-00000000000"
	french   = "french-token-000000000000"
)

var set = settings.Set{Connections: []settings.Connection{
	{ID: "EU", Region: "eu", Mode: settings.ModeSimulator, Endpoint: "http://127.0.0.1:1", TokenEndpoint: "http://127.0.0.1:1/t", ClientID: "id",
		ClientSecret: "env:S", RefreshToken: "env:R", Accounts: []settings.Account{
			{ID: "DE", Name: "Germany", Marketplace: "A1PA6795UKMFR9"}, {ID: "FR", Name: "France", Marketplace: "A13V1IB3VIYZZH"}}},
	{ID: "UK", Region: "eu", Mode: settings.ModeSimulator, Endpoint: "http://127.0.0.1:1", TokenEndpoint: "http://127.0.0.1:1/t", ClientID: "id",
		ClientSecret: "env:S", RefreshToken: "env:R", Accounts: []settings.Account{{ID: "UK1", Name: "Britain", Marketplace: "A1F83G8C2ARO7P"}}},
}}

// bed is a running console with everything around it but the dispatcher, whose part the test plays: it projects the
// ledger into the view and writes ledger entries by the state table.
type bed struct {
	t     *testing.T
	ctx   context.Context
	nc    *nats.Conn
	led   *ledger.Ledger
	view  *view.View
	board *job.Board
	js    jetstream.JetStream
	redis redis.UniversalClient
	svc   *console.Service
	spec  *contract
	stop  func() // ends the console started last
}

// start is the first thing a test does; tests wait for disks and clocks, so they run side by side.
func start(t *testing.T, rc redis.UniversalClient) *bed {
	t.Helper()
	t.Parallel()
	srv := natstest.Start(t)
	b := &bed{t: t, nc: srv.Connect(t), redis: rc, view: view.New(rc, view.Options{}), spec: loadSpec(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	b.ctx = ctx
	var err error
	b.js, err = jetstream.New(b.nc)
	b.must(err)
	b.led, err = ledger.Open(ctx, b.nc)
	b.must(err)
	b.board, err = job.Open(b.nc)
	b.must(err)
	conf, err := stream.OpenSettings(ctx, b.js)
	b.must(err)
	b.must(conf.Seed(ctx, set))
	b.project()
	b.svc = b.console("console-1")
	return b
}

// console starts one more console on the same streams; it is stopped when the test ends.
func (b *bed) console(name string) *console.Service {
	b.t.Helper()
	svc, err := console.New(b.ctx, console.Config{NATS: b.nc, Redis: b.redis, Listen: "127.0.0.1:0", Name: name, LeaseTTL: time.Second,
		Tokens: []console.Token{{Name: "vera", Role: "viewer", Token: viewer}, {Name: "otto", Role: "operator", Token: operator},
			{Name: "sue", Role: "support", Token: support}, {Name: "fleur", Role: "operator", Accounts: []string{"FR"}, Token: french}}})
	b.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Errorf("console %s did not stop cleanly: %v", name, err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	b.t.Cleanup(b.stop)
	return svc
}

// project follows the ledger into the view.
func (b *bed) project() {
	at, err := b.view.Rebuild(b.ctx, b.led.Epoch(), time.Now(), func(visit func(shipment.Entry) error) (uint64, error) {
		return b.led.Heads(b.ctx, "", visit)
	})
	b.must(err)
	ctx, cancel := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- b.led.Follow(ctx, at.Seq, 500, func(es []shipment.Entry) error {
			var err error
			if at, err = b.view.Apply(ctx, at, es); ctx.Err() != nil {
				return nil
			}
			return err
		})
	}()
	b.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			b.t.Errorf("projection: %v", err)
		}
	})
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// order makes an Amazon order id.
func order(n int) string { return fmt.Sprintf("302-%07d-%07d", n, n) }

func keyOf(c shipment.ConnectionID, n int) shipment.Key {
	return shipment.Key{Connection: c, Order: order(n), Package: "1"}
}

// accept puts a pending shipment into the ledger.
func (b *bed) accept(a shipment.AccountID, n int) shipment.Key {
	b.t.Helper()
	conn, _, _ := set.Account(a)
	k := keyOf(conn.ID, n)
	b.step(k, shipment.Event{Type: shipment.Accepted, Key: k, Account: a, Data: &shipment.Data{ShippedAt: time.Now().Add(-time.Hour).UTC().Truncate(time.Second),
		Carrier: "Post", Tracking: fmt.Sprintf("T%d", n), Reference: fmt.Sprintf("R-%d", n), Source: "api"}})
	return k
}

// step appends an event on top of what is there and waits until the view shows it.
func (b *bed) step(k shipment.Key, ev shipment.Event) shipment.Entry {
	b.t.Helper()
	if ev.ID = uuid.NewString(); ev.At.IsZero() {
		ev.At = time.Now().UTC()
	}
	if ev.Actor == "" {
		ev.Actor = "test"
	}
	e, err := b.led.Change(b.ctx, k, func(shipment.Entry) (shipment.Event, error) { return ev, nil })
	b.must(err)
	b.shows(e.Seq)
	return e
}

// shows waits until the view has passed a ledger sequence.
func (b *bed) shows(seq uint64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	b.must(b.view.WaitFor(ctx, seq))
}

// caughtUp waits until the view shows the whole ledger.
func (b *bed) caughtUp() {
	b.t.Helper()
	last, err := b.led.LastSeq(b.ctx)
	b.must(err)
	b.shows(last)
}

// attempt begins an attempt and leaves the shipment transmitting.
func (b *bed) attempt(k shipment.Key, run string) {
	b.t.Helper()
	b.step(k, shipment.Event{Type: shipment.Attempted, Run: run, Attempt: &shipment.Attempt{ID: "a-" + run + k.Order, Run: run, Transport: shipment.Confirm, Hash: "h" + k.Order, At: time.Now().UTC()}})
}

// answer ends the attempt of attempt.
func (b *bed) answer(k shipment.Key, run string, to shipment.State, kind shipment.Kind, a *shipment.Answer) {
	b.t.Helper()
	if a == nil {
		a = &shipment.Answer{At: time.Now().UTC(), Status: 204, RequestID: "r"}
	}
	b.step(k, shipment.Event{Type: shipment.Outcome, Run: run, To: to, Kind: kind, Answer: a, Print: a.Rule, Attempt: &shipment.Attempt{ID: "a-" + run + k.Order}})
}

// reject makes Amazon refuse the shipment for its carrier.
func (b *bed) reject(k shipment.Key, run string) {
	b.t.Helper()
	b.attempt(k, run)
	b.answer(k, run, shipment.Deferred, shipment.Rejected, &shipment.Answer{At: time.Now().UTC(), Status: 400, Code: "InvalidInput",
		Message: "InvalidCarrier", RequestID: "r1", Rule: "carrier-unsupported", Field: "carrier"})
}

// confirm makes Amazon take the shipment.
func (b *bed) confirm(k shipment.Key, run string) {
	b.t.Helper()
	b.attempt(k, run)
	b.answer(k, run, shipment.Confirmed, "", nil)
}

// finish writes the end of a run as the dispatcher does.
func (b *bed) finish(c shipment.ConnectionID, run string, by map[shipment.AccountID]job.Counts) job.Log {
	b.t.Helper()
	var sum job.Counts
	for _, x := range by {
		sum.Attempts, sum.Confirmed, sum.Deferred = sum.Attempts+x.Attempts, sum.Confirmed+x.Confirmed, sum.Deferred+x.Deferred
	}
	now := time.Now().UTC()
	l := job.Log{RunID: run, Connection: c, Phase: job.Finished, At: now, StartedAt: now.Add(-time.Minute), Counts: sum, ByAccount: by,
		Trigger: job.Trigger{RunID: run, Connection: c, Kind: job.Schedule, Scope: job.All, Actor: "scheduler", At: now}}
	b.must(b.board.Write(b.ctx, l))
	return l
}

// until polls a condition until it holds.
func (b *bed) until(what string, ok func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(15 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			b.t.Fatalf("%s: not within 15 s", what)
		case <-tick.C:
		}
	}
}

// api is a client with a token whose every exchange is held against the specification.
func (b *bed) api(token string) *client.ClientWithResponses {
	b.t.Helper()
	c, err := client.Open("http://"+b.svc.Addr().String(), token, &http.Client{Transport: b.spec.over(b.t, http.DefaultTransport)})
	b.must(err)
	return c
}

// contract is the published specification.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

// published is read once for all tests, which only look at it.
var published = sync.OnceValues(func() (*contract, error) {
	doc, err := openapi3.NewLoader().LoadFromFile("../../docs/api/openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc.Servers = nil
	r, err := gorillamux.NewRouter(doc)
	return &contract{doc: doc, router: r}, err
})

func loadSpec(t testing.TB) *contract {
	t.Helper()
	c, err := published()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// over checks every response that passes against the specification.
func (c *contract) over(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil || resp.Header.Get("Content-Type") == "text/event-stream" {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		route, params, err := c.router.FindRoute(r)
		if err != nil {
			t.Errorf("%s %s is not in the specification: %v", r.Method, r.URL.Path, err)
			return resp, nil
		}
		in := &openapi3filter.ResponseValidationInput{Status: resp.StatusCode, Header: resp.Header,
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
			Options:                &openapi3filter.Options{IncludeResponseStatus: true}}
		in.SetBodyBytes(body)
		if err := openapi3filter.ValidateResponse(context.Background(), in); err != nil {
			t.Errorf("%s %s answers %d against the specification: %v\n%s", r.Method, r.URL.Path, resp.StatusCode, err, body)
		}
		return resp, nil
	})
}
