package amazonsim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds. "Before" means that the request was not processed, "after" that it was, and that only the
// answer is lost: an after-fault waits for a call that succeeds. A fault of the throttle, error-before,
// unavailable, reset-before, timeout-before and slow kinds may also be aimed at OpToken.
const (
	FaultThrottle      FaultKind = "throttle"       // 429 QuotaExceeded although the bucket has tokens
	FaultErrorBefore   FaultKind = "error-before"   // 500 InternalFailure
	FaultErrorAfter    FaultKind = "error-after"    // 500 InternalFailure
	FaultUnavailable   FaultKind = "unavailable"    // 503 ServiceUnavailable
	FaultResetBefore   FaultKind = "reset-before"   // the connection is reset
	FaultResetAfter    FaultKind = "reset-after"    // the connection is reset
	FaultTimeoutBefore FaultKind = "timeout-before" // no answer until the client goes away
	FaultTimeoutAfter  FaultKind = "timeout-after"  // no answer until the client goes away
	FaultSlow          FaultKind = "slow"           // processed at once, answered after Delay
	FaultExpiredToken  FaultKind = "expired-token"  // 403, the access token has expired
	FaultAccessDenied  FaultKind = "access-denied"  // 403 without details, as in Amazon's mass outages
	FaultRevokedGrant  FaultKind = "revoked-grant"  // invalid_grant at OpToken, 403 at the others
	FaultSecretExpired FaultKind = "secret-expired" // invalid_client at OpToken
	FaultSilentDrop    FaultKind = "silent-drop"    // confirmShipment answers 204 and makes no package
	FaultAnswer        FaultKind = "answer"         // the answer is what the fault says, and nothing is done
)

// Fault is one thing that goes wrong, and where. What is left empty restricts nothing. It is
// deterministic: whether a share of requests hits the n-th request about an order depends on the seed,
// the fault's id, the order and n, and on nothing else.
type Fault struct {
	ID        string    `json:"id,omitempty"` // given when empty
	Kind      FaultKind `json:"kind"`
	Operation string    `json:"operation,omitempty"` // empty means all for which the kind makes sense
	Seller    string    `json:"seller,omitempty"`
	OrderID   string    `json:"orderId,omitempty"`
	Share     float64   `json:"share,omitempty"` // of the matching requests, 0 to 1; 0 means all
	Times     int       `json:"times,omitempty"` // how often it strikes; 0 means without limit
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	For       Duration  `json:"for,omitempty"` // Until, counted from the injection or from From
	// Delay is how long a slow answer takes, and the longest that a time-out holds the connection (ten
	// minutes unless given).
	Delay Duration `json:"delay,omitempty"`
	// Of an answer: status, and what is said; or a body that is no JSON, word for word.
	Status  int    `json:"status,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Details string `json:"details,omitempty"`
	Body    string `json:"body,omitempty"`
	// Struck is how often the fault has struck; it is reported and ignored when given.
	Struck int `json:"struck,omitempty"`
}

// maxFaults bounds the work that a request spends on looking for its fault.
const maxFaults = 1000

// phase is the step of a request at which a kind of fault strikes.
type phase int

const (
	phaseToken  phase = iota + 1 // only at the token endpoint
	phaseAccess                  // in place of the check of the access token
	phaseQuota                   // in place of the bucket
	phaseBefore                  // in place of the work
	phaseCommit                  // in place of the state change
	phaseAfter                   // in place of the answer
	phaseSlow                    // besides everything else
)

func (k FaultKind) phase() (phase, bool) {
	switch k {
	case FaultSecretExpired:
		return phaseToken, true
	case FaultExpiredToken, FaultAccessDenied, FaultRevokedGrant:
		return phaseAccess, true
	case FaultThrottle:
		return phaseQuota, true
	case FaultErrorBefore, FaultUnavailable, FaultResetBefore, FaultTimeoutBefore, FaultAnswer:
		return phaseBefore, true
	case FaultSilentDrop:
		return phaseCommit, true
	case FaultErrorAfter, FaultResetAfter, FaultTimeoutAfter:
		return phaseAfter, true
	case FaultSlow:
		return phaseSlow, true
	}
	return 0, false
}

// target is the request a fault may strike.
type target struct {
	operation, seller, order string
	try                      int // how many requests of this operation about this order came before; see turn
}

// turn counts a request, and says how many like it came before. What is about no order here, such as a search, is counted by
// what it says, so that a share strikes some of those, too, and not all or none.
func (w *world) turn(t target) int {
	if o := w.orders[t.order]; o != nil {
		o.tries[t.operation]++
		return o.tries[t.operation] - 1
	}
	w.tries[t]++
	return w.tries[t] - 1
}

// faults are those in force, in the order of their injection.
type faults struct {
	seed   uint64
	serial int
	live   []*Fault
}

func (fs *faults) add(f Fault, now time.Time) error {
	if _, ok := f.Kind.phase(); !ok {
		return fmt.Errorf("fault.kind is %q: use one of those of docs/simulator.md", f.Kind)
	}
	switch f.Operation {
	case "", OpConfirmShipment, OpGetOrder, OpSearchOrders, OpToken:
	default:
		return fmt.Errorf("fault.operation is %q: use confirmShipment, getOrder, searchOrders or token", f.Operation)
	}
	if f.Share < 0 || f.Share > 1 || f.Times < 0 || f.Delay < 0 || f.For < 0 {
		return fmt.Errorf("fault %s: share must lie in 0 to 1, and times, delay and for must not be negative", f.Kind)
	}
	if f.Kind == FaultAnswer && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("fault answer: status is %d: use an HTTP status of 200 to 599", f.Status)
	}
	if f.Kind == FaultSlow && f.Delay == 0 {
		return fmt.Errorf("fault slow: delay is missing: say how long the answer takes, such as 3s")
	}
	fs.prune(now)
	if len(fs.live) >= maxFaults {
		return fmt.Errorf("fault %s: %d faults are in force already: clear some first", f.Kind, maxFaults)
	}
	fs.serial++
	f.ID = orElse(f.ID, fmt.Sprintf("fault-%d", fs.serial))
	if f.For > 0 {
		f.Until = orElse(f.From, now).Add(time.Duration(f.For))
	}
	f.Struck = 0
	fs.live = append(fs.live, &f)
	return nil
}

// prune forgets what can never strike again.
func (fs *faults) prune(now time.Time) {
	kept := fs.live[:0]
	for _, f := range fs.live {
		if !f.spent(now) {
			kept = append(kept, f)
		}
	}
	clear(fs.live[len(kept):])
	fs.live = kept
}

func (f *Fault) spent(now time.Time) bool {
	return f.Times > 0 && f.Struck >= f.Times || !f.Until.IsZero() && !now.Before(f.Until)
}

// strike returns the first fault of the phase that hits t, counted as struck, or nil.
func (fs *faults) strike(at phase, t target, now time.Time) *Fault {
	for _, f := range fs.live {
		if p, _ := f.Kind.phase(); p != at || f.spent(now) || now.Before(f.From) || !f.aims(t) {
			continue
		}
		if f.Share > 0 && fs.chance(f.ID, t) >= f.Share {
			continue
		}
		f.Struck++
		return f
	}
	return nil
}

func (f *Fault) aims(t target) bool {
	if f.Seller != "" && f.Seller != t.seller || f.OrderID != "" && f.OrderID != t.order {
		return false
	}
	if f.Operation != "" {
		return f.Operation == t.operation
	}
	return t.operation != OpToken || f.Kind == FaultRevokedGrant || f.Kind == FaultSecretExpired
}

// chance is a number from 0 up to 1 that hangs on the seed and the request alone, not on the order in
// which concurrent requests arrive.
func (fs *faults) chance(id string, t target) float64 {
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], fs.seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(t.try))
	h.Write(b[:])
	for _, s := range []string{id, t.operation, t.seller, t.order} {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return float64(mix(h.Sum64())>>11) / (1 << 53)
}

// mix spreads the bits of x; it is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
