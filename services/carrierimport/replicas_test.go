package carrierimport_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/stream"
)

// replica is what a child process of TestKilledReplicas does: it imports until it is killed or its parent is gone.
func replica(url, dir string) {
	nc, err := nats.Connect(url)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	imp := sued()
	imp.Folder, imp.Settle = dir, settings.Duration(time.Millisecond)
	began := time.Now()
	now := func() time.Time { return time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC).Add(time.Since(began)) }
	s, err := carrierimport.New(context.Background(), carrierimport.Config{NATS: nc, Now: now, Poll: 5 * time.Millisecond, Imports: []carrierimport.Import{imp}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString(0) // ends with the parent
		cancel()
	}()
	_ = s.Run(ctx)
	os.Exit(0)
}

// Three processes on one folder, killed again and again in the middle of it: every file ends in one place once, with one
// result, every row is one event, and nothing half done is left.
func TestKilledReplicas(t *testing.T) {
	b := newBench(t, "DE")
	dir := filepath.Join(b.dir, "in")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begin := func() *exec.Cmd {
		c := exec.Command(self)
		c.Env = append(os.Environ(), "IMPORT_TEST_URL="+b.srv.ClientURL(), "IMPORT_TEST_DIR="+dir)
		if _, err := c.StdinPipe(); err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	kill := func(c *exec.Cmd) {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed: the error says so
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	const n, bad = 200, 20
	for i := range n {
		content := fmt.Sprintf("Lieferschein;Amazon-Bestellnr.;Versender;Produkt;Sendungsnummer;Versanddatum;Paket\n1;302-%07d-0000001;DPD;;T%d;20.11.2026 12:00;1\n", i, i)
		if i%(n/bad) == 0 {
			content = fmt.Sprintf("\x00%d", i) // to the quarantine as a whole
		}
		drop(t, dir, fmt.Sprintf("%03d.csv", i), []byte(content))
	}
	done := func() []string {
		return append(files(t, filepath.Join(dir, "archive"), ".result.csv"), files(t, filepath.Join(dir, "quarantine"), ".result.csv")...)
	}
	replicas := []*exec.Cmd{begin(), begin(), begin()}
	for i := range 6 {
		natstest.Until(t, 60*time.Second, "some more files are done", func() bool { return len(done()) >= min(n, 20*(i+1)) })
		kill(replicas[i%3])
		replicas[i%3] = begin()
	}
	natstest.Until(t, 60*time.Second, "all files are done", func() bool {
		return len(files(t, filepath.Join(dir, "archive"), ".csv")) == 2*(n-bad) && len(files(t, filepath.Join(dir, "quarantine"), ".csv")) == 2*bad
	})
	for _, c := range replicas {
		kill(c)
	}
	places := map[string]int{}
	for _, f := range done() {
		places[f[len(f)-len("000.csv.result.csv"):]]++
		if _, err := os.Stat(strings.TrimSuffix(f, ".result.csv")); err != nil {
			t.Errorf("a result without its file: %v", err)
		}
	}
	for name, k := range places {
		if k != 1 {
			t.Errorf("%s is in %d places", name, k)
		}
	}
	if len(places) != n {
		t.Errorf("%d files of %d", len(places), n)
	}
	if events := b.stored(t, stream.Shipped); events != n-bad {
		t.Errorf("%d events for %d rows", events, n-bad)
	}
	for _, place := range []string{"archive/*/*", "quarantine"} {
		if left, err := filepath.Glob(filepath.Join(dir, place, ".write-*")); err != nil || len(left) > 0 {
			t.Errorf("half files are left: %v, %v", left, err)
		}
	}
	if left := files(t, filepath.Join(dir, ".claimed"), ".csv"); len(left) > 0 {
		t.Errorf("claims are left: %v", left)
	}
}
