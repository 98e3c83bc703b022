// Package lifecycle runs the parts of a process together and ends them together. It owns the order of stopping: the first
// part that fails, or the end of the caller's context, stops all parts; then what was acquired is given back, last
// acquired first. It guarantees that Wait returns within one deadline (plus what a teardown takes that ignores its
// context), that every part and teardown is named in its error, and that errors are joined, the first failure first.
// It does not restart parts, log, or catch panics.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ErrEnded is the failure of a part that returned without an error although nobody had asked it to stop.
var ErrEnded = errors.New("ended by itself")

// Group is a set of running parts and acquired things. It is safe for concurrent use.
type Group struct {
	ctx    context.Context
	cancel context.CancelFunc
	grace  time.Duration

	mu       sync.Mutex
	parts    []part
	teardown []teardown
	failures []error // in the order in which they happened

	once sync.Once
	err  error
}

type part struct {
	name string
	done chan struct{}
}

type teardown struct {
	name string
	stop func(context.Context) error
}

// New makes a group that lives as long as ctx. grace is the one deadline for stopping everything; it counts from the
// moment stopping begins.
func New(ctx context.Context, grace time.Duration) *Group {
	ctx, cancel := context.WithCancel(ctx)
	return &Group{ctx: ctx, cancel: cancel, grace: grace}
}

// Context ends when stopping begins.
func (g *Group) Context() context.Context { return g.ctx }

// Go starts a part. It must run until its context ends and return soon after; an error, or returning earlier, stops the
// whole group. Context errors after the group's end are not failures.
func (g *Group) Go(name string, run func(context.Context) error) {
	p := part{name: name, done: make(chan struct{})}
	g.mu.Lock()
	g.parts = append(g.parts, p)
	g.mu.Unlock()
	go func() {
		defer close(p.done)
		err := run(g.ctx)
		stopping := g.ctx.Err() != nil
		switch {
		case stopping && (err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
			return
		case err == nil:
			err = ErrEnded
		}
		g.fail(fmt.Errorf("%s: %w", name, err))
		g.cancel()
	}()
}

// OnStop registers how to give back something just acquired. Teardowns run after all parts have ended, last registered
// first, each with what is left of the deadline.
func (g *Group) OnStop(name string, stop func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.teardown = append(g.teardown, teardown{name, stop})
}

// Wait blocks until the group's context ends or a part fails, stops everything and returns what went wrong, nil for a
// clean stop.
func (g *Group) Wait() error {
	<-g.ctx.Done()
	return g.Stop()
}

// Stop stops everything now and returns what went wrong. It may be called any number of times, also for a start-up that
// failed half-way; all calls return the same.
func (g *Group) Stop() error {
	g.once.Do(func() {
		g.cancel()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), g.grace)
		defer cancel()
		g.await(ctx)
		g.undo(ctx)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = errors.Join(g.failures...)
	})
	return g.err
}

func (g *Group) await(ctx context.Context) {
	g.mu.Lock()
	parts := slices.Clone(g.parts)
	g.mu.Unlock()
	for _, p := range parts {
		select {
		case <-p.done:
			continue
		default:
		}
		select {
		case <-p.done:
		case <-ctx.Done():
			g.fail(fmt.Errorf("%s: still running %s after it was asked to stop", p.name, g.grace))
		}
	}
}

func (g *Group) undo(ctx context.Context) {
	g.mu.Lock()
	stops := slices.Clone(g.teardown)
	g.mu.Unlock()
	for _, t := range slices.Backward(stops) {
		if err := t.stop(ctx); err != nil {
			g.fail(fmt.Errorf("stop %s: %w", t.name, err))
		}
	}
}

func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures = append(g.failures, err)
}
