package project

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// shelf keeps a snapshot in memory.
type shelf struct {
	mu   sync.Mutex
	text []byte
}

func (s *shelf) Open() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(s.text)), nil
}

func (s *shelf) Write(f func(io.Writer) error) error {
	var b bytes.Buffer
	if err := f(&b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = b.Bytes()
	return nil
}

func (s *shelf) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.text)
}

// counted says how often the whole ledger was read.
type counted struct {
	Ledger
	reads atomic.Int64
}

func (c *counted) HeadsBut(ctx context.Context, id shipment.ConnectionID, skip func(shipment.State, time.Time) bool, visit func(shipment.Entry) error) (uint64, error) {
	c.reads.Add(1)
	return c.Ledger.HeadsBut(ctx, id, skip, visit)
}

func (b *bed) projectKeeping(l Ledger, s Snapshots) (stop func()) {
	p := &Projector{Ledger: l, View: b.view, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Again: make(chan struct{}), Snapshots: s}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() { cancel(); <-done }
}

// TestAStartReadsTheSnapshotAndWhatCameAfter: a Redis that keeps nothing is filled without reading the whole ledger; only
// a snapshot that is of no use makes that necessary.
func TestAStartReadsTheSnapshotAndWhatCameAfter(t *testing.T) {
	b := newBed(t)
	kept, l := &shelf{}, &counted{Ledger: b.ledger}
	wipe := func() {
		if err := b.redis.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.accept(0, 300)
	stop := b.projectKeeping(l, kept)
	b.shows(300, 0)
	natstest.Until(t, patience, "a snapshot of the first view", func() bool { return kept.size() > 0 })
	stop()
	if n := l.reads.Load(); n != 1 {
		t.Fatalf("the first start read the ledger %d times", n)
	}

	b.exclude(7)
	b.accept(300, 400)
	wipe() // as a crash does: what came after the snapshot is in the ledger alone
	stop = b.projectKeeping(l, kept)
	b.shows(399, 1)
	if n := l.reads.Load(); n != 1 {
		t.Fatalf("a start with a snapshot read the ledger %d times", n-1)
	}
	before := kept.size()
	stop()
	if kept.size() <= before {
		t.Error("a clean stop left the old snapshot")
	}

	kept.text[len(kept.text)/2] ^= 1
	wipe()
	defer b.projectKeeping(l, kept)()
	b.shows(399, 1)
	if n := l.reads.Load(); n != 2 {
		t.Fatalf("after a broken snapshot the ledger was read %d times", n-1)
	}
}
