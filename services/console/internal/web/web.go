// Package web is the console in a browser: it reads requests, asks ops, and has package page draw the answer. It
// guarantees that nothing is seen or done without a session, that every change is a POST answered by a redirect, so that
// reloading repeats nothing, and that an error becomes a page or a sentence in the visitor's language. It decides nothing
// about shipments: what may be done, by whom and in which state is the business of ops and of the state table.
//
// Routes: / /orders /orders/{connection}/{order}/{package} /deferred /ship /messages /runs /runs/new /runs/{id} /accounts
// /help /login /logout /preferences /live and /static/. A link with a token is /login#token=<token>: what follows the #
// stays in the browser, so the token is in no log.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
)

// Sessions knows who a browser belongs to.
type Sessions interface {
	Session(r *http.Request) (ops.Actor, error)
	SignIn(w http.ResponseWriter, r *http.Request, token string) (ops.Actor, error)
	SignOut(w http.ResponseWriter, r *http.Request)
}

// Book is where maintenance messages are read, cleared ones included.
type Book interface {
	All(ctx context.Context) ([]message.Message, error)
}

// Config is what the pages need. Logger and Now have defaults.
type Config struct {
	Ops      *ops.Ops
	Sessions Sessions
	Settings func() settings.Set
	Book     Book
	Seen     func(ctx context.Context) (uint64, error) // ledger position the lists show; a change makes open pages refresh
	Logger   *slog.Logger
	Now      func() time.Time
}

type site struct {
	cfg    Config
	draw   *page.Renderer
	assets *page.Assets
	live   chan struct{} // one place per open page
}

// New makes the handler of all pages.
func New(cfg Config) (http.Handler, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	assets, err := page.NewAssets()
	if err != nil {
		return nil, err
	}
	draw, err := page.NewRenderer(assets)
	if err != nil {
		return nil, err
	}
	s := &site{cfg: cfg, draw: draw, assets: assets, live: make(chan struct{}, maxLive)}
	return s.routes(), nil
}

func (s *site) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+page.Prefix, s.assets)
	mux.HandleFunc("GET /login", s.open((*call).login))
	mux.HandleFunc("POST /login", s.open((*call).signIn))
	mux.HandleFunc("POST /logout", s.open((*call).signOut))
	mux.HandleFunc("POST /preferences", s.open((*call).preferences))
	for pattern, do := range map[string]func(*call) error{
		"GET /{$}":                   (*call).overview,
		"GET /orders":                (*call).orders,
		"GET /deferred":              (*call).deferred,
		"POST /orders/bulk/{action}": (*call).bulk,
		"GET /orders/{connection}/{order}/{package}":           (*call).order,
		"POST /orders/{connection}/{order}/{package}/{action}": (*call).orderAction,
		"GET /open":                  (*call).unshipped,
		"GET /ship":                  (*call).ship,
		"POST /ship":                 (*call).report,
		"GET /messages":              (*call).messages,
		"POST /messages/{id}/update": (*call).update,
		"GET /runs":                  (*call).runs,
		"GET /runs/new":              (*call).runNew,
		"POST /runs":                 (*call).runStart,
		"GET /runs/{id}":             (*call).run,
		"GET /accounts":              (*call).accounts,
		"POST /accounts/map":         (*call).mapCarrier,
		"POST /accounts/{id}/test":   (*call).testConnection,
		"GET /help":                  (*call).help,
		"GET /live":                  (*call).listen,
		"/":                          (*call).nowhere,
	} {
		mux.HandleFunc(pattern, s.known(do))
	}
	return mux
}

// call is one request with what is known about its sender.
type call struct {
	*site
	w    http.ResponseWriter
	r    *http.Request
	who  ops.Actor
	lang i18n.Lang
}

// maxForm bounds a form, in bytes.
const maxForm = 1 << 20

// open serves a request that needs no session.
func (s *site) open(do func(*call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{site: s, w: w, r: r, lang: language(r)}
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Vary", "Cookie, Accept-Language")
		if r.Method == http.MethodPost {
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			if err := r.ParseForm(); err != nil {
				c.fail(fault.Wrap(fault.Invalid, err, "read the form"))
				return
			}
		}
		if err := do(c); err != nil {
			c.fail(err)
		}
	}
}

// known serves a request that needs a session.
func (s *site) known(do func(*call) error) http.HandlerFunc {
	return s.open(func(c *call) error {
		who, err := s.cfg.Sessions.Session(c.r)
		if err != nil {
			if c.r.Header.Get("X-Live") != "" || c.r.URL.Path == "/live" {
				http.Error(c.w, "not signed in", http.StatusUnauthorized)
				return nil
			}
			next := "/"
			if c.r.Method == http.MethodGet {
				next = c.r.URL.RequestURI()
			}
			q := url.Values{"next": {next}}
			if _, err := c.r.Cookie("fertig_session"); err == nil {
				q.Set("why", "ended")
			}
			http.Redirect(c.w, c.r, "/login?"+q.Encode(), http.StatusSeeOther)
			return nil
		}
		c.who = who
		return do(c)
	})
}

func language(r *http.Request) i18n.Lang {
	if cookie, err := r.Cookie("fertig_lang"); err == nil {
		if l, ok := i18n.Valid(cookie.Value); ok {
			return l
		}
	}
	return i18n.Pick(r.Header.Get("Accept-Language"))
}

func (c *call) ctx() context.Context { return c.r.Context() }

// show draws a page.
func (c *call) show(status int, name string, data any) error {
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	return c.draw.Render(c.w, c.lang, name, data)
}

// to answers a form.
func (c *call) to(where string) error {
	http.Redirect(c.w, c.r, where, http.StatusSeeOther)
	return nil
}

// local returns where if it is a path of this site, else the fallback.
func local(where, fallback string) string {
	u, err := url.Parse(where)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(where, "/") || strings.HasPrefix(where, "//") ||
		strings.ContainsAny(where, "\\\r\n\t") {
		return fallback
	}
	return where
}

var pages = map[fault.Kind]struct {
	status int
	key    string
}{
	fault.Invalid:     {http.StatusBadRequest, "invalid"},
	fault.NotFound:    {http.StatusNotFound, "not_found"},
	fault.Conflict:    {http.StatusConflict, "invalid"},
	fault.Forbidden:   {http.StatusForbidden, "forbidden"},
	fault.Throttled:   {http.StatusTooManyRequests, "unavailable"},
	fault.Unavailable: {http.StatusServiceUnavailable, "unavailable"},
}

// fail draws the page of an error and logs what is ours to mend.
func (c *call) fail(err error) {
	if c.ctx().Err() != nil {
		return // the visitor has gone, perhaps in the middle of a page
	}
	p, ok := pages[fault.KindOf(err)]
	if !ok {
		p.status, p.key = http.StatusInternalServerError, "internal"
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		p.status = http.StatusRequestEntityTooLarge
	}
	if p.status >= 500 {
		c.cfg.Logger.ErrorContext(c.ctx(), "page not drawn", "method", c.r.Method, "path", c.r.URL.Path, "error", err)
	}
	data := page.Failure{Frame: c.bare(), Status: p.status, Key: p.key}
	if p.status < 500 {
		data.Detail = c.words(err)
	}
	if err := c.show(p.status, "failure", data); err != nil {
		c.cfg.Logger.ErrorContext(c.ctx(), "error page not drawn", "error", err)
	}
}

func (c *call) nowhere() error { return fault.New(fault.NotFound, "there is no page %s", c.r.URL.Path) }

func (c *call) help() error { return c.show(http.StatusOK, "help", page.Help{Frame: c.frame()}) }
