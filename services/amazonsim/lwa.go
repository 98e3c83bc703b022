package amazonsim

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/token"
	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

// serveToken is Login with Amazon: it trades a refresh token for an access token. Only a form in the body
// counts; anything else fails to authenticate the client, as it does there.
func (s *Simulator) serveToken(w http.ResponseWriter, r *http.Request) {
	form := readForm(r)
	s.mu.Lock()
	a := s.grant(form)
	a.requestID = s.requestID()
	if refused, ok := a.body.(wire.TokenRefusal); ok {
		refused.RequestID = a.requestID
		a.body = refused
	}
	if a.manner == reply && a.status == http.StatusOK {
		s.world.counts.TokensGranted++
	} else {
		s.world.counts.TokensRefused++
	}
	s.mu.Unlock()
	a.sendToken(w, r)
}

func readForm(r *http.Request) url.Values {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<10))
	if err != nil {
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil
	}
	return form
}

// grant decides on a token request; s.mu must be held.
func (s *Simulator) grant(form url.Values) answer {
	w, now := s.world, s.clock()
	account, known := w.accountOf(form.Get("refresh_token"))
	t := target{operation: OpToken, seller: account.Seller}
	t.try = w.turn(t)
	if f := w.faults.strike(phaseToken, t, now); f != nil {
		return tokenRefused(http.StatusUnauthorized, "invalid_client", descClient)
	}
	if f := w.faults.strike(phaseQuota, t, now); f != nil {
		return tokenRefused(http.StatusTooManyRequests, "too_many_requests", "Too many requests")
	}
	if f := w.faults.strike(phaseBefore, t, now); f != nil {
		return tokenFailed(f)
	}
	switch {
	case form != nil && form.Get("grant_type") == "":
		return tokenRefused(http.StatusBadRequest, "invalid_request", descMissing+"grant_type")
	case form != nil && form.Get("grant_type") != "refresh_token":
		return tokenRefused(http.StatusBadRequest, "unsupported_grant_type", descGrantType)
	case form == nil || !w.clientKnown(form.Get("client_id"), form.Get("client_secret")):
		return tokenRefused(http.StatusUnauthorized, "invalid_client", descClient)
	case form.Get("refresh_token") == "":
		return tokenRefused(http.StatusBadRequest, "invalid_request", descMissing+"refresh_token")
	case !known || account.ClientID != form.Get("client_id"):
		return tokenRefused(http.StatusBadRequest, "invalid_grant", descGrant)
	}
	if f := w.faults.strike(phaseAccess, t, now); f != nil && f.Kind == FaultRevokedGrant {
		return tokenRefused(http.StatusBadRequest, "invalid_grant", descGrant)
	}
	a := answer{status: http.StatusOK, body: s.issue(account, now)}
	if f := w.faults.strike(phaseSlow, t, now); f != nil {
		a.delay = time.Duration(f.Delay)
	}
	return a
}

const (
	descGrant = "The request has an invalid grant parameter : refresh_token. " +
		"User may have revoked or didn't grant the permission."
	descClient    = "Client authentication failed"
	descGrantType = "The authorization grant type is not supported by the authorization server"
	descMissing   = "The request is missing a required parameter : "
)

func (s *Simulator) issue(account Account, now time.Time) wire.TokenGrant {
	lifetime := time.Duration(s.world.set.TokenLifetime)
	access := s.mint.Seal(token.Claims{Seller: account.Seller, ClientID: account.ClientID,
		Expires: now.Add(lifetime), Serial: s.ids})
	return wire.TokenGrant{AccessToken: access, RefreshToken: account.RefreshToken, TokenType: "bearer",
		ExpiresIn: int(lifetime / time.Second)}
}

func (w *world) accountOf(refreshToken string) (Account, bool) {
	for _, a := range w.accounts {
		if a.RefreshToken == refreshToken {
			return a, true
		}
	}
	return Account{}, false
}

func (w *world) clientKnown(id, secret string) bool {
	for _, a := range w.accounts {
		if a.ClientID == id && a.ClientSecret == secret {
			return true
		}
	}
	return false
}

func tokenRefused(status int, code, description string) answer {
	return answer{status: status, body: wire.TokenRefusal{Error: code, ErrorDescription: description}}
}

// tokenFailed puts a fault in the words of Login with Amazon.
func tokenFailed(f *Fault) answer {
	a := f.instead(answer{})
	if f.Kind == FaultAnswer {
		if a.body != nil {
			return tokenRefused(f.Status, f.Code, f.Message)
		}
		return a
	}
	switch a.status {
	case http.StatusServiceUnavailable:
		return tokenRefused(a.status, "temporarily_unavailable", "The service is temporarily unavailable")
	case http.StatusInternalServerError:
		return tokenRefused(a.status, "server_error", "The authorization server met an unexpected condition")
	}
	return a
}

// sendToken differs from send in the headers: a token must not be kept by a cache.
func (a answer) sendToken(w http.ResponseWriter, r *http.Request) {
	if a.manner == reply {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
	}
	a.send(w, r)
}

// writeJSON is the one way in which admin answers are written.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that is gone cannot be told
}
