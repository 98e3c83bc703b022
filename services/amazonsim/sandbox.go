package amazonsim

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The static sandbox answers what Amazon's models say, word for word, and nothing else: no order exists in it and nothing it is
// told has an effect. Its usage plan is 5 requests a second, burst 15, for every operation. Sources: x-amzn-api-sandbox in
// Amazon's models ordersV0.json and orders_2026-01-01.json; the usage plan in its developer guide; the words for what matches no
// pair were seen by users. What the models' answers say of buyers, addresses, money and products is left out here.

//go:embed sandbox.json
var sandboxPairs []byte

// pair is a request that the sandbox knows, and its answer.
type pair struct {
	Operation string              `json:"operation"`
	OrderID   string              `json:"orderId"`
	Body      any                 `json:"body"`
	Query     map[string][]string `json:"query"`
	Status    int                 `json:"status"`
	Answer    json.RawMessage     `json:"answer"`
}

// Usage plan of the sandbox.
const (
	sandboxRate  = 5
	sandboxBurst = 15
)

// sandbox is nil where orders are simulated.
type sandbox []pair

func newSandbox() (sandbox, error) {
	var s sandbox
	if err := json.Unmarshal(sandboxPairs, &s); err != nil {
		return nil, fmt.Errorf("read sandbox pairs: %w", err)
	}
	return s, nil
}

// play makes the world the static sandbox, or leaves it as it is.
func (w *world) play(static bool, now time.Time) (err error) {
	if !static {
		return nil
	}
	for _, op := range [...]string{OpConfirmShipment, OpGetOrder, OpSearchOrders} {
		if err := w.quotas.set(Quota{Operation: op, Rate: sandboxRate, Burst: sandboxBurst}, now); err != nil {
			return err
		}
	}
	w.sandbox, err = newSandbox()
	return err
}

// answer is that of the pair which the request is, or what Amazon says to all others.
func (s sandbox) answer(req *request) answer {
	for _, p := range s {
		if p.is(req) {
			a := answer{status: p.Status}
			if p.Answer != nil {
				a.body = p.Answer
			}
			return a
		}
	}
	return refusal(http.StatusBadRequest, "InvalidInput", "Could not match input arguments", "")
}

func (p pair) is(req *request) bool {
	if p.Operation != req.operation || p.OrderID != req.orderID || len(p.Query) != len(req.query) {
		return false
	}
	for name, want := range p.Query {
		var got []string
		for _, v := range req.query[name] {
			got = append(got, strings.Split(v, ",")...)
		}
		want = slices.Clone(want)
		if slices.Sort(got); !slices.Equal(got, sorted(want)) {
			return false
		}
	}
	if p.Body == nil {
		return true
	}
	var body any
	return json.Unmarshal(req.body, &body) == nil && reflect.DeepEqual(body, p.Body)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
