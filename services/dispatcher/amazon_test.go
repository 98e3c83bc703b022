package dispatcher

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// fakeAmazon is a scripted Amazon with just enough memory to count packages.
type fakeAmazon struct {
	url string

	mu     sync.Mutex
	orders map[string]*fakeOrder
	posts  []string // order ids in the order of their confirmations
	reads  []string
	script map[string]func(n int, w http.ResponseWriter, r *http.Request, commit func()) bool // by order; n counts from 1; true = handled
	any    func(n int, w http.ResponseWriter) bool
	tries  map[string]int
	bodies map[string][]string
}

type fakeOrder struct {
	status   string
	programs []string
	packages map[string]string // reference -> tracking
	commits  int
}

func newFakeAmazon(t *testing.T) *fakeAmazon {
	a := &fakeAmazon{orders: map[string]*fakeOrder{}, tries: map[string]int{}, bodies: map[string][]string{},
		script: map[string]func(int, http.ResponseWriter, *http.Request, func()) bool{}}
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	a.url = srv.URL
	return a
}

func (a *fakeAmazon) know(order, status string, programs ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.orders[order] == nil {
		a.orders[order] = &fakeOrder{status: status, programs: programs, packages: map[string]string{}}
	}
}

func (a *fakeAmazon) on(order string, f func(n int, w http.ResponseWriter, r *http.Request, commit func()) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.script[order] = f
}

func (a *fakeAmazon) answer(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("x-amzn-RequestId", uuid.NewString())
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q,"details":""}]}`, code, message)
}

func (a *fakeAmazon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/auth/o2/token":
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"Atza|x","token_type":"bearer","expires_in":3600}`)
	case strings.HasSuffix(r.URL.Path, "/shipmentConfirmation"):
		a.confirm(w, r, strings.Split(r.URL.Path, "/")[4])
	default:
		a.read(w, strings.TrimPrefix(r.URL.Path, "/orders/2026-01-01/orders/"))
	}
}

func (a *fakeAmazon) confirm(w http.ResponseWriter, r *http.Request, id string) {
	raw, _ := io.ReadAll(r.Body)
	var body struct {
		PackageDetail struct{ PackageReferenceID, TrackingNumber string }
	}
	_ = json.Unmarshal(raw, &body)
	a.mu.Lock()
	a.tries[id]++
	n, f, every := a.tries[id], a.script[id], a.any
	a.posts = append(a.posts, id)
	a.bodies[id] = append(a.bodies[id], string(raw))
	total := len(a.posts)
	a.mu.Unlock()
	commit := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if o := a.orders[id]; o != nil {
			o.status = "SHIPPED"
			o.packages[body.PackageDetail.PackageReferenceID] = body.PackageDetail.TrackingNumber
			o.commits++
		}
	}
	if every != nil && every(total, w) || f != nil && f(n, w, r, commit) {
		return
	}
	commit()
	w.Header().Set("x-amzn-RequestId", uuid.NewString())
	w.WriteHeader(http.StatusNoContent)
}

func (a *fakeAmazon) read(w http.ResponseWriter, id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads = append(a.reads, id)
	o := a.orders[id]
	if o == nil {
		a.answer(w, 404, "NotFound", "no such order")
		return
	}
	type m = map[string]any
	packages := []m{}
	for ref, tracking := range o.packages {
		packages = append(packages, m{"packageReferenceId": ref, "trackingNumber": tracking})
	}
	open := 1
	if o.status == "SHIPPED" {
		open = 0
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(m{"order": m{"orderId": id, "programs": o.programs,
		"fulfillment": m{"fulfillmentStatus": o.status, "fulfilledBy": "MERCHANT"}, "packages": packages,
		"orderItems": []m{{"orderItemId": "item-" + id, "quantityOrdered": 1, "fulfillment": m{"quantityFulfilled": 1 - open, "quantityUnfulfilled": open}}}}})
}

func (a *fakeAmazon) sent() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.posts...)
}

func (a *fakeAmazon) commits(order string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.orders[order].commits
}

func (a *fakeAmazon) count(order string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tries[order]
}
