package carrierimport

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport/internal/folder"
)

// lastRetry bounds the back-off of files that could not be finished; the first retry comes after one look's pause.
const lastRetry = time.Minute

// watcher works one folder.
type watcher struct {
	*Service
	imp     Import
	log     *slog.Logger
	trouble string // the last thing logged, so that it is said once and not at every look

	looks int
}

// run works until ctx ends.
func (w *watcher) run(ctx context.Context) error {
	f, err := folder.Open(w.imp.Folder, time.Duration(w.imp.Settle))
	if err != nil {
		return err
	}
	defer func() {
		if err := f.Close(); err != nil {
			w.log.Warn("folder is not left cleanly", "error", err)
		}
	}()
	for wait := w.cfg.Poll; ; {
		err := w.pass(ctx, f)
		if ctx.Err() != nil {
			return nil
		}
		if wait = min(2*wait, max(lastRetry, w.cfg.Poll)); err == nil {
			wait = w.cfg.Poll
		}
		w.tell(err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

func (w *watcher) tell(err error) {
	switch {
	case err == nil && w.trouble != "":
		w.trouble = ""
		w.log.Info("files are taken again")
	case err != nil && err.Error() != w.trouble:
		w.trouble = err.Error()
		w.log.Warn("files wait and are tried again", "error", err)
	}
}

// pass claims what is ready and finishes what is claimed. One file in trouble does not hold up the others.
func (w *watcher) pass(ctx context.Context, f *folder.Folder) error {
	if _, _, ok := w.settings.Current().Account(w.imp.Account); !ok {
		return errors.New("the account is not configured: files stay where they are until it is")
	}
	errs := []error{f.Claim(w.cfg.Now())}
	files, err := f.Claims()
	errs = append(errs, err)
	for _, c := range files {
		if ctx.Err() != nil {
			break
		}
		errs = append(errs, w.finish(ctx, f, c))
	}
	if w.looks++; w.looks%againEvery == 0 {
		errs = append(errs, w.again(ctx))
	}
	return errors.Join(errs...)
}

func (w *watcher) finish(ctx context.Context, f *folder.Folder, c folder.Claimed) error {
	report, err := w.report(ctx, f, c)
	if err != nil {
		return err
	}
	if changed, err := f.Changed(c); changed || err != nil {
		return err // the next look takes it as it is then
	}
	if err := f.Finish(c, kept(report)); err != nil {
		return err
	}
	w.log.Info("file", "name", c.Name, "hash", report.Hash, "rows", len(report.Rows), "outcomes", report.Counts, "refused", report.Refused)
	return nil
}

func (w *watcher) report(ctx context.Context, f *folder.Folder, c folder.Claimed) (Report, error) {
	if c.Size > MaxBytes {
		return w.tooLarge(ctx, w.imp, c)
	}
	content, err := f.Read(c)
	if err != nil {
		return Report{}, err
	}
	return w.take(ctx, w.imp, folder.Clean(c.Name), content, false)
}
