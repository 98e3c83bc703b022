package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/shared/fault"
)

// Fleet is one process's place among replicas that share work by name. Each name is worked on by one member at a time. A
// member proves that it lives with one lease of its own, however much it holds: what it holds carries that lease's id and
// is free when the lease is given back or ends. The members reckon from the same bucket who is to hold what, as even as
// can be; that they may see it at different times costs a lost race, never a name held twice.
//
// Lifecycle of a name at a member: taken (compare-and-set on its key) -> Do runs -> Do's context ends, because the name
// is handed over, is not wanted any more, was lost, or the member leaves -> Do returns -> given back.
type Fleet struct {
	leases *Leases
	group  string
}

// NewFleet makes a member of the group of processes of one kind. Run joins it.
func NewFleet(l *Leases, group string) *Fleet { return &Fleet{leases: l, group: group} }

// Work is what a fleet shares.
type Work struct {
	Names   func() []string // what is to be worked on; asked often
	Changed <-chan struct{} // tells that Names may have changed; nil: it is looked at a few times a TTL
	// Do works on a name until its context ends. It is called in a goroutine of its own and may be called again later.
	Do func(ctx context.Context, name string, h *Holding)
	// Busy reports that a name is in the middle of something. It is handed over later than others.
	Busy func(name string) bool
}

// Holding is the right to work on one name. It is safe for concurrent use.
type Holding struct {
	name    string
	session *Lease
	token   uint64
	over    atomic.Bool
	cancel  context.CancelCauseFunc

	ending bool // its context has ended; this and the next belong to the member's loop
	done   bool // its work has ended
}

// Token is the fencing token of this holding: a later holder's is larger.
func (h *Holding) Token() uint64 { return h.token }

// Remaining is how much longer the right is surely held; zero or less means it may be somebody else's.
func (h *Holding) Remaining() time.Duration {
	if h.over.Load() {
		return 0
	}
	return h.session.Remaining()
}

// Why a holding ends.
var (
	errHandedOver = errors.New("handed over to another replica")
	errUnwanted   = errors.New("not wanted any more")
	errTaken      = errors.New("somebody else has it")
	errLeaving    = errors.New("the process is ending")
	errDark       = fault.New(fault.Unavailable, "the lease bucket cannot be watched")
)

// Paces of a fleet.
const (
	atOnce     = 16              // keys written at the same time
	leaveMark  = 2 * time.Minute // how long a leaving member is known as such; longer than any stop takes
	freeWithin = 5 * time.Second // for giving back one key
	freePause  = 200 * time.Millisecond
)

func (f *Fleet) presence(id string) string { return "replica." + f.group + "." + id }
func (f *Fleet) leaving(id string) string  { return "leaving." + f.group + "." + id }

// Run takes part until ctx ends, and then gives everything back: nil. It fails when the member's own lease is lost or the
// bucket cannot be read; then nothing is worked on any more, and the caller joins anew.
func (f *Fleet) Run(ctx context.Context, w Work) error {
	id := uuid.NewString()
	session := &Lease{leases: f.leases, name: f.presence(id), value: []byte(f.leases.me + "\n" + id)}
	if err := f.leases.try(ctx, session); err != nil {
		return fmt.Errorf("join the replicas: %w", err)
	}
	// The lease is kept until all work has ended, however ctx ends: work under way still needs it.
	keep, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan error, 1)
	go func() { kept <- session.Keep(keep) }()

	m := newMember(f, w, id, session)
	err := m.run(ctx, kept)
	m.leave(context.WithoutCancel(ctx), err != nil)
	stopKeeping()
	<-kept
	release, done := context.WithTimeout(context.WithoutCancel(ctx), freeWithin)
	defer done()
	if rerr := session.Release(release); rerr != nil && err == nil && ctx.Err() == nil {
		err = rerr
	}
	if ctx.Err() != nil {
		return nil // what was not given back ends with the lease
	}
	return err
}

// member is the loop's state. All fields belong to the loop; goroutines of takes and works only send on its channels.
type member struct {
	*Fleet
	work    Work
	id      string
	session *Lease

	seen    *sight
	mine    map[string]*Holding
	taking  map[string]bool
	waiting map[string]time.Time // free names -> since when
	heavy   time.Time            // since when we hold more than our share; zero: we do not

	took  chan taken
	ended chan *Holding
	freed chan taken
	asked chan verified
	slots chan struct{}
	hurry chan struct{} // closed when the member leaves: nothing is tried a second time any more
	wg    sync.WaitGroup
	works context.Context
	stop  context.CancelFunc
}

type taken struct {
	name string
	rev  uint64 // 0: not known
}

func newMember(f *Fleet, w Work, id string, session *Lease) *member {
	m := &member{Fleet: f, work: w, id: id, session: session, mine: map[string]*Holding{}, taking: map[string]bool{}, waiting: map[string]time.Time{},
		took: make(chan taken), ended: make(chan *Holding), freed: make(chan taken), asked: make(chan verified), slots: make(chan struct{}, atOnce), hurry: make(chan struct{})}
	m.works, m.stop = context.WithCancel(context.Background()) // ended by leave, so that nobody is left waiting on a channel
	return m
}

// start begins to work on a name that is ours.
func (m *member) start(name string, token uint64) {
	ctx, cancel := context.WithCancelCause(context.Background()) // ended by the loop or by leave
	h := &Holding{name: name, session: m.session, token: token, cancel: cancel}
	m.mine[name] = h
	m.wg.Go(func() {
		defer cancel(nil)
		m.work.Do(ctx, name, h)
		h.over.Store(true)
		select {
		case m.ended <- h:
		case <-m.works.Done():
		}
	})
}

// end lets a work come to its end.
func (m *member) end(h *Holding, why error) {
	if !h.ending {
		h.ending = true
		h.cancel(why)
	}
}

// take writes our id on a free name's key, if nobody else was faster. What came of a write without an answer is seen in
// the bucket later.
func (m *member) take(name string, expected uint64) {
	m.taking[name] = true
	m.background(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		rev, err := m.leases.write(ctx, name, m.session.value, expected)
		if err != nil {
			rev = 0
		}
		m.tell(m.took, taken{name, rev})
	})
}

// giveBack frees a name whose work has ended. It is repeated until it is known that the name is not ours any more: while
// that is open, what the bucket showed last is that it is, and it must not be taken for a name of ours to work on.
func (m *member) giveBack(h *Holding) {
	m.background(func(ctx context.Context) {
		for {
			rev, free := m.free(ctx, h)
			if free {
				m.tell(m.freed, taken{h.name, rev})
				return
			}
			select {
			case <-m.hurry:
				m.tell(m.freed, taken{h.name, 0})
				return
			case <-ctx.Done():
				return
			case <-time.After(freePause):
			}
		}
	})
}

// free erases our id from a name's key, and says at which revision it is not there any more; false when that is not known.
func (m *member) free(ctx context.Context, h *Holding) (rev uint64, free bool) {
	ctx, cancel := context.WithTimeout(ctx, freeWithin)
	defer cancel()
	if rev, err := m.leases.erase(ctx, h.name, h.token); err == nil {
		return rev, true
	}
	rev, _, err := m.leases.read(ctx, h.name)
	return rev, err == nil && rev != h.token
}

func (m *member) tell(to chan<- taken, t taken) {
	select {
	case to <- t:
	case <-m.works.Done():
	}
}

// background runs a write beside the loop, a bounded number at once.
func (m *member) background(do func(context.Context)) {
	m.wg.Go(func() {
		select {
		case m.slots <- struct{}{}:
			do(m.works)
			<-m.slots
		case <-m.works.Done():
		}
	})
}

// leave ends all work and gives back each name as its work ends; others know meanwhile that we take nothing more. When the
// lease is lost or the store does not answer, what is left is free with the lease's end.
func (m *member) leave(ctx context.Context, lost bool) {
	close(m.hurry)
	if !lost {
		mark, cancel := context.WithTimeout(ctx, storeTimeout)
		_, _ = m.leases.mark(mark, m.leaving(m.id), leaveMark) // without it the others wait a little longer
		cancel()
	}
	working, giving := 0, 0
	for _, h := range m.mine {
		if h.done {
			giving++
			continue
		}
		working++
		h.over.CompareAndSwap(false, lost)
		m.end(h, errLeaving)
	}
	for working > 0 || (giving > 0 || len(m.taking) > 0) && !lost {
		select {
		case h := <-m.ended:
			if working--; !lost {
				giving++
				m.giveBack(h)
			}
		case t := <-m.freed:
			giving--
			lost = lost || t.rev == 0
		case t := <-m.took:
			delete(m.taking, t.name)
		case <-m.asked:
		}
	}
	m.stop()
	m.wg.Wait()
}
