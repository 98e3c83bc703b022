package notify

import (
	"context"
	"fmt"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Findings counts the shipments of every account that somebody has to look at, by the message that speaks of them.
type Findings map[shipment.AccountID]map[message.Kind]int

// different keeps an account's messages about what differs between us and Amazon: they speak of what is still so.
func (n *Notifier) different(ctx context.Context, c settings.Connection, a settings.Account, open []message.Message, found map[message.Kind]int) error {
	for _, kind := range []message.Kind{message.NoEffect, message.StillOpen, message.EditRefused} {
		if err := n.standing(ctx, kind, c, a, of(open, kind, a.ID), found[kind]); err != nil {
			return err
		}
	}
	return nil
}

// standing keeps one message about a number of shipments. More of them than it speaks of make a new one.
func (n *Notifier) standing(ctx context.Context, kind message.Kind, c settings.Connection, a settings.Account, open []message.Message, count int) error {
	if count == 0 {
		return n.clear(ctx, open, "there are none any more")
	}
	if len(open) > 0 && open[0].Count >= count {
		return nil
	}
	at := n.cfg.Now().UTC()
	_, err := n.cfg.Book.Raise(ctx, message.Message{ID: fmt.Sprintf("%s.%s.%d", kind, a.ID, at.UnixMilli()), Kind: kind, Connection: c.ID, Account: a.ID, At: at, Count: count})
	if err != nil {
		return err
	}
	return n.clear(ctx, open, "there are more")
}

// swept raises a message for the parcels that a sweep found on their way although their orders are cancelled, one for each
// sweep, and clears it after some days: nobody here can see when they are back.
func (n *Notifier) swept(ctx context.Context, sweeps []orders.Sweep) error {
	for _, s := range sweeps {
		for a, found := range s.Found {
			count := found[shipment.OnItsWay] + found[shipment.CancelledThere]
			if count == 0 || !s.Finished || n.cfg.Now().Sub(s.At) > inputKept {
				continue
			}
			m := message.Message{ID: fmt.Sprintf("%s.%s.%d", message.OnItsWay, a, s.StartedAt.UnixMilli()), Kind: message.OnItsWay, Connection: s.Connection, Account: a, At: s.At, Count: count}
			if _, err := n.cfg.Book.Raise(ctx, m); err != nil {
				return err
			}
		}
	}
	open, err := n.cfg.Book.Open(ctx)
	if err != nil {
		return err
	}
	for _, m := range open {
		if m.Kind == message.OnItsWay && n.cfg.Now().Sub(m.At) > inputKept {
			if err := n.clear(ctx, []message.Message{m}, "older than seven days"); err != nil {
				return err
			}
		}
	}
	return nil
}
