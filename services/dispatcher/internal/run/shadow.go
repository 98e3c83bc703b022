package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"

	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/shipment"
)

// leftShadow is why what shadow mode would have sent was not.
const leftShadow = "shadow"

// shadow does everything but the sending: the request goes into the shipment's history, once for each that differs from the
// one before, and the shipment stays where it is.
func (x *execution) shadow(ctx context.Context, c candidate) error {
	sum := sha256.Sum256(c.body)
	hash := hex.EncodeToString(sum[:])
	if c.Shipment.Shadow == hash {
		x.leave(leftShadow)
		return nil
	}
	ev := shipment.Event{ID: newID(), Type: shipment.Noted, At: x.w.Now(), Actor: x.w.Actor, Run: c.run, Shadow: hash,
		Comment: "shadow mode, not sent: " + string(c.body)}
	_, err := x.w.Ledger.Step(ctx, shipment.Entry{Seq: c.Seq, After: c.Shipment}, ev)
	var lost *ledger.LostRace
	switch {
	case errors.As(err, &lost):
		return x.overtaken(ctx, c, lost.Current)
	case err != nil:
		return err
	}
	x.leave(leftShadow)
	x.past.seen[c.Shipment.Key] = struct{}{}
	return nil
}
