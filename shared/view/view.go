// Package view is the image of the ledger in Redis: what runs plan from and what the console shows. It owns every key
// under "fertig:{view}:", guarantees that data, counters and cursor change in one transaction, so that the image always
// equals the ledger folded up to its cursor, and can be thrown away and rebuilt at any moment. It decides nothing: a
// decision is a compare-and-set on the ledger with the sequence the view shows, and a stale view merely loses that race.
//
// Only the projector writes (Apply, Rebuild, Sweep); any number of processes read. Only commands that Redis 6.2 and
// miniredis both know are used, and no key ever expires by itself.
package view

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// DefaultRetention is how long a final shipment stays in the view.
const DefaultRetention = 30 * 24 * time.Hour

// ErrMoved is the error of a write whose starting point is not where the image stands: Redis was wiped or rolled back,
// or another projector was here. The projector asks Position and goes on from there if the epoch is the ledger's,
// otherwise it rebuilds.
var ErrMoved = errors.New("the view is not where the projector left it")

// Options of a view.
type Options struct {
	Retention time.Duration // how long a final shipment stays; 0 means DefaultRetention
}

// View reads and writes the image. It is safe for concurrent use.
type View struct {
	client    redis.UniversalClient
	retention time.Duration
}

// New makes a view on a client, which the caller opens and closes.
func New(client redis.UniversalClient, o Options) *View {
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	return &View{client: client, retention: o.Retention}
}

// Item is a shipment as the view shows it. Seq is the ledger sequence it stands at, the expected sequence of the next
// append. The recorded request body is left out (Attempt.Body is empty): who needs it reads the ledger.
type Item struct {
	Seq      uint64
	Shipment shipment.Shipment
}

// Cursor says how far the image is: everything up to Seq of the ledger with this epoch is in it. The zero Cursor means
// that there is no image.
type Cursor struct {
	Epoch  string
	Seq    uint64
	Prefix string // names the image; another rebuild makes another one
}

// IsZero reports whether there is no image.
func (c Cursor) IsZero() bool { return c == Cursor{} }

// Position reads the cursor. An image made by another version of this package counts as none.
func (v *View) Position(ctx context.Context) (Cursor, error) {
	c, err := position(ctx, v.client)
	if err != nil {
		return c, unavailable(err, "read the view's position")
	}
	return c, nil
}

func position(ctx context.Context, c redis.Cmdable) (Cursor, error) {
	cmd := askPosition(ctx, c)
	return toCursor(cmd.Val()), cmd.Err()
}

func askPosition(ctx context.Context, c redis.Cmdable) *redis.SliceCmd {
	return c.HMGet(ctx, cursorKey, "layout", "epoch", "seq", "image")
}

func toCursor(f []any) Cursor {
	if len(f) != 4 {
		return Cursor{}
	}
	text := func(i int) string { s, _ := f[i].(string); return s }
	seq, err := strconv.ParseUint(text(2), 10, 64)
	if text(0) != layout || err != nil || text(3) == "" {
		return Cursor{}
	}
	return Cursor{Epoch: text(1), Seq: seq, Prefix: text(3)}
}

// Lag is how many ledger sequences the view is behind last, the ledger's newest one.
func (v *View) Lag(ctx context.Context, last uint64) (uint64, error) {
	c, err := v.Position(ctx)
	if err != nil || c.Seq >= last {
		return 0, err
	}
	return last - c.Seq, nil
}

// WaitFor returns when the view has passed the ledger sequence seq. Bound it with ctx: a sequence the projector never
// reaches is waited for that long. It then fails with a fault.Unavailable error that says where the view stands.
func (v *View) WaitFor(ctx context.Context, seq uint64) error {
	pause := time.Millisecond
	var at Cursor
	var last error
	for {
		c, err := v.Position(ctx)
		if err == nil && !c.IsZero() && c.Seq >= seq {
			return nil
		}
		if err == nil {
			at, last = c, nil
		} else if ctx.Err() == nil {
			last = err
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return fault.Wrap(fault.Unavailable, errors.Join(ctx.Err(), last), "wait for ledger entry %d in the view, which stands at %d", seq, at.Seq)
		}
		pause = min(2*pause, 50*time.Millisecond)
	}
}

// read runs f on the current image and again when a rebuild replaced the image meanwhile, because f may then have seen
// parts of the old one missing.
func (v *View) read(ctx context.Context, what string, f func(image) error) error {
	for range 5 {
		c, err := position(ctx, v.client)
		if err != nil {
			return unavailable(err, what)
		}
		if c.IsZero() {
			return fault.New(fault.Unavailable, "%s: the view is being built: try again in a minute", what)
		}
		ferr := f(image(c.Prefix))
		after, err := position(ctx, v.client)
		if err != nil {
			return unavailable(err, what)
		}
		if after.Prefix != c.Prefix {
			continue
		}
		if ferr != nil {
			return unavailable(ferr, what)
		}
		return nil
	}
	return fault.New(fault.Unavailable, "%s: the view is being rebuilt: try again in a minute", what)
}

// unavailable marks an error of Redis as such and leaves one that already has a kind alone.
func unavailable(err error, what string) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "%s", what)
}

// Check looks whether the server can hold a view. It fails when the server would drop keys for lack of memory, which
// would corrupt the image silently, or is too old; a server that does not tell (miniredis) passes.
func (v *View) Check(ctx context.Context) (warnings []string, err error) {
	if err := v.client.Ping(ctx).Err(); err != nil {
		return nil, unavailable(err, "reach Redis")
	}
	if major, minor, ok := version(v.info(ctx, "server")["redis_version"]); ok && (major < 6 || major == 6 && minor < 2) {
		return nil, fault.New(fault.Invalid, "Redis %d.%d is too old: use 6.2 or newer", major, minor)
	}
	mem := v.info(ctx, "memory")
	policy, limit := mem["maxmemory_policy"], mem["maxmemory"]
	switch {
	case policy == "" || policy == "noeviction":
	case limit == "" || limit == "0":
		warnings = append(warnings, fmt.Sprintf("redis: maxmemory-policy is %s: set noeviction before anyone sets maxmemory", policy))
	default:
		return nil, fault.Field("maxmemory-policy", "Redis drops keys when memory is short (%s), which would falsify the view: set noeviction", policy)
	}
	if v.info(ctx, "cluster")["cluster_enabled"] == "1" {
		warnings = append(warnings, "redis: this is a cluster; the view lives in one slot of it, use a single server or Sentinel")
	}
	return warnings, nil
}

// info reads a section of INFO; a server that does not know it gives an empty map.
func (v *View) info(ctx context.Context, section string) map[string]string {
	out := map[string]string{}
	text, err := v.client.Info(ctx, section).Result()
	if err != nil {
		return out
	}
	for line := range strings.Lines(text) {
		if k, val, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			out[k] = val
		}
	}
	return out
}

func version(s string) (major, minor int, ok bool) {
	p := strings.SplitN(s, ".", 3)
	if len(p) < 2 {
		return 0, 0, false
	}
	major, err1 := strconv.Atoi(p[0])
	minor, err2 := strconv.Atoi(p[1])
	return major, minor, err1 == nil && err2 == nil
}
