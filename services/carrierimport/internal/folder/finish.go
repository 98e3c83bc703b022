package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

// Outcome is what is to be kept of a file that is done.
type Outcome struct {
	At      time.Time
	Hash    string // of the content; part of the names, so that no file replaces another
	Refused bool   // the whole file goes to the quarantine instead of the archive
	Result  []byte // line by line
	Held    []byte // rows for the quarantine; nil: none
	Waits   int    // how many of them may be matched later
}

// Finish puts a claimed file and what became of it where people find it: archive/YYYY/MM/, quarantine/. Doing it again
// after a crash in the middle leaves one of each.
func (f *Folder) Finish(c Claimed, o Outcome) error {
	return finish(f.dir, filepath.Dir(c.path), c.Name, o, c.MTime, func(to string) error { return os.Rename(c.path, to) })
}

// Keep files content that did not come through the folder in the same way.
func Keep(dir, name string, content []byte, o Outcome) error {
	tmp := filepath.Join(dir, claims)
	return finish(dir, tmp, name, o, o.At, func(to string) error { return write(tmp, to, content) })
}

// finish writes by way of tmp, so that a crash leaves no half file where people look.
func finish(dir, tmp, name string, o Outcome, stamp time.Time, place func(to string) error) error {
	base := stamp.UTC().Format("20060102T150405Z") + "_" + o.Hash[:min(12, len(o.Hash))] + "_" + Clean(name)
	home := filepath.Join(dir, archive, o.At.UTC().Format("2006"), o.At.UTC().Format("01"))
	if o.Refused {
		home = filepath.Join(dir, quarantine)
	}
	return finishAt(dir, tmp, base, home, o, place)
}

func finishAt(dir, tmp, base, home string, o Outcome, place func(to string) error) error {
	held := filepath.Join(dir, quarantine)
	err := os.MkdirAll(home, 0o750)
	if err == nil && o.Held != nil {
		err = write(tmp, filepath.Join(held, base+".quarantine.csv"), o.Held)
	} else if err == nil {
		err = gone(filepath.Join(held, base+".quarantine.csv"))
	}
	if err == nil && !o.Refused { // a try before a crash may have come to another end
		err = gone(filepath.Join(held, base+".result.csv"))
	}
	if err == nil {
		err = write(tmp, filepath.Join(home, base+".result.csv"), o.Result)
	}
	if err == nil {
		err = place(filepath.Join(home, base))
	}
	if err == nil {
		err = mark(dir, tmp, base, home, o.Waits) // last: whoever finds it finds the file
	}
	if err == nil {
		err = syncDir(home)
	}
	if err != nil {
		return fmt.Errorf("archive file: %w", err)
	}
	return nil
}

// write makes a file that is there as a whole or not at all.
func write(dir, path string, content []byte) error {
	tmp, err := os.CreateTemp(dir, ".write-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // already renamed in the good case
	_, err = tmp.Write(content)
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func gone(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Clean makes a name that is safe as the last part of a path.
func Clean(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`:*?"<>|`, r) {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimLeft(name, ".")
	if len(name) > 120 {
		name = strings.ToValidUTF8(name[:120], "")
	}
	if name == "" {
		return "file"
	}
	return name
}
