package web

import (
	"net/http"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/fault"
)

func (c *call) login() error {
	l := page.Login{Frame: c.bare(), Next: local(c.r.URL.Query().Get("next"), "/")}
	if c.r.URL.Query().Get("why") == "ended" {
		l.Problem = "login.ended"
	}
	return c.show(http.StatusOK, "login", l)
}

func (c *call) signIn() error {
	next := local(c.r.PostForm.Get("next"), "/")
	if _, err := c.cfg.Sessions.SignIn(c.w, c.r, c.r.PostForm.Get("token")); err != nil {
		l := page.Login{Frame: c.bare(), Next: next, Problem: "login.wrong"}
		status := http.StatusUnauthorized
		if fault.Is(err, fault.Throttled) {
			l.Problem, status = "login.often", http.StatusTooManyRequests
		}
		return c.show(status, "login", l)
	}
	return c.to(next)
}

func (c *call) signOut() error {
	c.cfg.Sessions.SignOut(c.w, c.r)
	return c.to("/login")
}

// preferences keeps language and appearance in the visitor's browser, for a year.
func (c *call) preferences() error {
	keep := func(name, value string, age int) {
		http.SetCookie(c.w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: c.r.TLS != nil, SameSite: http.SameSiteLaxMode})
	}
	const year = 365 * 24 * 3600
	if l, ok := i18n.Valid(c.r.PostForm.Get("lang")); ok {
		keep("fertig_lang", string(l), year)
	}
	switch theme := c.r.PostForm.Get("theme"); theme {
	case "light", "dark":
		keep("fertig_theme", theme, year)
	case "auto":
		keep("fertig_theme", "", -1)
	}
	return c.to(local(c.r.PostForm.Get("next"), "/"))
}
