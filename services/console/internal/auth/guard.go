package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Token lets somebody in. Hash is the SHA-256 of the token, which is kept nowhere.
type Token struct {
	Name     string
	Role     ops.Role
	Accounts []shipment.AccountID // empty: all
	Hash     [sha256.Size]byte
}

// Hash is what a Token keeps of a token.
func Hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }

// ErrUnknown is in the chain of the error for a missing or unknown token, an ended session included. It is answered with
// 401, where a role that does not suffice is answered with 403.
var ErrUnknown = errors.New("not signed in")

// Guard knows the tokens. It is safe for concurrent use.
type Guard struct {
	tokens []Token
	key    []byte // signs session cookies
	now    func() time.Time
	brake  *brake
}

// New checks the tokens. key signs the sessions and must be the same in all replicas behind one address; without one
// sessions end with the process.
func New(tokens []Token, key []byte, now func() time.Time) (*Guard, error) {
	var errs []error
	seen := map[string]bool{}
	for i, t := range tokens {
		at := fmt.Sprintf("tokens[%d]", i)
		if t.Name == "" || seen[t.Name] {
			errs = append(errs, fault.Field(at+".name", "%q is empty or used twice: it names the holder in the history", t.Name))
		}
		seen[t.Name] = true
		if !t.Role.Valid() {
			errs = append(errs, fault.Field(at+".role", "%q must be viewer, operator or support", t.Role))
		}
		if t.Hash == Hash("") {
			errs = append(errs, fault.Field(at+".token", "is empty: set it, for example to the output of `openssl rand -hex 24`"))
		}
	}
	if len(tokens) == 0 {
		errs = append(errs, fault.Field("tokens", "there is none: nobody could sign in"))
	}
	if len(key) > 0 && len(key) < 16 {
		errs = append(errs, fault.Field("sessionKey", "is %d bytes long: use at least 16", len(key)))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if len(key) == 0 {
		key = []byte(rand.Text())
	}
	return &Guard{tokens: tokens, key: key, now: now, brake: newBrake(now)}, nil
}

// Bearer returns who carries the token in the Authorization header.
func (g *Guard) Bearer(r *http.Request) (ops.Actor, error) {
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(kind, "Bearer") {
		return ops.Actor{}, unknown("the request carries no token", "send the header `Authorization: Bearer <token>`")
	}
	t, err := g.known(remote(r), strings.TrimSpace(token))
	if err != nil {
		return ops.Actor{}, err
	}
	return t.actor(), nil
}

// known finds a token. Every one is compared whatever the result, so that the time taken tells nothing. The brake is for
// wrong ones only: behind a proxy everybody has one address, and who guesses there must not lock the others out. It bounds
// what guessing costs and shows; that no guess hits is owed to tokens that are long and random.
func (g *Guard) known(from, token string) (Token, error) {
	h := Hash(token)
	var found *Token
	for i := range g.tokens {
		if subtle.ConstantTimeCompare(h[:], g.tokens[i].Hash[:]) == 1 {
			found = &g.tokens[i]
		}
	}
	if found == nil {
		if !g.brake.free(from) {
			return Token{}, ops.Advise(fault.New(fault.Throttled, "too many wrong tokens from %s", from), "wait a minute, then use the right one")
		}
		g.brake.wrong(from)
		return Token{}, unknown("the token is not known", "check for blanks and missing characters, or have a new one made")
	}
	return *found, nil
}

func (t Token) actor() ops.Actor {
	return ops.Actor{Name: t.Name, Role: t.Role, Accounts: t.Accounts}
}

func unknown(text, remedy string) error {
	return ops.Advise(fault.Wrap(fault.Forbidden, ErrUnknown, "%s", text), "%s", remedy)
}

// remote is the address a request came from. Headers of proxies are not believed.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

type contextKey struct{}

// With puts the actor into a context.
func With(ctx context.Context, a ops.Actor) context.Context {
	return context.WithValue(ctx, contextKey{}, a)
}

// From returns the actor of a context; without one it may do nothing.
func From(ctx context.Context) ops.Actor {
	a, _ := ctx.Value(contextKey{}).(ops.Actor)
	return a
}

// ParseHash reads the SHA-256 of a token as 64 hexadecimal digits.
func ParseHash(text string) ([sha256.Size]byte, error) {
	var h [sha256.Size]byte
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(h) {
		return h, fault.Field("hash", "is not a SHA-256 of 64 hexadecimal digits: make it with `printf %%s TOKEN | sha256sum`")
	}
	copy(h[:], b)
	return h, nil
}
