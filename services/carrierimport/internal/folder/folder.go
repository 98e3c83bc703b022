// Package folder is a watched folder on disk. It owns which file is ready, who may work on it, and where it ends up, and
// guarantees that of any number of processes on one folder exactly one holds a file, that files of a process that died are
// taken up by another, and that a file leaves its claim only after everything said about it is on disk. It does not
// read meaning into files, and it follows no links.
//
// A process claims by renaming a file into .claimed/<id>/, where id is its own and a lock file inside is locked for as
// long as it lives: the kernel gives the lock back when it dies, however it dies. Should a network file system lose
// the lock, two processes may work on one file, and then the events' ids keep them from counting twice.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	claims     = ".claimed"
	lockName   = ".lock"
	archive    = "archive"
	quarantine = "quarantine"
	// perPass bounds how many files one process claims at a time, so that other replicas get their share.
	perPass = 32
)

// Folder is a watched folder. It is for one goroutine.
type Folder struct {
	dir    string
	settle time.Duration
	mine   string // own claim directory
	lock   *os.File
	seen   map[string]look
}

// look is what a file was like when it was last seen to change.
type look struct {
	size  int64
	mtime time.Time
	since time.Time
}

// Claimed is a file this process holds.
type Claimed struct {
	Name  string // as it was dropped; cut short when it was longer than 240 bytes
	Size  int64
	MTime time.Time
	path  string
}

// Prepare makes the directories of a watched folder, and the folder itself.
func Prepare(dir string) error {
	for _, d := range []string{dir, filepath.Join(dir, claims), filepath.Join(dir, archive), filepath.Join(dir, quarantine)} {
		if err := os.MkdirAll(d, 0o750); err != nil {
			return fmt.Errorf("prepare folder: %w", err)
		}
	}
	return nil
}

// Open takes part in working on a prepared folder. settle is how long a file must not have changed before it is claimed.
func Open(dir string, settle time.Duration) (*Folder, error) {
	id := uuid.NewString()
	// The directory gets its final name only when it is locked: nobody can mistake it for a dead process's.
	fresh := filepath.Join(dir, claims, ".new-"+id)
	if err := os.Mkdir(fresh, 0o750); err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(fresh, lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	f := &Folder{dir: dir, settle: settle, mine: filepath.Join(dir, claims, id), lock: lock, seen: map[string]look{}}
	if err := errors.Join(flock(lock), os.Rename(fresh, f.mine)); err != nil {
		return nil, errors.Join(fmt.Errorf("open folder: %w", err), lock.Close())
	}
	return f, nil
}

func flock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// Close gives up the claims: files not finished are taken up by another process or by the next start.
func (f *Folder) Close() error {
	left, err := f.Claims()
	if err == nil && len(left) == 0 {
		err = os.RemoveAll(f.mine)
	}
	return errors.Join(err, f.lock.Close())
}

// Claim takes the files that are ready at now, and those of processes that died. Its error names what could not be taken;
// everything else was.
func (f *Folder) Claim(now time.Time) error {
	return errors.Join(f.inherit(), f.take(now))
}

func (f *Folder) take(now time.Time) error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("look into folder: %w", err)
	}
	seen := map[string]look{}
	var errs []error
	for n := 0; len(entries) > 0 && n < perPass; entries = entries[1:] {
		name := entries[0].Name()
		info, err := entries[0].Info()
		if err != nil || !info.Mode().IsRegular() || ignored(name) { // gone meanwhile, or none of ours
			continue
		}
		was, known := f.seen[name]
		if !known || was.size != info.Size() || !was.mtime.Equal(info.ModTime()) {
			was = look{info.Size(), info.ModTime(), now}
		}
		if now.Sub(was.since) < f.settle {
			seen[name] = was
			continue
		}
		n++
		to := filepath.Join(f.mine, uuid.NewString()[:8]+"_"+bounded(name))
		if err := os.Rename(filepath.Join(f.dir, name), to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("claim file: %w", err))
		}
	}
	for _, e := range entries { // not looked at this time: keep what is known
		if was, known := f.seen[e.Name()]; known {
			seen[e.Name()] = was
		}
	}
	f.seen = seen
	return errors.Join(errs...)
}

// nameMax bounds the name under which a file is held, in bytes: file systems take 255, and the claim puts 9 before it.
const nameMax = 240

// bounded shortens a name that is too long to be held, between runes and before its extension.
func bounded(name string) string {
	if len(name) <= nameMax {
		return name
	}
	ext := filepath.Ext(name)
	if len(ext) > 16 { // no extension, just a dot far in front
		ext = ""
	}
	cut := nameMax - len(ext)
	for i := 1; i < utf8.UTFMax && !utf8.RuneStart(name[cut]); i++ { // names need not be UTF-8: give up after one rune
		cut--
	}
	return name[:cut] + ext
}

// ignored files are hidden or, by their names, still being written.
func ignored(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") {
		return true
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".tmp", ".part", ".filepart", ".crdownload", ".lock":
		return true
	}
	return false
}

// inherit takes over the claims of processes that no longer hold their lock.
func (f *Folder) inherit() error {
	dirs, err := os.ReadDir(filepath.Join(f.dir, claims))
	if err != nil {
		return fmt.Errorf("look for orphaned claims: %w", err)
	}
	var errs []error
	for _, d := range dirs {
		path := filepath.Join(f.dir, claims, d.Name())
		if d.IsDir() && path != f.mine && !strings.HasPrefix(d.Name(), ".") {
			errs = append(errs, f.inheritFrom(path))
		}
	}
	return errors.Join(errs...)
}

func (f *Folder) inheritFrom(dir string) error {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // another process is quicker
	}
	if err != nil {
		return fmt.Errorf("take over claims: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if flock(lock) != nil {
		return nil // its owner lives
	}
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("take over claims: %w", err)
	}
	var errs []error
	for _, e := range files {
		if strings.HasPrefix(e.Name(), ".") { // the lock, and what was being written
			continue
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(f.mine, e.Name())); err != nil {
			errs = append(errs, fmt.Errorf("take over claims: %w", err))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...) // what is left stays for the next look
	}
	return os.RemoveAll(dir)
}

// Claims lists the files this process holds, in the order of their names as dropped.
func (f *Folder) Claims() ([]Claimed, error) {
	entries, err := os.ReadDir(f.mine)
	if err != nil {
		return nil, fmt.Errorf("list claims: %w", err)
	}
	var out []Claimed
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		_, name, _ := strings.Cut(e.Name(), "_")
		out = append(out, Claimed{Name: name, Size: info.Size(), MTime: info.ModTime(), path: filepath.Join(f.mine, e.Name())})
	}
	return out, nil
}

// Read returns a claimed file's content.
func (f *Folder) Read(c Claimed) ([]byte, error) {
	b, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("read claimed file: %w", err)
	}
	return b, nil
}

// Changed reports whether a claimed file was written to since it was listed: its writer had only paused.
func (f *Folder) Changed(c Claimed) (bool, error) {
	st, err := os.Stat(c.path)
	if err != nil {
		return false, fmt.Errorf("look at claimed file: %w", err)
	}
	return st.Size() != c.Size || !st.ModTime().Equal(c.MTime), nil
}
