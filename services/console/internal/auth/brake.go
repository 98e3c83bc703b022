package auth

import (
	"sync"
	"time"
)

// An address may be wrong this often at once, and once more per interval.
const (
	brakeBurst    = 20
	brakeInterval = 3 * time.Second
	brakeMax      = 10_000 // addresses remembered
)

// brake counts wrong tokens per address. Right ones and sessions are not asked for it: a clerk at work is not locked out by
// a neighbour's mistyped script.
type brake struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]time.Time // when the address has nothing against it any more
}

func newBrake(now func() time.Time) *brake { return &brake{now: now, by: map[string]time.Time{}} }

// free reports whether the address may be wrong once more.
func (b *brake) free(from string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.by[from].Sub(b.now()) <= (brakeBurst-1)*brakeInterval
}

// wrong notes a wrong token.
func (b *brake) wrong(from string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(b.by) >= brakeMax {
		for k, until := range b.by {
			if !until.After(now) {
				delete(b.by, k)
			}
		}
		if len(b.by) >= brakeMax { // under attack from everywhere: forgetting is the lesser evil
			clear(b.by)
		}
	}
	until := b.by[from]
	if until.Before(now) {
		until = now
	}
	b.by[from] = until.Add(brakeInterval)
}
