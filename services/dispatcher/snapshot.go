package dispatcher

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// snapshotFile keeps a snapshot of the view in a file, which only one process may write.
type snapshotFile string

func (f snapshotFile) Open() (io.ReadCloser, error) { return os.Open(string(f)) }

// Write fills a file beside and moves it over the one before, so that there is never half a snapshot.
func (f snapshotFile) Write(fill func(io.Writer) error) error {
	next := string(f) + ".new"
	w, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write snapshot of the view: %w", err)
	}
	if err := fill(w); err != nil {
		return errors.Join(err, w.Close(), os.Remove(next))
	}
	if err := errors.Join(w.Sync(), w.Close()); err != nil {
		return fmt.Errorf("write snapshot of the view: %w", err)
	}
	if err := os.Rename(next, string(f)); err != nil {
		return fmt.Errorf("write snapshot of the view: %w", err)
	}
	return nil
}
