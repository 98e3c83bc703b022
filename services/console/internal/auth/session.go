package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/ops"
)

// SessionLife is how long a session lasts without signing in again.
const SessionLife = 12 * time.Hour

const cookieName = "fertig_session"

// session is what the cookie carries, signed. It names the token by the beginning of its hash's hash, so that a token
// taken out of the configuration ends its sessions too.
type session struct {
	Name  string    `json:"n"`
	Token string    `json:"t"`
	Until time.Time `json:"u"`
	Nonce string    `json:"r"`
}

func (t Token) id() string {
	h := sha256.Sum256(t.Hash[:])
	return hex.EncodeToString(h[:8])
}

// SignIn checks a token and sets a fresh session cookie for its holder, whatever session there was before.
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request, token string) (ops.Actor, error) {
	t, err := g.known(remote(r), strings.TrimSpace(token))
	if err != nil {
		return ops.Actor{}, err
	}
	s := session{Name: t.Name, Token: t.id(), Until: g.now().Add(SessionLife).UTC(), Nonce: rand.Text()}
	body, err := json.Marshal(s)
	if err != nil {
		return ops.Actor{}, err
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	http.SetCookie(w, cookie(r, text+"."+g.sign(text), int(SessionLife.Seconds())))
	return t.actor(), nil
}

// SignOut takes the cookie back.
func (g *Guard) SignOut(w http.ResponseWriter, r *http.Request) { http.SetCookie(w, cookie(r, "", -1)) }

func cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// Session returns who the request's cookie belongs to. It fails when there is none, it has ended, or its token is gone.
func (g *Guard) Session(r *http.Request) (ops.Actor, error) {
	again := unknown("there is no session", "sign in with your token")
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ops.Actor{}, again
	}
	text, mac, ok := strings.Cut(c.Value, ".")
	if !ok || !hmac.Equal([]byte(mac), []byte(g.sign(text))) {
		return ops.Actor{}, again
	}
	body, err := base64.RawURLEncoding.DecodeString(text)
	var s session
	if err != nil || json.Unmarshal(body, &s) != nil {
		return ops.Actor{}, again
	}
	if !g.now().Before(s.Until) {
		return ops.Actor{}, unknown("the session has ended", "sign in with your token")
	}
	for _, t := range g.tokens {
		if t.Name == s.Name && t.id() == s.Token {
			return t.actor(), nil
		}
	}
	return ops.Actor{}, again
}

func (g *Guard) sign(text string) string {
	m := hmac.New(sha256.New, g.key)
	m.Write([]byte("session\n" + text))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
