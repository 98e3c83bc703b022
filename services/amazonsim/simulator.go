package amazonsim

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim/internal/carrier"
	"github.com/fertig-project/fertig/services/amazonsim/internal/token"
)

// The operations, as quotas, faults and the record name them. OpToken is Login with Amazon's.
const (
	OpConfirmShipment = "confirmShipment"
	OpGetOrder        = "getOrder"
	OpSearchOrders    = "searchOrders"
	OpToken           = "token"
)

// Options are what New needs. The zero value is usable.
type Options struct {
	Scenario Scenario
	Seed     uint64           // of request ids, tokens and shares of faults
	Now      func() time.Time // time.Now unless given; waiting is done with timers
	Logger   *slog.Logger     // one debug line a call; none unless given
	// OnCall is told of every recorded call after it was processed and before it is answered, by the
	// goroutine that serves it: a test's signal that something happened. It may call the simulator.
	OnCall func(Call)
}

// Simulator is Amazon's side. It is an http.Handler, safe for concurrent use, and starts no goroutine.
type Simulator struct {
	now    func() time.Time
	logger *slog.Logger
	seed   uint64
	mint   *token.Mint
	onCall func(Call)
	mux    http.Handler

	mu    sync.Mutex // guards all below; held for the decision on a call, never while waiting
	moved time.Duration
	ids   uint64 // request ids given
	world *world
}

// world is everything that a reset forgets.
type world struct {
	set      Scenario
	words    wordings
	carriers *carrier.Book
	blocked  map[string]bool
	accounts []Account
	orders   map[string]*orderState
	sequence []string          // order ids, in the order of loading
	tracking map[string]string // seller, carrier and tracking number to order id
	quotas   *quotas
	faults   *faults
	tries    map[target]int // requests about no order here, by their target without a try
	sandbox  sandbox
	record   record
	counts   Counts
	listings []listing // searches with more pages, the newest last
	listed   uint64    // how many were ever kept
}

// Counts are totals since the start or the last reset.
type Counts struct {
	Orders        int `json:"orders"`
	Calls         int `json:"calls"`
	Packages      int `json:"packages"` // made by confirmShipment
	Edits         int `json:"edits"`    // of packages, by confirmShipment
	TokensGranted int `json:"tokensGranted"`
	TokensRefused int `json:"tokensRefused"`
}

// New returns a simulator in the state that the scenario describes.
func New(o Options) (*Simulator, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.OnCall == nil {
		o.OnCall = func(Call) {}
	}
	s := &Simulator{now: o.Now, logger: o.Logger, seed: o.Seed, mint: token.NewMint(o.Seed), onCall: o.OnCall}
	if err := s.load(o.Scenario); err != nil {
		return nil, fmt.Errorf("start simulator: %w", err)
	}
	s.mux = s.routes()
	return s, nil
}

// ServeHTTP answers Login with Amazon, the Selling Partner API, /healthz and, to this machine, /admin/.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Reset returns to the scenario: orders, quotas, faults and record. Access tokens stay valid.
func (s *Simulator) Reset() error {
	s.mu.Lock()
	set := s.world.set
	s.mu.Unlock()
	if err := s.load(set); err != nil {
		return fmt.Errorf("reset simulator: %w", err)
	}
	return nil
}

// load builds a world and takes it into use once it is complete.
func (s *Simulator) load(set Scenario) error {
	set = set.withDefaults()
	if err := set.validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock()
	w := &world{
		set:      set,
		words:    newWordings(set.Texts),
		carriers: carrier.New(set.Carriers),
		blocked:  map[string]bool{},
		orders:   map[string]*orderState{},
		tracking: map[string]string{},
		quotas:   newQuotas(),
		faults:   &faults{seed: s.seed},
		tries:    map[target]int{},
		record:   record{limit: set.RecordLimit},
	}
	for _, number := range set.BlockedTracking {
		w.blocked[number] = true
	}
	if err := w.addAccounts(set.Accounts); err != nil {
		return err
	}
	if err := w.play(set.Sandbox, now); err != nil {
		return err
	}
	for _, q := range set.Quotas {
		if err := w.quotas.set(q, now); err != nil {
			return err
		}
	}
	if err := w.addOrders(set.Orders, now); err != nil {
		return err
	}
	for _, g := range set.Generate {
		if err := w.generate(g, now); err != nil {
			return err
		}
	}
	for _, f := range set.Faults {
		if err := w.faults.add(f, now); err != nil {
			return err
		}
	}
	s.world = w
	return nil
}

// clock is the simulator's time; s.mu must be held.
func (s *Simulator) clock() time.Time { return s.now().Add(s.moved) }

// Advance moves the simulator's clock forward: tokens expire, buckets refill, orders become overdue.
func (s *Simulator) Advance(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("advance clock by %v: it only moves forward", d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved += d
	return nil
}

// Time is the simulator's time.
func (s *Simulator) Time() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clock()
}

// AddAccounts authorises more applications. An account with a known refresh token replaces it.
func (s *Simulator) AddAccounts(accounts ...Account) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.addAccounts(accounts)
}

// AddOrders loads orders, all or none. An order whose id is known replaces it with all its packages.
func (s *Simulator) AddOrders(orders ...Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.addOrders(orders, s.clock())
}

// GenerateOrders loads made-up orders and is quicker to write than AddOrders.
func (s *Simulator) GenerateOrders(g Generate) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.generate(g, s.clock())
}

// Inject puts faults in force, in this order, after those in force already.
func (s *Simulator) Inject(injected ...Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range injected {
		if err := s.world.faults.add(f, s.clock()); err != nil {
			return err
		}
	}
	return nil
}

// ClearFaults ends the faults with the given ids, or all when none is given.
func (s *Simulator) ClearFaults(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	live := &s.world.faults.live
	*live = slices.DeleteFunc(*live, func(f *Fault) bool { return len(ids) == 0 || slices.Contains(ids, f.ID) })
}

// Faults returns the faults in force with how often each has struck.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make([]Fault, 0, len(s.world.faults.live))
	for _, f := range s.world.faults.live {
		found = append(found, *f)
	}
	return found
}

// SetQuota changes a usage plan at once. Buckets keep the tokens they have, as far as the burst holds them.
func (s *Simulator) SetQuota(q Quota) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.quotas.set(q, s.clock())
}

// Record returns all calls that are kept, oldest first.
func (s *Simulator) Record() []Call { return s.RecordAfter(0, 0) }

// RecordAfter returns at most limit calls with a sequence number above seq; 0 means no limit.
func (s *Simulator) RecordAfter(seq uint64, limit int) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.record.after(seq, limit)
}

// Counts returns the totals.
func (s *Simulator) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.world.counts
	c.Orders = len(s.world.orders)
	return c
}

// Order returns an order as it is, whatever getOrder shows yet.
func (s *Simulator) Order(id string) (Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.world.orders[id]
	if !ok {
		return Order{}, false
	}
	s.world.settle(o, s.clock())
	return o.Order, true
}

// Orders returns all orders in the order of loading.
func (s *Simulator) Orders() []Order { return s.ordersFrom(0, 0) }

func (s *Simulator) ordersFrom(offset, limit int) []Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.world.sequence[min(max(offset, 0), len(s.world.sequence)):]
	if limit > 0 && len(ids) > limit {
		ids = ids[:limit]
	}
	now, found := s.clock(), make([]Order, 0, len(ids))
	for _, id := range ids {
		o := s.world.orders[id]
		s.world.settle(o, now)
		found = append(found, o.Order)
	}
	return found
}
