// Package unshipped is the orders that Amazon waits for, nearest ship-by first, as of the last comparison with Amazon. It owns an
// index in memory, filled from what is known of orders and kept up to date while it runs. It knows nothing of what was
// reported here, and it is knowledge, not truth: an order may have been shipped or cancelled since.
package unshipped

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Source tells what is known of orders and of sweeps, and then the news, until ctx ends.
type Source interface {
	Follow(ctx context.Context, c shipment.ConnectionID, hear func(orders.Order)) error
	FollowSweeps(ctx context.Context, hear func(orders.Sweep)) error
}

// Orders is the index. It is safe for concurrent use.
type Orders struct {
	mu     sync.Mutex
	open   map[key]orders.Order
	sorted []orders.Order // of open; nil when that has changed
	sweeps map[shipment.ConnectionID]orders.Sweep
}

type key struct {
	connection shipment.ConnectionID
	order      string
}

// New returns an empty index.
func New() *Orders {
	return &Orders{open: map[key]orders.Order{}, sweeps: map[shipment.ConnectionID]orders.Sweep{}}
}

// Run keeps the index up to date until ctx ends; nil then.
func (x *Orders) Run(ctx context.Context, src Source) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	swept := make(chan error, 1)
	go func() {
		defer cancel() // neither is of use without the other
		swept <- src.FollowSweeps(ctx, x.Swept)
	}()
	err := src.Follow(ctx, "", x.Put)
	cancel()
	return errors.Join(err, <-swept)
}

// Put takes news of an order.
func (x *Orders) Put(o orders.Order) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := key{o.Connection, o.ID}
	if _, was := x.open[k]; !was && !o.Status.Open() {
		return
	}
	if x.sorted = nil; o.Status.Open() {
		x.open[k] = o
	} else {
		delete(x.open, k)
	}
}

// Swept takes news of a sweep. One under way does not replace the last that was finished.
func (x *Orders) Swept(s orders.Sweep) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if old, ok := x.sweeps[s.Connection]; !ok || s.Finished || !old.Finished {
		x.sweeps[s.Connection] = s
	}
}

// Sweeps are the last sweeps by connection.
func (x *Orders) Sweeps() map[shipment.ConnectionID]orders.Sweep {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.sweeps)
}

// Each calls visit with the open orders behind a place, nearest ship-by first and those without one last, until it returns
// false. A place is text that an earlier call has given; "" is the beginning. It fails with a fault.Invalid error when the
// place makes no sense.
func (x *Orders) Each(after string, visit func(o orders.Order, at string) bool) error {
	list := x.list()
	from := 0
	if after != "" {
		mark, err := read(after)
		if err != nil {
			return err
		}
		from, _ = slices.BinarySearchFunc(list, mark, compare)
		if from < len(list) && compare(list[from], mark) == 0 {
			from++
		}
	}
	for _, o := range list[from:] {
		if !visit(o, placeOf(o)) {
			break
		}
	}
	return nil
}

// list returns the orders in order; it must not be changed.
func (x *Orders) list() []orders.Order {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.sorted == nil {
		x.sorted = slices.SortedFunc(maps.Values(x.open), compare)
	}
	return x.sorted
}

func compare(a, b orders.Order) int {
	if a.ShipBy.IsZero() != b.ShipBy.IsZero() {
		if a.ShipBy.IsZero() {
			return 1
		}
		return -1
	}
	return cmp.Or(a.ShipBy.Compare(b.ShipBy), cmp.Compare(a.Connection, b.Connection), cmp.Compare(a.ID, b.ID))
}

func placeOf(o orders.Order) string {
	by := ""
	if !o.ShipBy.IsZero() {
		by = o.ShipBy.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s~%s~%s", by, o.Connection, o.ID)
}

func read(place string) (o orders.Order, err error) {
	part := strings.Split(place, "~")
	if len(part) == 3 {
		o.Connection, o.ID = shipment.ConnectionID(part[1]), part[2]
		if part[0] == "" {
			return o, nil
		}
		if o.ShipBy, err = time.Parse(time.RFC3339Nano, part[0]); err == nil {
			return o, nil
		}
	}
	return o, fault.Field("after", "%q is not a place that a list has given: begin at the first page", place)
}
