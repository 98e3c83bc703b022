package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// checkTimeout bounds one readiness check, so that a probe is answered before the prober gives up.
const checkTimeout = 2 * time.Second

// Health answers the probes of whoever runs the process. It is safe for concurrent use.
type Health struct {
	mu     sync.Mutex
	checks []check
}

type check struct {
	name string
	run  func(context.Context) error
}

// Report is the body of an answer.
type Report struct {
	Status string            `json:"status"`           // ok or failing
	Checks map[string]string `json:"checks,omitempty"` // name -> ok or what is wrong
}

// Add registers a readiness check. run may be called from several goroutines and must heed its context.
func (h *Health) Add(name string, run func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check{name, run})
}

// Check runs all checks at once, each for at most two seconds.
func (h *Health) Check(ctx context.Context) (Report, bool) {
	h.mu.Lock()
	checks := h.checks[:len(h.checks):len(h.checks)]
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make(chan [2]string, len(checks))
	for _, c := range checks {
		go func() { results <- [2]string{c.name, verdict(c.run(ctx))} }()
	}
	r, ok := Report{Status: "ok", Checks: map[string]string{}}, true
	for _, c := range checks {
		r.Checks[c.name] = fmt.Sprintf("no answer within %s", checkTimeout)
	}
	for range checks {
		select {
		case v := <-results:
			r.Checks[v[0]] = v[1]
		case <-ctx.Done():
		}
	}
	for _, v := range r.Checks {
		ok = ok && v == "ok"
	}
	if !ok {
		r.Status = "failing"
	}
	return r, ok
}

func verdict(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

// Handler answers /healthz (the process lives: always 200) and /readyz (200 when every check passes, else 503), both with
// a Report.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, Report{Status: "ok"}, true) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		rep, ok := h.Check(r.Context())
		answer(w, rep, ok)
	})
	return mux
}

func answer(w http.ResponseWriter, r Report, ok bool) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // the prober has gone: nobody is left to tell
}
