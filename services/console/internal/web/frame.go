package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// bare is the frame without anything that would have to be asked for.
func (c *call) bare() page.Frame {
	f := page.Frame{User: c.who.Name, Role: page.Role(c.who.Role), Lang: c.lang, URL: "/", Now: c.cfg.Now(), Zone: time.UTC}
	if c.r.Method == http.MethodGet {
		f.URL = c.r.URL.RequestURI()
	}
	if cookie, err := c.r.Cookie("fertig_theme"); err == nil && (cookie.Value == "light" || cookie.Value == "dark") {
		f.Theme = cookie.Value
	}
	for _, a := range c.visible() {
		f.Zone = a.Schedule.Location()
		break
	}
	return f
}

// frame is what surrounds a page. Badges that cannot be counted now are left out.
func (c *call) frame() page.Frame {
	f := c.bare()
	if counts, err := c.cfg.Ops.Counts(c.ctx(), c.who); err == nil {
		for _, n := range counts {
			f.Deferred += n.States[shipment.Deferred]
		}
	}
	if open, err := c.cfg.Ops.Messages(c.ctx(), c.who); err == nil {
		f.Messages = len(open)
	}
	if c.r.Header.Get("X-Live") == "" {
		f.Notices = c.take().Notices
	}
	return f
}

// visible are the accounts the visitor sees, in the order of the settings.
func (c *call) visible() []settings.Account {
	var out []settings.Account
	for _, conn := range c.cfg.Settings().Connections {
		for _, a := range conn.Accounts {
			if c.who.Sees(a.ID) {
				out = append(out, a)
			}
		}
	}
	return out
}

// account finds an account; one that is configured no more has its id, UTC and the default age limit.
func (c *call) account(id shipment.AccountID) (settings.Connection, settings.Account) {
	conn, a, ok := c.cfg.Settings().Account(id)
	if !ok {
		a = settings.Account{ID: id, Name: string(id), AgeLimitDays: settings.DefaultAgeDays, Schedule: settings.Schedule{Zone: "UTC"}}
	}
	return conn, a
}

// options are the visible accounts as choices.
func (c *call) options(selected string) []page.Option {
	var out []page.Option
	for _, a := range c.visible() {
		out = append(out, page.Option{Value: string(a.ID), Text: title(a), Selected: string(a.ID) == selected})
	}
	return out
}

func title(a settings.Account) string {
	if a.Name == "" {
		return string(a.ID)
	}
	return a.Name
}

// flash is what the page after a redirect says.
type flash struct {
	Notices []page.Notice `json:"n,omitempty"`
	Verdict *page.Verdict `json:"v,omitempty"`
}

const flashCookie = "fertig_flash"

// maxLines bounds the lines of a notice: a cookie is small.
const maxLines = 8

// tell keeps a flash for the next page.
func (c *call) tell(f flash) {
	raw, err := json.Marshal(f)
	if err != nil || len(raw) > 2800 {
		return
	}
	http.SetCookie(c.w, &http.Cookie{Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString(raw), Path: "/", MaxAge: 60,
		HttpOnly: true, Secure: c.r.TLS != nil, SameSite: http.SameSiteLaxMode})
}

func (c *call) say(tone page.Tone, key string, args ...any) {
	c.tell(flash{Notices: []page.Notice{{Tone: tone, Sentence: page.Say(key, args...)}}})
}

// take reads the flash and removes it. It comes from a cookie, so nothing in it is believed: keys the catalogue does not
// know are dropped, everything is escaped when drawn, and only links into this site are kept.
func (c *call) take() flash {
	cookie, err := c.r.Cookie(flashCookie)
	if err != nil {
		return flash{}
	}
	http.SetCookie(c.w, &http.Cookie{Name: flashCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: c.r.TLS != nil, SameSite: http.SameSiteLaxMode})
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	var f flash
	if err != nil || json.Unmarshal(raw, &f) != nil {
		return flash{}
	}
	kept := f.Notices[:0]
	for _, n := range f.Notices {
		if !strings.HasPrefix(n.Key, "flash.") || !c.draw.Has(n.Key) {
			continue
		}
		for i, a := range n.Args {
			switch v := a.(type) {
			case float64:
				n.Args[i] = int(v)
			case string:
			default:
				n.Args[i] = ""
			}
		}
		for i := range n.Lines {
			n.Lines[i].URL = local(n.Lines[i].URL, "")
		}
		kept = append(kept, n)
	}
	f.Notices = kept
	if f.Verdict != nil {
		f.Verdict.URL = local(f.Verdict.URL, "")
		if !c.draw.Has("verdict."+f.Verdict.Result) || f.Verdict.State != "" && !c.draw.Has("state."+string(f.Verdict.State)) {
			f.Verdict = nil
		}
	}
	return f
}
