package carrierimport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport/internal/folder"
	"github.com/fertig-project/fertig/services/carrierimport/internal/orderlist"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
)

// finder translates own numbers: by the account's order list, and where that has none by what is known of orders.
type finder struct {
	ctx        context.Context // of the file under way
	list       *orderlist.List
	book       *orders.Book
	connection shipment.ConnectionID
}

// Find is intake.Orders'. What cannot be looked up now waits, and is looked up again.
func (f finder) Find(own string) (id, why string) {
	if f.list != nil {
		if id, why = f.list.Find(own); id != "" || f.list.Ambiguous(own) {
			return id, why
		}
	}
	found, err := f.book.Find(f.ctx, f.connection, own)
	switch ids := found[own]; {
	case err != nil:
		return "", fmt.Sprintf("own number %q could not be looked up", own)
	case len(ids) == 1:
		return ids[0], ""
	case len(ids) > 1:
		return "", fmt.Sprintf("own number %q stands for several Amazon orders", own)
	case why == "":
		why = fmt.Sprintf("own number %q belongs to no order that is known yet", own)
	}
	return "", why
}

const (
	againEvery = 12                  // looks at the folder, between two tries to match what waits
	mostAgain  = 100                 // files tried at a time
	waitsFor   = 30 * 24 * time.Hour // then the rows are left to people
)

// again takes files anew whose rows wait for an order. Rows that were taken before are known by their events' ids.
func (w *watcher) again(ctx context.Context) error {
	files, err := folder.ListWaiting(w.imp.Folder, mostAgain)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		errs = append(errs, w.retake(ctx, f))
	}
	return errors.Join(errs...)
}

func (w *watcher) retake(ctx context.Context, f folder.Waiting) error {
	if w.cfg.Now().Sub(f.Since) > waitsFor {
		return folder.Forget(w.imp.Folder, f)
	}
	content, err := f.Read()
	if err != nil {
		return err
	}
	report, err := w.take(ctx, w.imp, f.Name, content, true)
	if err != nil || report.Waits() == f.Rows {
		return err
	}
	if err := folder.Redo(w.imp.Folder, f, kept(report)); err != nil {
		return err
	}
	w.log.Info("rows that waited", "name", f.Name, "hash", report.Hash, "still", report.Waits(), "outcomes", report.Counts)
	return nil
}
