package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// inputKept is how long a message about unusable input stays: what it counts is repaired at its source, which nobody here
// can see.
const inputKept = 7 * 24 * time.Hour

// importDoor is the door carrier files come through.
const importDoor = "import"

// inputs is what was heard of unusable input, added up to the messages it makes: reports that differ per account and
// day, rows per file. Reading the stream again adds up to the same.
type inputs map[string]message.Message

// add counts one record in; those that make no message are passed over.
func (in inputs) add(r door.Rejected, set settings.Set) {
	m := message.Message{Account: shipment.AccountID(r.Account), At: r.At}
	if c, _, ok := set.Account(m.Account); ok {
		m.Connection = c.ID
	} else {
		m.Account = "" // names nobody's account; everybody may know
	}
	switch {
	case r.Reason == door.Differs:
		m.Kind = message.Differs
		m.ID = fmt.Sprintf("%s.%s.%s", m.Kind, named(m.Account), r.At.UTC().Format("20060102"))
	case r.Source == importDoor && r.Reason == door.Refused:
		m.Kind, m.Detail = message.ImportRows, r.File
		sum := sha256.Sum256([]byte(r.Original + "\n" + r.File))
		m.ID = fmt.Sprintf("%s.%s.%s", m.Kind, named(m.Account), hex.EncodeToString(sum[:8]))
	default:
		return
	}
	if known, ok := in[m.ID]; ok {
		m = known
	}
	m.Count++
	in[m.ID] = m
}

func named(a shipment.AccountID) string {
	if a == "" {
		return "none"
	}
	return string(a)
}

// unusable raises what was heard, corrects counts that have grown, and clears what is old.
func (n *Notifier) unusable(ctx context.Context, heard inputs) error {
	open, err := n.cfg.Book.Open(ctx)
	if err != nil {
		return err
	}
	left := maps.Clone(heard)
	for _, m := range open {
		if m.Kind != message.Differs && m.Kind != message.ImportRows {
			continue
		}
		now, ok := left[m.ID]
		delete(left, m.ID)
		switch {
		case n.cfg.Now().Sub(m.At) > inputKept:
			err = n.clear(ctx, []message.Message{m}, "older than seven days")
		case ok && now.Count > m.Count:
			_, err = n.cfg.Book.Recount(ctx, m, now.Count)
		}
		if err != nil {
			return err
		}
	}
	for _, m := range left {
		if n.cfg.Now().Sub(m.At) > inputKept {
			continue
		}
		if _, err := n.cfg.Book.Raise(ctx, m); err != nil {
			return err
		}
	}
	return nil
}
