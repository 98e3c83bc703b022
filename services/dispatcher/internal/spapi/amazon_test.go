package spapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	someOrder    = "302-1234567-7654321"
	someMarket   = "A1PA6795UKMFR9"
	secret       = "client-secret-never-to-be-seen"
	refreshToken = "Atzr|refresh-never-to-be-seen"
	noSuchGrant  = `{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission."}`
)

// amazon is a scripted server for one test: each route has one handler, replaceable while it runs. It counts and keeps
// what it was sent.
type amazon struct {
	*httptest.Server

	mu       sync.Mutex
	token    http.HandlerFunc
	orders   http.HandlerFunc
	tokens   int
	requests []seen
}

type seen struct {
	method, uri string
	header      http.Header
	body        string
}

func newAmazon(t *testing.T) *amazon {
	t.Helper()
	a := &amazon{token: grant("Atza|1", 3600), orders: answer(http.StatusNoContent, "")}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

func (a *amazon) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	a.mu.Lock()
	handler := a.orders
	if r.URL.Path == "/auth/o2/token" {
		handler = a.token
		a.tokens++
	} else {
		a.requests = append(a.requests, seen{r.Method, r.URL.RequestURI(), r.Header.Clone(), string(body)})
	}
	a.mu.Unlock()
	handler(w, r)
}

func (a *amazon) setToken(h http.HandlerFunc)  { a.mu.Lock(); a.token = h; a.mu.Unlock() }
func (a *amazon) setOrders(h http.HandlerFunc) { a.mu.Lock(); a.orders = h; a.mu.Unlock() }

func (a *amazon) counts() (tokens, requests int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tokens, len(a.requests)
}

func (a *amazon) last() seen {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[len(a.requests)-1]
}

func grant(token string, seconds int) http.HandlerFunc {
	return answer(http.StatusOK, fmt.Sprintf(`{"access_token":%q,"token_type":"bearer","expires_in":%d}`, token, seconds))
}

func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("x-amzn-RequestId", "request-1")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// refusal is Amazon's error list with one error.
func refusal(status int, code, message, details string) http.HandlerFunc {
	body, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": code, "message": message, "details": details}}})
	return answer(status, string(body))
}

// newBubbleAmazon is the same server on pipes in memory, for tests whose clock is synctest's. Call it inside the bubble.
func newBubbleAmazon(t *testing.T) (*amazon, func(*Config)) {
	t.Helper()
	a := &amazon{token: grant("Atza|1", 3600), orders: answer(http.StatusNoContent, "")}
	pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(a.serve)}
	go func() { _ = server.Serve(pipes) }()
	transport := &http.Transport{DialContext: pipes.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	return a, func(c *Config) {
		c.Endpoint, c.TokenEndpoint, c.Transport = "http://amazon.test", "http://amazon.test/auth/o2/token", transport
	}
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func newClient(t *testing.T, a *amazon, changes ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{
		Connection: "IT1", Region: Europe, Marketplaces: []string{someMarket},
		Credentials: func() (Credentials, error) {
			return Credentials{ClientID: "amzn1.application-oa2-client.1", ClientSecret: secret, RefreshToken: refreshToken}, nil
		},
		Limits: Limits{Confirm: quota.Limits{Rate: 1000, Burst: 1000}, Order: quota.Limits{Rate: 1000, Burst: 1000}},
	}
	if a.Server != nil {
		cfg.Endpoint, cfg.TokenEndpoint = a.URL, a.URL+"/auth/o2/token"
	}
	for _, change := range changes {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// confirm sends one confirmation and wants to get as far as sending.
func confirm(t *testing.T, c *Client) Answer {
	t.Helper()
	p, err := c.Ready(t.Context())
	if err != nil {
		t.Fatalf("Ready: %v", err)
	}
	defer p.Cancel()
	return p.Confirm(t.Context(), someOrder, someBody(t))
}

func someConfirmation() Confirmation {
	return Confirmation{
		MarketplaceID: someMarket, PackageReferenceID: "1", CarrierCode: "DHL", ShippingMethod: "Paket <klein>",
		TrackingNumber: "00340434161094021501", ShipDate: time.Date(2026, 11, 20, 14, 3, 0, 0, time.FixedZone("CET", 3600)),
		Items: []ConfirmationItem{{OrderItemID: "20212345678902", Quantity: 2}, {OrderItemID: "20212345678901", Quantity: 1, TransparencyCodes: []string{"B", "A"}}},
	}
}

func someBody(t *testing.T) []byte {
	t.Helper()
	body, err := EncodeConfirmation(someConfirmation())
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func containsSecret(s string) bool {
	return strings.Contains(s, secret) || strings.Contains(s, refreshToken) || strings.Contains(s, "Atza|")
}
