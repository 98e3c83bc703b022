package project

import (
	"context"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/view"
)

// persist projects as the service does: a projection that failed is begun anew.
func (b *bed) persist() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p := b.projector(b.ledger, nil)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = p.Run(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() { cancel(); <-done }
}

// Redis is killed and has lost what it had not synced, in the middle of a transaction. Its position goes back with its
// data, and the projection goes on from there.
func TestRedisLosesItsLastSecond(t *testing.T) {
	r := redistest.StartDurable(t)
	b := newBedOn(t, r.Client(t))
	b.accept(0, 200)
	defer b.persist()()
	b.shows(200, 0)
	synced := r.Written(t)
	b.accept(200, 300)
	for n := range 5 {
		b.exclude(n)
	}
	b.shows(295, 5)
	all := r.Written(t)
	r.Kill()
	r.Forget(t, synced+(all-synced)/3)
	r.Again(t)
	b.shows(295, 5)
	b.exclude(7)
	b.shows(294, 6)
}

// The server comes back from its file with everything: nothing is to be built anew.
func TestRedisComesBackFromItsFile(t *testing.T) {
	r := redistest.StartDurable(t)
	b := newBedOn(t, r.Client(t))
	b.accept(0, 200)
	defer b.persist()()
	b.shows(200, 0)
	before, err := b.view.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.Kill()
	b.accept(200, 250) // meanwhile the ledger goes on
	r.Again(t)
	b.shows(250, 0)
	if after, err := b.view.Position(t.Context()); err != nil || after.Prefix != before.Prefix {
		t.Errorf("the view was built anew: %s, then %s, %v", before.Prefix, after.Prefix, err)
	}
}

// Sentinel makes a replica the primary that had fallen behind.
func TestFailOverToAStaleReplica(t *testing.T) {
	pair := redistest.StartPair(t)
	b := newBedOn(t, pair.Client(t))
	b.accept(0, 200)
	defer b.persist()()
	b.shows(200, 0)
	pair.Cut(t)
	b.accept(200, 260)
	for n := range 10 {
		b.exclude(n)
	}
	b.shows(250, 10)
	ahead, err1 := b.view.Position(t.Context())
	behind, err2 := view.New(pair.Replica.Client(t), view.Options{}).Position(t.Context())
	if err1 != nil || err2 != nil || behind.IsZero() || behind.Seq >= ahead.Seq {
		t.Fatalf("the replica at %d is not behind %d: %v, %v", behind.Seq, ahead.Seq, err1, err2)
	}
	pair.FailOver(t)
	b.shows(250, 10) // nothing new is written, and the view heals all the same
	b.exclude(11)
	b.shows(249, 11)
}
