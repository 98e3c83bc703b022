package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

const token = "3f1c9a7be2"

var signKey = []byte("0123456789abcdef")

func tokens() []auth.Token {
	return []auth.Token{{Name: "anna", Role: ops.Operator, Accounts: []shipment.AccountID{"DE"}, Hash: auth.Hash(token)}, {Name: "bert", Role: ops.Viewer, Hash: auth.Hash("other")}}
}

// clock is a time that moves by hand.
type clock struct{ now time.Time }

func guard(t *testing.T, ts []auth.Token, key []byte) (*auth.Guard, *clock) {
	t.Helper()
	c := &clock{time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	g, err := auth.New(ts, key, func() time.Time { return c.now })
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

func signIn(t *testing.T, g *auth.Guard) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := g.SignIn(w, httptest.NewRequest("POST", "/login", nil), token); err != nil {
		t.Fatal(err)
	}
	return w.Result().Cookies()[0]
}

func with(c *http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(c)
	return r
}

func TestSessionBelongsToItsToken(t *testing.T) {
	g, clock := guard(t, tokens(), signKey)
	c := signIn(t, g)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.MaxAge != int(auth.SessionLife.Seconds()) {
		t.Errorf("cookie %+v", c)
	}
	if strings.Contains(c.Value, token) {
		t.Error("the token is in the cookie")
	}
	if again := signIn(t, g); again.Value == c.Value {
		t.Error("signing in again gives the same session")
	}
	a, err := g.Session(with(c))
	if err != nil || a.Name != "anna" || a.Role != ops.Operator || len(a.Accounts) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	replica, _ := guard(t, tokens(), signKey)
	if _, err := replica.Session(with(c)); err != nil {
		t.Errorf("another replica with the same key: %v", err)
	}
	other, _ := guard(t, tokens(), nil)
	without, _ := guard(t, tokens()[1:], signKey)
	changed := tokens()
	changed[0].Hash = auth.Hash("a new one")
	rotated, _ := guard(t, changed, signKey)
	for name, g := range map[string]*auth.Guard{"another key": other, "the token taken away": without, "the token changed": rotated} {
		if _, err := g.Session(with(c)); !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range len(c.Value) {
		forged := *c
		b := []byte(c.Value)
		b[i] ^= 1
		if forged.Value = string(b); forged.Valid() != nil {
			continue
		}
		if _, err := g.Session(with(&forged)); err == nil && i < len(c.Value)-1 { // the last character carries unused bits
			t.Fatalf("a cookie changed at %d is believed", i)
		}
	}
	clock.now = clock.now.Add(auth.SessionLife)
	if _, err := g.Session(with(c)); !errors.Is(err, auth.ErrUnknown) || fault.KindOf(err) != fault.Forbidden {
		t.Errorf("after its life: %v", err)
	}
}

func TestSecureOverTLS(t *testing.T) {
	g, _ := guard(t, tokens(), nil)
	w := httptest.NewRecorder()
	if _, err := g.SignIn(w, httptest.NewRequest("POST", "https://fertig.example/login", nil), token); err != nil {
		t.Fatal(err)
	}
	if !w.Result().Cookies()[0].Secure {
		t.Error("over TLS the cookie is not secure")
	}
	out := httptest.NewRecorder()
	g.SignOut(out, httptest.NewRequest("POST", "/logout", nil))
	if c := out.Result().Cookies()[0]; c.Value != "" || c.MaxAge >= 0 {
		t.Errorf("signing out sets %+v", c)
	}
}

func TestBearer(t *testing.T) {
	g, _ := guard(t, tokens(), nil)
	for header, want := range map[string]string{"Bearer " + token: "anna", "bearer other": "bert", "": "", "Bearer": "", "Bearer x": "", "Basic " + token: "", "Bearer " + token + "x": ""} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Authorization", header)
		a, err := g.Bearer(r)
		if a.Name != want || (err == nil) != (want != "") || err != nil && !errors.Is(err, auth.ErrUnknown) {
			t.Errorf("%q: %+v, %v", header, a, err)
		}
		if err != nil && strings.Contains(err.Error(), token) {
			t.Errorf("the error tells the token: %v", err)
		}
	}
}

// Who guesses is slowed; right tokens and sessions from the same address, as behind a proxy, are let in all the while.
func TestBrake(t *testing.T) {
	g, clock := guard(t, tokens(), nil)
	try := func(from, tok string) fault.Kind {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = from + ":1000"
		r.Header.Set("Authorization", "Bearer "+tok)
		_, err := g.Bearer(r)
		return fault.KindOf(err)
	}
	c := signIn(t, g)
	for n := range 20 {
		if k := try("10.0.0.1", "wrong"); k != fault.Forbidden {
			t.Fatalf("wrong token %d: %s", n, k)
		}
	}
	for range 3 {
		if k := try("10.0.0.1", "wrong"); k != fault.Throttled {
			t.Errorf("one more wrong token: %q", k)
		}
		if k := try("10.0.0.1", token); k != "" {
			t.Errorf("the right token after twenty wrong ones: %q", k)
		}
	}
	if k := try("10.0.0.2", "wrong"); k != fault.Forbidden {
		t.Errorf("a wrong token from another address: %q", k)
	}
	if _, err := g.Session(with(c)); err != nil {
		t.Errorf("a session: %v", err)
	}
	clock.now = clock.now.Add(3 * time.Second)
	for _, want := range []fault.Kind{fault.Forbidden, fault.Throttled} {
		if k := try("10.0.0.1", "wrong"); k != want {
			t.Errorf("a wrong token three seconds later: %q, want %q", k, want)
		}
	}
}
