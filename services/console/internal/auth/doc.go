// Package auth says who asks: by a token in the Authorization header, or by the session cookie a browser got for a token.
// It owns the comparison of tokens (by hash, in constant time), the brake on guessing, and the form of the cookie, and
// guarantees that neither tokens nor cookies are logged or kept: only hashes are. What somebody may do is not decided
// here but in package ops.
package auth
