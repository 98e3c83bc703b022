package amazonsim

import (
	"net/http"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/wire"
)

func refusal(status int, code, message, details string) answer {
	return answer{status: status, body: wire.ErrorList{Errors: []wire.Error{{Code: code, Message: message, Details: details}}}}
}

// denied is Amazon's one 403: only the details tell why, and often they are empty.
func denied(details string) answer {
	a := refusal(http.StatusForbidden, "Unauthorized", "Access to requested resource is denied.", details)
	a.errorType = "AccessDeniedException"
	return a
}

const (
	detailsMissing = "Access token is missing in the request header."
	detailsExpired = "The access token you provided has expired."
	detailsInvalid = "The access token you provided is revoked, malformed or invalid."
	detailsRegion  = "The marketplaces you provided are not valid for region."
)

// decide takes a request through Amazon's steps in Amazon's order: access, quota, work. A fault strikes
// in place of the step it belongs to.
func (w *world) decide(req *request, now time.Time, do func(*world, *request, time.Time) answer) answer {
	t := target{operation: req.operation, seller: req.claims.Seller, order: req.orderID}
	t.try = w.turn(t)
	if a, refused := w.refuseAccess(req, t, now); refused {
		return a
	}
	b := w.quotas.bucket(req.claims.Seller, req.claims.ClientID, req.operation, now)
	if f := w.faults.strike(phaseQuota, t, now); f != nil {
		return throttled(f.Kind)
	}
	if !b.Take(now) {
		return throttled("")
	}
	a := w.work(req, t, now, do)
	a.rate = b.Rate()
	if f := w.faults.strike(phaseSlow, t, now); f != nil {
		a.delay = time.Duration(f.Delay)
		a.fault = orElse(a.fault, f.Kind)
	}
	return a
}

func (w *world) refuseAccess(req *request, t target, now time.Time) (answer, bool) {
	if req.userAgent == "" || len(req.userAgent) > 500 {
		return refusal(http.StatusBadRequest, "InvalidInput", w.words.say(TextUserAgent, sent{}), ""), true
	}
	switch {
	case req.token == "":
		return denied(detailsMissing), true
	case !req.genuine || !w.granted(req.claims.Seller, req.claims.ClientID):
		return denied(detailsInvalid), true
	case !now.Before(req.claims.Expires):
		return denied(detailsExpired), true
	}
	f := w.faults.strike(phaseAccess, t, now)
	if f == nil {
		return answer{}, false
	}
	a := denied("")
	switch f.Kind {
	case FaultExpiredToken:
		a = denied(detailsExpired)
	case FaultRevokedGrant:
		a = denied(detailsInvalid)
	}
	a.fault = f.Kind
	return a, true
}

func (w *world) granted(seller, client string) bool {
	for _, a := range w.accounts {
		if a.Seller == seller && a.ClientID == client {
			return true
		}
	}
	return false
}

func throttled(by FaultKind) answer {
	a := refusal(http.StatusTooManyRequests, "QuotaExceeded", "You exceeded your quota for the requested resource.", "")
	a.errorType, a.fault = "TooManyRequestsException", by
	return a
}

// work does the operation, unless a fault comes before it, and loses its answer when one comes after it.
func (w *world) work(req *request, t target, now time.Time, do func(*world, *request, time.Time) answer) answer {
	if f := w.faults.strike(phaseBefore, t, now); f != nil {
		return f.instead(answer{})
	}
	var a answer
	if w.sandbox != nil {
		a = w.sandbox.answer(req)
	} else {
		a = do(w, req, now)
	}
	if a.status >= 300 || a.fault != "" {
		return a
	}
	if f := w.faults.strike(phaseAfter, t, now); f != nil {
		return f.instead(a)
	}
	return a
}

// told is the answer that the fault says.
func (f *Fault) told() answer {
	if f.Body != "" || f.Code == "" && f.Message == "" {
		return answer{status: f.Status, raw: f.Body}
	}
	return refusal(f.Status, f.Code, f.Message, f.Details)
}

// instead is the answer that a fault gives in place of done, which keeps what was done.
func (f *Fault) instead(done answer) answer {
	var a answer
	switch f.Kind {
	case FaultAnswer:
		a = f.told()
	case FaultUnavailable:
		a = refusal(http.StatusServiceUnavailable, "ServiceUnavailable",
			"Service is temporarily unavailable. Please try again later.", "")
	case FaultResetBefore, FaultResetAfter:
		a = answer{manner: reset}
	case FaultTimeoutBefore, FaultTimeoutAfter:
		a = answer{manner: hold, hold: orElse(time.Duration(f.Delay), maxHold)}
	default:
		a = refusal(http.StatusInternalServerError, "InternalFailure",
			"We encountered an internal error. Please try again.", "")
	}
	a.fault, a.committed, a.edit = f.Kind, done.committed, done.edit
	return a
}
