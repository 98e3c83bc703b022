package notify

import (
	"context"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/settings"
)

// warnAt are the days before the end of an authorisation or a secret on which a message is raised anew.
var warnAt = [...]int{1, 3, 7, 14, 30}

// accessEvery is how often the ends of accesses are looked at.
const accessEvery = time.Hour

// access keeps one message per connection about what of its access ends next. A day that was changed clears it.
func (n *Notifier) access(ctx context.Context) error {
	open, err := n.cfg.Book.Open(ctx)
	if err != nil {
		return err
	}
	now := n.cfg.Now()
	for _, c := range n.cfg.Settings().Connections {
		var mine []message.Message
		for _, m := range open {
			if m.Kind == message.AccessEnds && m.Connection == c.ID {
				mine = append(mine, m)
			}
		}
		m, due := ending(c, now)
		var others []message.Message
		for _, old := range mine {
			if !due || old.ID != m.ID {
				others = append(others, old)
			}
		}
		if due && len(others) == len(mine) {
			if _, err := n.cfg.Book.Raise(ctx, m); err != nil {
				return err
			}
		}
		if err := n.clear(ctx, others, "the day has changed, or a newer message says so"); err != nil {
			return err
		}
	}
	return nil
}

// ending is the message that is due about a connection's access.
func ending(c settings.Connection, now time.Time) (message.Message, bool) {
	for _, e := range c.Endings() {
		left := e.DaysLeft(now)
		for _, days := range warnAt {
			if left <= days {
				return message.Message{ID: fmt.Sprintf("%s.%s.%s.%s.%d", message.AccessEnds, c.ID, e.What, e.On.Format(time.DateOnly), days), Kind: message.AccessEnds,
					Connection: c.ID, At: now.UTC(), Count: max(left, 0), Detail: e.What + " " + e.On.Format(time.DateOnly)}, true
			}
		}
	}
	return message.Message{}, false
}
