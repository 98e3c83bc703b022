// Package token makes and reads the access tokens of the simulator. A token carries its seller, its
// application and its end, sealed with a key, so that the simulator keeps no list of tokens and can
// still tell an expired one from a malformed one. It does not know whether a grant was revoked: that is
// the simulator's business. The format is its own; Amazon's tokens are opaque to clients as well.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

const prefix = "Atza|"

// Claims say whom a token was given to and until when.
type Claims struct {
	Seller   string
	ClientID string
	Expires  time.Time // whole seconds
	Serial   uint64    // makes every token differ from every other
}

// Mint seals and opens tokens. It is safe for concurrent use.
type Mint struct{ key [32]byte }

// NewMint derives the key from seed: the same seed accepts the same tokens after a restart.
func NewMint(seed uint64) *Mint {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], seed)
	return &Mint{key: sha256.Sum256(append([]byte("amazonsim access token "), b[:]...))}
}

// Seal returns the token for c.
func (m *Mint) Seal(c Claims) string {
	text := strings.Join([]string{c.Seller, c.ClientID, strconv.FormatInt(c.Expires.Unix(), 10),
		strconv.FormatUint(c.Serial, 10)}, "\x00")
	return prefix + base64.RawURLEncoding.EncodeToString(append([]byte(text), m.sum(text)...))
}

// Open returns the claims of a token, or false when this mint did not seal it. Whether the token has
// expired is for the caller to see.
func (m *Mint) Open(token string) (Claims, bool) {
	body, ok := strings.CutPrefix(token, prefix)
	if !ok {
		return Claims{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || len(raw) <= sha256.Size {
		return Claims{}, false
	}
	text, sum := string(raw[:len(raw)-sha256.Size]), raw[len(raw)-sha256.Size:]
	if !hmac.Equal(sum, m.sum(text)) {
		return Claims{}, false
	}
	parts := strings.Split(text, "\x00")
	if len(parts) != 4 {
		return Claims{}, false
	}
	end, err1 := strconv.ParseInt(parts[2], 10, 64)
	serial, err2 := strconv.ParseUint(parts[3], 10, 64)
	if err1 != nil || err2 != nil {
		return Claims{}, false
	}
	return Claims{Seller: parts[0], ClientID: parts[1], Expires: time.Unix(end, 0), Serial: serial}, true
}

func (m *Mint) sum(text string) []byte {
	h := hmac.New(sha256.New, m.key[:])
	h.Write([]byte(text))
	return h.Sum(nil)
}
