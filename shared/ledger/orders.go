package ledger

import (
	"context"
	"errors"

	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// Orders reads the newest entries of all packages of the orders that keys name; what is unknown is absent. Like LastMany it
// may be a moment behind.
func (l *Ledger) Orders(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error) {
	const page = 500
	asked := make(map[shipment.Key]struct{}, len(keys))
	subjects := make([]string, 0, len(keys))
	for _, k := range keys {
		k.Package = ""
		if _, twice := asked[k]; !twice {
			asked[k] = struct{}{}
			subjects = append(subjects, stream.LedgerOfOrder(k))
		}
	}
	out := map[shipment.Key]shipment.Entry{}
	for len(subjects) > 0 {
		n := min(page, len(subjects))
		if err := l.ordersOf(ctx, subjects[:n], out); err != nil {
			return nil, err
		}
		subjects = subjects[n:]
	}
	return out, nil
}

// ordersOf asks again for half as many where the answer would be too long: the server tells of about a thousand packages
// at once.
func (l *Ledger) ordersOf(ctx context.Context, subjects []string, out map[shipment.Key]shipment.Entry) error {
	err := l.lastOf(ctx, subjects, out)
	if n := len(subjects); n > 1 && errors.Is(err, jetstreamext.ErrBatchUnsupported) {
		return errors.Join(l.ordersOf(ctx, subjects[:n/2], out), l.ordersOf(ctx, subjects[n/2:], out))
	}
	return err
}
