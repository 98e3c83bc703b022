package amazonsim

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

const maxAdminBody = 256 << 20 // bytes: some 100,000 orders with room to spare

func (s *Simulator) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/record", s.adminRecord)
	mux.HandleFunc("GET /admin/counts", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.Counts())
	})
	mux.HandleFunc("GET /admin/orders", s.adminOrders)
	mux.HandleFunc("GET /admin/orders/{orderId}", s.adminOrder)
	mux.HandleFunc("POST /admin/orders", s.adminAddOrders)
	mux.HandleFunc("POST /admin/orders/{orderId}/ship", s.adminShip)
	mux.HandleFunc("POST /admin/orders/{orderId}/cancel", s.adminCancel)
	mux.HandleFunc("GET /admin/faults", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"faults": s.Faults()})
	})
	mux.HandleFunc("POST /admin/faults", s.adminInject)
	mux.HandleFunc("DELETE /admin/faults", func(w http.ResponseWriter, r *http.Request) {
		s.ClearFaults(r.URL.Query()["id"]...)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /admin/accounts", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Accounts []Account `json:"accounts"`
		}
		done(w, readThen(w, r, &in, func() error { return s.AddAccounts(in.Accounts...) }))
	})
	mux.HandleFunc("PUT /admin/quota", func(w http.ResponseWriter, r *http.Request) {
		var q Quota
		done(w, readThen(w, r, &q, func() error { return s.SetQuota(q) }))
	})
	mux.HandleFunc("POST /admin/clock", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Advance Duration `json:"advance"`
		}
		if err := readThen(w, r, &in, func() error { return s.Advance(time.Duration(in.Advance)) }); err != nil {
			done(w, err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"now": s.Time()})
	})
	mux.HandleFunc("POST /admin/reset", func(w http.ResponseWriter, _ *http.Request) { done(w, s.Reset()) })
	// A web page that the operator happens to have open must not steer the simulator.
	return onlyLoopback(http.NewCrossOriginProtection().Handler(mux))
}

// onlyLoopback refuses callers from elsewhere, and names that only point here (DNS rebinding).
func onlyLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.RemoteAddr) || !isLoopback(r.Host) {
			writeJSON(w, http.StatusForbidden, map[string]string{
				"error": "admin endpoints answer only to this machine: call them through 127.0.0.1"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (s *Simulator) adminRecord(w http.ResponseWriter, r *http.Request) {
	after, err := strconv.ParseUint(orElse(r.FormValue("after"), "0"), 10, 64)
	if err != nil {
		done(w, fmt.Errorf("read query: after must be a sequence number: %w", err))
		return
	}
	limit, err := number(r, "limit", 1000)
	if err != nil {
		done(w, err)
		return
	}
	calls := s.RecordAfter(after, limit)
	next := after
	if len(calls) > 0 {
		next = calls[len(calls)-1].Seq
	}
	writeJSON(w, http.StatusOK, map[string]any{"calls": calls, "next": next})
}

func (s *Simulator) adminOrders(w http.ResponseWriter, r *http.Request) {
	offset, err := number(r, "offset", 0)
	if err != nil {
		done(w, err)
		return
	}
	limit, err := number(r, "limit", 1000)
	if err != nil {
		done(w, err)
		return
	}
	orders := s.ordersFrom(offset, limit)
	writeJSON(w, http.StatusOK, map[string]any{"orders": orders, "next": offset + len(orders), "total": s.Counts().Orders})
}

func (s *Simulator) adminOrder(w http.ResponseWriter, r *http.Request) {
	o, ok := s.Order(r.PathValue("orderId"))
	if !ok {
		writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such order: load it with POST /admin/orders"})
		return
	}
	writeJSON(w, http.StatusOK, o)
}

func (s *Simulator) adminAddOrders(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Orders   []Order    `json:"orders"`
		Generate []Generate `json:"generate"`
	}
	done(w, readThen(w, r, &in, func() error {
		if err := s.AddOrders(in.Orders...); err != nil {
			return err
		}
		for _, g := range in.Generate {
			if err := s.GenerateOrders(g); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (s *Simulator) adminInject(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Faults []Fault `json:"faults"`
	}
	if err := readThen(w, r, &in, func() error { return s.Inject(in.Faults...) }); err != nil {
		done(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"faults": s.Faults()})
}

func readThen(w http.ResponseWriter, r *http.Request, into any, act func() error) error {
	if err := decodeStrict(http.MaxBytesReader(w, r.Body, maxAdminBody), into); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	return act()
}

func done(w http.ResponseWriter, err error) {
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func number(r *http.Request, name string, fallback int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("read query: %s is %q: use a whole number", name, text)
	}
	return n, nil
}
