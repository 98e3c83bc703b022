package connect

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/stream"
)

// How far this machine's clock may differ from NATS's. Beyond the first, runs begin noticeably early or late; beyond the
// second, reports would be taken for ones of the future, doubts be asked about too early, and shipments expire wrongly.
const (
	skewWarn   = 5 * time.Second
	skewRefuse = 5 * time.Minute
)

// clock compares this machine's clock with that of NATS. Without an answer nothing is known and nothing is said: whoever needs
// NATS will say so.
func clock(ctx context.Context, js jetstream.JetStream, log *slog.Logger, now func() time.Time) error {
	skew, err := stream.Skew(ctx, js, now)
	switch {
	case err != nil || skew.Abs() < skewWarn:
		return nil
	case skew.Abs() < skewRefuse:
		log.Warn("this machine's clock is " + off(skew) + " that of NATS: let both follow the same time servers")
		return nil
	}
	return fault.New(fault.Invalid, "this machine's clock is %s that of NATS: set both right (timedatectl, chronyc makestep) and start again", off(skew))
}

func off(skew time.Duration) string {
	if skew < 0 {
		return (-skew).Round(time.Second).String() + " behind"
	}
	return skew.Round(time.Second).String() + " ahead of"
}
