package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// waiting holds a mark for every archived file that has rows which may be matched later. Its name is the file's, its
// content says where that lies.
const waiting = ".waiting"

// Waiting is an archived file with rows that wait.
type Waiting struct {
	Name  string    // as it was dropped, cleaned
	Since time.Time // the file's own time
	Rows  int       // that wait
	base  string
	home  string
}

// ListWaiting lists the files of a folder that have rows which wait, at most so many.
func ListWaiting(dir string, most int) ([]Waiting, error) {
	entries, err := os.ReadDir(filepath.Join(dir, waiting))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list files with waiting rows: %w", err)
	}
	var out []Waiting
	for _, e := range entries[:min(len(entries), most)] {
		text, err := os.ReadFile(filepath.Join(dir, waiting, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // another process has just settled it
		}
		if err != nil {
			return nil, fmt.Errorf("list files with waiting rows: %w", err)
		}
		rows, home, _ := strings.Cut(string(text), " ")
		parts := strings.SplitN(e.Name(), "_", 3)
		if len(parts) != 3 {
			continue
		}
		since, _ := time.Parse("20060102T150405Z", parts[0]) // one without a time is old
		n, _ := strconv.Atoi(rows)
		out = append(out, Waiting{Name: parts[2], Since: since, Rows: n, base: e.Name(), home: filepath.Join(dir, home)})
	}
	return out, nil
}

// Read returns the file's content.
func (w Waiting) Read() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(w.home, w.base))
	if err != nil {
		return nil, fmt.Errorf("read archived file: %w", err)
	}
	return b, nil
}

// Redo writes anew what became of an archived file, and forgets it when no row waits any more.
func Redo(dir string, w Waiting, o Outcome) error {
	return finishAt(dir, filepath.Join(dir, claims), w.base, w.home, o, func(string) error { return nil })
}

// Forget leaves a file's waiting rows to people, who have them in the quarantine.
func Forget(dir string, w Waiting) error { return gone(filepath.Join(dir, waiting, w.base)) }

// mark notes that a file has rows which wait, or that it has none.
func mark(dir, tmp, base, home string, waits int) error {
	path := filepath.Join(dir, waiting, base)
	if waits == 0 {
		return gone(path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, home)
	if err != nil {
		return err
	}
	return write(tmp, path, fmt.Appendf(nil, "%d %s", waits, rel))
}
