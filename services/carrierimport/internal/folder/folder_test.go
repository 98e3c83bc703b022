package folder_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/carrierimport/internal/folder"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FOLDER_TEST_HOLD"); dir != "" {
		hold(dir)
	}
	goleak.VerifyTestMain(m)
}

// hold is the child process of TestAKilledProcessLosesItsClaims: it claims what is there and waits to be killed.
func hold(dir string) {
	f, err := folder.Open(dir, settle)
	if err == nil {
		err = errors.Join(f.Claim(noon), f.Claim(noon.Add(settle)))
	}
	fmt.Println("holds", err)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent kills it, or is gone itself
	os.Exit(1)
}

const settle = 5 * time.Second

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func drop(t testing.TB, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, noon, noon); err != nil {
		t.Fatal(err)
	}
}

func prepare(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "in")
	if err := folder.Prepare(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t testing.TB, dir string) *folder.Folder {
	t.Helper()
	f, err := folder.Open(dir, settle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// claims looks at now and returns the names held.
func claims(t testing.TB, f *folder.Folder, now time.Time) []string {
	t.Helper()
	if err := f.Claim(now); err != nil {
		t.Fatal(err)
	}
	held, err := f.Claims()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, c := range held {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	return names
}

func TestWaitsUntilAFileHasStoppedGrowing(t *testing.T) {
	dir := prepare(t)
	f := open(t, dir)
	drop(t, dir, "a.csv", "1")
	for after, want := range map[time.Duration]int{0: 0, settle - 1: 0} {
		if got := claims(t, f, noon.Add(after)); len(got) != want {
			t.Errorf("after %s: %v", after, got)
		}
	}
	drop(t, dir, "a.csv", "12") // it grows: the wait begins anew
	if got := claims(t, f, noon.Add(settle)); len(got) != 0 {
		t.Errorf("a growing file was claimed: %v", got)
	}
	if err := os.Chtimes(filepath.Join(dir, "a.csv"), noon, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := claims(t, f, noon.Add(2*settle)); len(got) != 0 {
		t.Errorf("a file just written to was claimed: %v", got)
	}
	if got := claims(t, f, noon.Add(3*settle)); !slices.Equal(got, []string{"a.csv"}) {
		t.Errorf("got %v", got)
	}
}

func TestOnlyWholeRegularFiles(t *testing.T) {
	dir := prepare(t)
	for _, name := range []string{".hidden", "~$a.csv", "a.csv.part", "b.TMP", "c.filepart", "good.csv", "GLS_20261120_1400.txt"} {
		drop(t, dir, name, "x")
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	f := open(t, dir)
	claims(t, f, noon)
	if got := claims(t, f, noon.Add(settle)); !slices.Equal(got, []string{"GLS_20261120_1400.txt", "good.csv"}) {
		t.Errorf("got %v", got)
	}
}

func TestEveryFileHasOneHolder(t *testing.T) {
	dir := prepare(t)
	const replicas, files = 4, 60
	for i := range files {
		drop(t, dir, fmt.Sprintf("%02d.csv", i), "x")
	}
	held := make([][]string, replicas)
	var wg sync.WaitGroup
	for i := range replicas {
		f := open(t, dir)
		claims(t, f, noon)
		wg.Go(func() {
			for range 3 {
				held[i] = claims(t, f, noon.Add(settle))
			}
		})
	}
	wg.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(held...)))
	if len(all) != files || len(slices.Compact(slices.Clone(all))) != files {
		t.Errorf("%d claims for %d files: %v", len(all), files, all)
	}
}

func TestClaimsOfTheDeadAreTakenUp(t *testing.T) {
	dir := prepare(t)
	drop(t, dir, "a.csv", "content")
	dead, alive := open(t, dir), open(t, dir)
	claims(t, dead, noon)
	claims(t, dead, noon.Add(settle))
	if got := claims(t, alive, noon.Add(settle)); len(got) != 0 {
		t.Fatalf("a living process lost its claim: %v", got)
	}
	if err := dead.Close(); err != nil { // as the kernel does when a process dies: the lock goes, the file stays
		t.Fatal(err)
	}
	if got := claims(t, alive, noon.Add(settle)); !slices.Equal(got, []string{"a.csv"}) {
		t.Fatalf("got %v", got)
	}
	held, err := alive.Claims()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := alive.Read(held[0]); err != nil || string(b) != "content" {
		t.Errorf("content %q, %v", b, err)
	}
	left, err := os.ReadDir(filepath.Join(dir, ".claimed"))
	if err != nil || len(left) != 1 {
		t.Errorf("%d claim directories are left, want the living one's: %v", len(left), err)
	}
}

func TestAKilledProcessLosesItsClaims(t *testing.T) {
	dir := prepare(t)
	drop(t, dir, "a.csv", "content")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(self)
	child.Env = append(os.Environ(), "FOLDER_TEST_HOLD="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "holds <nil>\n" {
		t.Errorf("child says %q, %v", line, err)
	}
	f := open(t, dir)
	if got := claims(t, f, noon); len(got) != 0 {
		t.Errorf("the living child lost %v", got)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed: the error says so
	if got := claims(t, f, noon); !slices.Equal(got, []string{"a.csv"}) {
		t.Errorf("after the kill: %v", got)
	}
}

func TestFinishKeepsEverythingOnceEvenAfterACrash(t *testing.T) {
	dir := prepare(t)
	drop(t, dir, "a.csv", "content")
	f := open(t, dir)
	claims(t, f, noon)
	claims(t, f, noon.Add(settle))
	held, err := f.Claims()
	if err != nil {
		t.Fatal(err)
	}
	o := folder.Outcome{At: noon.Add(time.Hour), Hash: "0123456789abcdef", Result: []byte("result"), Held: []byte("rows")}
	// A crash before the original moved leaves result and quarantine; what is done again replaces them.
	if err := folder.Keep(dir, "a.csv", nil, folder.Outcome{At: noon, Hash: o.Hash, Result: []byte("older"), Held: []byte("older")}); err != nil {
		t.Fatal(err)
	}
	if err := f.Finish(held[0], o); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range []string{"archive/2026/11", "quarantine"} {
		entries, err := os.ReadDir(filepath.Join(dir, d))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(dir, d, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[d+"/"+e.Name()] = string(b)
		}
	}
	base := "20261120T120000Z_0123456789ab_a.csv"
	want := map[string]string{"archive/2026/11/" + base: "content", "archive/2026/11/" + base + ".result.csv": "result",
		"quarantine/" + base + ".quarantine.csv": "rows"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// Names as long as the file system takes are held under shorter ones that keep the extension and whole runes.
func TestLongNames(t *testing.T) {
	dir := prepare(t)
	names := []string{strings.Repeat("x", 251) + ".csv", strings.Repeat("x", 243) + ".csv", "x" + strings.Repeat("ü", 125) + ".csv",
		"." + strings.Repeat("y", 254), "z." + strings.Repeat("z", 253), strings.Repeat("\xbf", 251) + ".csv", "short.csv"}
	for _, name := range names {
		drop(t, dir, name, "x")
	}
	f := open(t, dir)
	claims(t, f, noon)
	got := claims(t, f, noon.Add(settle))
	want := []string{"short.csv", strings.Repeat("x", 236) + ".csv", strings.Repeat("x", 236) + ".csv", "x" + strings.Repeat("ü", 117) + ".csv",
		"z." + strings.Repeat("z", 238), strings.Repeat("\xbf", 233) + ".csv"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	held, err := f.Claims()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range held {
		if err := f.Finish(c, folder.Outcome{At: noon, Hash: fmt.Sprint(i)}); err != nil {
			t.Errorf("%q: %v", c.Name, err)
		}
	}
}

// A claim directory that cannot be read is told of, and everything else is taken.
func TestAnUnreadableOrphanHoldsUpNothing(t *testing.T) {
	dir := prepare(t)
	// A lock that is a directory cannot be opened for writing, whoever asks.
	if err := os.MkdirAll(filepath.Join(dir, ".claimed", "0", ".lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	drop(t, dir, "a.csv", "x")
	dead, f := open(t, dir), open(t, dir)
	_ = dead.Claim(noon) // it meets the orphan too
	_ = dead.Claim(noon.Add(settle))
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	drop(t, dir, "b.csv", "x")
	for _, now := range []time.Time{noon, noon.Add(settle)} {
		if err := f.Claim(now); err == nil || !strings.Contains(err.Error(), "take over claims") {
			t.Errorf("error %v", err)
		}
	}
	if held, err := f.Claims(); err != nil || len(held) != 2 {
		t.Errorf("held %+v, %v, want a.csv and b.csv", held, err)
	}
}

func TestChanged(t *testing.T) {
	dir := prepare(t)
	drop(t, dir, "a.csv", "content")
	writer, err := os.OpenFile(filepath.Join(dir, "a.csv"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	f := open(t, dir)
	claims(t, f, noon)
	claims(t, f, noon.Add(settle))
	held, err := f.Claims()
	if err != nil {
		t.Fatal(err)
	}
	if changed, err := f.Changed(held[0]); changed || err != nil {
		t.Errorf("changed=%v, %v", changed, err)
	}
	if _, err := writer.WriteString(" and more"); err != nil { // its writer had only paused
		t.Fatal(err)
	}
	if changed, err := f.Changed(held[0]); !changed || err != nil {
		t.Errorf("changed=%v, %v", changed, err)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{"a.csv": "a.csv", "../../etc/passwd": "passwd", `C:\in\b.csv`: "b.csv", "..": "file", "": "file",
		"x\x00\ny.csv": "x__y.csv", ".hidden": "hidden", "Größe.csv": "Größe.csv"} {
		if got := folder.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := folder.Clean(strings.Repeat("ü", 200)); len(got) > 120 {
		t.Errorf("%d bytes long", len(got))
	}
}
