package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
)

// Config is what the API works with; all of it is needed.
type Config struct {
	Ops     *ops.Ops
	Guard   *auth.Guard
	Logger  *slog.Logger
	Version string
}

// New returns the handler of everything under /api/.
func New(cfg Config) http.Handler {
	s := &server{ops: cfg.Ops, version: cfg.Version, log: cfg.Logger, beat: 15 * time.Second}
	fail := func(w http.ResponseWriter, r *http.Request, err error) { s.refuse(w, r, err) }
	strict := gen.NewStrictHandlerWithOptions(s, nil, gen.StrictHTTPServerOptions{RequestErrorHandlerFunc: fail, ResponseErrorHandlerFunc: fail})
	mux := http.NewServeMux()
	gen.HandlerWithOptions(strict, gen.StdHTTPServerOptions{
		BaseRouter: mux, Middlewares: []gen.MiddlewareFunc{s.strictBody, s.strictQuery, s.shortcut}, ErrorHandlerFunc: fail})
	return s.noStore(s.authenticated(cfg.Guard, s.routed(mux)))
}

// server implements the generated interface.
type server struct {
	ops     *ops.Ops
	version string
	log     *slog.Logger
	beat    time.Duration // between two comments in a silent stream
}

var _ gen.StrictServerInterface = (*server)(nil)

// authenticated lets nobody in without a token, whatever the path.
func (s *server) authenticated(g *auth.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := g.Bearer(r)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(auth.With(r.Context(), a)))
	})
}

// routed answers unknown paths and methods in the API's own form.
func (s *server) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		rec := &statusOnly{header: http.Header{}}
		mux.ServeHTTP(rec, r)
		if allow := rec.header.Get("Allow"); allow != "" {
			w.Header().Set("Allow", allow)
			s.write(w, r, http.StatusMethodNotAllowed, gen.Error{Code: gen.ErrorCodeInvalid, Message: r.Method + " is not possible here", Remedy: ptr("use " + allow)})
			return
		}
		s.write(w, r, http.StatusNotFound, gen.Error{Code: gen.ErrorCodeNotFound, Message: "there is nothing at " + r.URL.Path, Remedy: ptr("see docs/api/openapi.yaml for what there is")})
	})
}

// statusOnly keeps a response's header and drops the rest.
type statusOnly struct{ header http.Header }

func (r *statusOnly) Header() http.Header         { return r.header }
func (r *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (r *statusOnly) WriteHeader(int)             {}

func (s *server) noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func ptr[T any](v T) *T { return &v }
