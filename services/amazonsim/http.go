package amazonsim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/token"
	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

const (
	maxBody = 1 << 20          // bytes of an API request
	maxHold = 10 * time.Minute // of a connection that gets no answer
)

func (s *Simulator) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("POST /auth/o2/token", s.serveToken)
	mux.HandleFunc("POST /orders/v0/orders/{orderId}/shipmentConfirmation", s.operation(OpConfirmShipment, confirmShipment))
	mux.HandleFunc("GET /orders/2026-01-01/orders/{orderId}", s.operation(OpGetOrder, getOrder))
	mux.HandleFunc("GET /orders/2026-01-01/orders", s.operation(OpSearchOrders, searchOrders))
	mux.Handle("/admin/", s.adminRoutes())
	// Amazon's gateway does not tell an unknown path or method from a forbidden one.
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		a := denied("")
		a.requestID = s.requestID()
		s.mu.Unlock()
		a.send(w, r)
	})
	return mux
}

// request is what an operation is asked, read before the simulator's state is locked.
type request struct {
	operation string
	orderID   string
	userAgent string
	token     string
	claims    token.Claims
	genuine   bool // the token is one of ours
	query     map[string][]string
	confirm   wire.Confirmation
	problem   *wire.Problem
	body      []byte
	bodyHash  string
}

// answer is what becomes of a request.
type answer struct {
	status    int
	body      any
	raw       string // instead of body
	errorType string
	rate      float64 // of the operation; 0 sends no header
	requestID string
	manner    manner
	delay     time.Duration
	hold      time.Duration

	fault     FaultKind
	committed bool
	edit      bool
	shown     *Order
	listed    []string // ids of the orders on a page
}

type manner int

const (
	reply manner = iota
	reset        // the connection is cut
	hold         // nothing is said until the client goes away
)

func (s *Simulator) operation(name string, do func(*world, *request, time.Time) answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		if err != nil {
			return // the client went away while it was speaking: nothing was asked
		}
		req := s.read(name, r, body)
		s.mu.Lock()
		now := s.clock()
		a := s.world.decide(req, now, do)
		a.requestID = s.requestID()
		call := s.world.record.add(a.call(req, now))
		s.world.counts.note(a)
		s.mu.Unlock()
		s.logger.DebugContext(r.Context(), "call", "operation", name, "order", req.orderID, "status", call.Status,
			"fault", call.Fault, "committed", call.Committed, "request_id", call.RequestID)
		s.onCall(call)
		a.send(w, r)
	}
}

func (s *Simulator) read(name string, r *http.Request, body []byte) *request {
	req := &request{
		operation: name,
		orderID:   r.PathValue("orderId"),
		userAgent: r.UserAgent(),
		token:     r.Header.Get("X-Amz-Access-Token"),
		query:     r.URL.Query(),
	}
	req.claims, req.genuine = s.mint.Open(req.token)
	if name == OpConfirmShipment {
		req.body = body
		req.confirm, req.problem = wire.ParseConfirmation(body)
		sum := sha256.Sum256(body)
		req.bodyHash = hex.EncodeToString(sum[:])
	}
	return req
}

// requestID is the next x-amzn-RequestId; s.mu must be held.
func (s *Simulator) requestID() string {
	s.ids++
	hi, lo := mix(s.seed^s.ids<<1), mix(mix(s.seed)+s.ids)
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0xfff, lo&0xffffffffffff)
}

func (a answer) call(req *request, now time.Time) Call {
	c := Call{
		Time: now, Operation: req.operation, Seller: req.claims.Seller, OrderID: req.orderID,
		RequestID: a.requestID, Status: a.status, Fault: a.fault, Slowed: Duration(a.delay),
		BodySHA256: req.bodyHash, Committed: a.committed, Edit: a.edit,
	}
	if a.manner != reply {
		c.Status = 0
	}
	if list, ok := a.body.(wire.ErrorList); ok {
		c.Code, c.Message = list.Errors[0].Code, list.Errors[0].Message
	}
	if req.operation == OpConfirmShipment {
		p := req.confirm.Package
		c.PackageReferenceID, c.Carrier, c.TrackingNumber = p.PackageReferenceID, p.CarrierCode, p.TrackingNumber
	}
	if c.ShownOrders = len(a.listed); req.operation == OpSearchOrders {
		c.Search = asked(req.query)
	}
	if a.shown != nil {
		c.ShownStatus = a.shown.Status
		for _, p := range a.shown.Packages {
			c.ShownPackages = append(c.ShownPackages, p.Reference)
		}
	}
	return c
}

func (c *Counts) note(a answer) {
	c.Calls++
	if a.committed && a.edit {
		c.Edits++
	} else if a.committed {
		c.Packages++
	}
}

// send gives the answer its way: late, cut off, or not at all.
func (a answer) send(w http.ResponseWriter, r *http.Request) {
	if a.delay > 0 && !wait(r.Context(), a.delay) {
		return
	}
	switch a.manner {
	case reset:
		cut(w)
		return
	case hold:
		wait(r.Context(), a.hold)
		cut(w)
		return
	}
	h := w.Header()
	h.Set("X-Amzn-Requestid", a.requestID)
	if a.errorType != "" {
		h.Set("X-Amzn-Errortype", a.errorType)
	}
	if a.rate > 0 && (a.status < 300 || a.status == 400 || a.status == 404) {
		h.Set("X-Amzn-Ratelimit-Limit", rateText(a.rate))
	}
	if a.body == nil {
		if a.raw != "" {
			h.Set("Content-Type", "text/html")
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.raw) // a client that is gone cannot be told
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // a client that is gone cannot be told
}

// wait reports whether the whole time passed before the client went away.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// cut ends the connection without an answer: with a reset where the connection is TCP.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		// HTTP/2 and recorders cannot be hijacked; this is net/http's own way to abandon an answer.
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // unsent data is dropped and the peer gets a reset
	}
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return // the peer was quicker
	}
}

func rateText(rate float64) string {
	text := strconv.FormatFloat(rate, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
