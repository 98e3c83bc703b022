package carrierimport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("IMPORT_TEST_URL"); url != "" {
		replica(url, os.Getenv("IMPORT_TEST_DIR"))
	}
	goleak.VerifyTestMain(m)
}

// bench is a running NATS with accounts, and a clock that shows the afternoon of the samples' ship date.
type bench struct {
	srv *natstest.Server
	nc  *nats.Conn
	dir string
	now func() time.Time
}

func newBench(t *testing.T, accounts ...string) *bench {
	t.Helper()
	began := time.Now()
	b := &bench{srv: natstest.Start(t), dir: t.TempDir()}
	b.nc = b.srv.Connect(t)
	b.now = func() time.Time { return time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC).Add(time.Since(began)) }
	if len(accounts) > 0 {
		b.seed(t, accounts...)
	}
	return b
}

func (b *bench) seed(t *testing.T, accounts ...string) {
	t.Helper()
	js, err := jetstream.New(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := stream.OpenSettings(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	c := settings.Connection{ID: "EU", Region: "eu"}
	for _, a := range accounts {
		c.Accounts = append(c.Accounts, settings.Account{ID: shipment.AccountID(a), Marketplace: "A1PA6795UKMFR9"})
	}
	if err := s.Seed(t.Context(), settings.Set{Connections: []settings.Connection{c}}); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) service(t *testing.T, imports ...carrierimport.Import) *carrierimport.Service {
	t.Helper()
	for i := range imports {
		imports[i].Settle = settings.Duration(20 * time.Millisecond)
	}
	s, err := carrierimport.New(t.Context(), carrierimport.Config{NATS: b.srv.Connect(t), Now: b.now, Poll: 5 * time.Millisecond, Imports: imports})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run starts a service and returns how to stop it.
func run(t *testing.T, s *carrierimport.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var once atomic.Bool
	stop = func() {
		cancel()
		if once.CompareAndSwap(false, true) {
			if err := <-ended; err != nil {
				t.Errorf("service ended with %v", err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

func (b *bench) dhl(folder string) carrierimport.Import {
	return carrierimport.Import{Account: "DE", Profile: "dhl", Folder: filepath.Join(b.dir, folder), OrderList: "samples/order-list.csv"}
}

func sued() carrierimport.Import {
	return carrierimport.Import{Account: "DE", Profile: "csv", CSV: carrierimport.CSV{Encoding: "cp1252", Comment: "#",
		Columns: carrierimport.Columns{Order: "Amazon-Bestellnr.", Reference: "Lieferschein", Carrier: "Versender", Service: "Produkt",
			Tracking: "Sendungsnummer", ShippedAt: "Versanddatum", Package: "Paket"}, DateFormats: []string{"dd.MM.yyyy HH:mm"}}}
}

func (b *bench) stored(t *testing.T, name string) uint64 {
	t.Helper()
	js, err := jetstream.New(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// files lists the files below a folder whose names end so.
func files(t *testing.T, dir, suffix string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // moved on meanwhile
			return nil
		}
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, suffix) && !strings.Contains(path, ".write-") {
			out = append(out, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("samples", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func drop(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSamplesAsUploads(t *testing.T) {
	b := newBench(t, "DE")
	s := b.service(t, b.dhl("in"), sued())
	for _, c := range []struct{ file, want string }{
		{"dhl-versenden.csv", "map[accepted:24]"},
		{"lager-sued.csv", "map[accepted:24 refused:1]"}, // a second parcel of an order whose first takes the whole of it
		{"dhl-with-defects.csv", "map[accepted:2 expired:1 further_parcel:1 unusable:4 waiting:1]"},
		{"dhl-versenden.csv", "map[accepted:24]"}, // nobody took the events in yet: accepted again, and still no second event
	} {
		r, err := s.Import(t.Context(), "DE", c.file, bytes.NewReader(sample(t, c.file)))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.Counts); got != c.want || r.Refused != "" {
			t.Errorf("%s: %s %s, want %s", c.file, got, r.Refused, c.want)
		}
	}
	if n := b.stored(t, stream.Shipped); n != 24+24+3 {
		t.Errorf("%d events, want 51", n)
	}
	if n := b.stored(t, stream.Invalid); n != 7 {
		t.Errorf("%d records of rows, want 7", n)
	}
	if got := files(t, filepath.Join(b.dir, "in", "archive"), "dhl-versenden.csv"); len(got) == 0 {
		t.Error("the upload is not in the archive")
	}
}

func TestSamplesOfDPDAndGLS(t *testing.T) {
	b := newBench(t, "DE")
	for _, c := range []struct{ profile, file, want string }{
		{"dpd", "dpd-export.csv", "map[accepted:12]"},
		{"gls", "gls-export.csv", "map[accepted:12]"},
		{"dpd", "dpd-with-defects.csv", "map[accepted:2 unusable:3 waiting:1]"},
		{"gls", "gls-with-defects.csv", "map[accepted:1 unusable:4]"},
	} {
		imp := carrierimport.Import{Account: "DE", Profile: c.profile, OrderList: "samples/order-list.csv"}
		r, err := b.service(t, imp).Import(t.Context(), "DE", c.file, bytes.NewReader(sample(t, c.file)))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.Counts); got != c.want || r.Refused != "" {
			t.Errorf("%s: %s %s, want %s", c.file, got, r.Refused, c.want)
		}
	}
}

func TestAWatchedFile(t *testing.T) {
	b := newBench(t, "DE")
	imp := b.dhl("in")
	run(t, b.service(t, imp))
	drop(t, imp.Folder, "a.csv", sample(t, "dhl-with-defects.csv"))
	eventually(t, "the file is archived", func() bool { return len(files(t, filepath.Join(imp.Folder, "archive", "2026", "11"), "_a.csv")) == 1 })
	if n := b.stored(t, stream.Shipped); n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	result, held := files(t, imp.Folder, ".result.csv"), files(t, imp.Folder, ".quarantine.csv")
	if len(result) != 1 || len(held) != 1 || !strings.Contains(held[0], "/quarantine/") {
		t.Fatalf("result %v, quarantine %v", result, held)
	}
	rows, err := os.ReadFile(held[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"3;waiting;reference;", "4;unusable;trackingNumber;", "5;unusable;shippedAt;", "8;further_parcel;", "the file ends in the middle"} {
		if !strings.Contains(string(rows), want) {
			t.Errorf("no %q in the quarantine:\n%s", want, rows)
		}
	}
	drop(t, imp.Folder, "b.csv", sample(t, "dhl-with-defects.csv")) // the same content under another name
	eventually(t, "the second file is archived", func() bool { return len(files(t, filepath.Join(imp.Folder, "archive"), "_b.csv")) == 1 })
	if n := b.stored(t, stream.Shipped); n != 3 {
		t.Errorf("%d events after the same file again, want 3", n)
	}
}

func TestThreeReplicasOnOneFolder(t *testing.T) {
	b := newBench(t, "DE")
	imp := sued()
	imp.Folder = filepath.Join(b.dir, "in")
	for range 3 {
		run(t, b.service(t, imp))
	}
	const n = 30
	for i := range n {
		drop(t, imp.Folder, fmt.Sprintf("%02d.csv", i), fmt.Appendf(nil,
			"Lieferschein;Amazon-Bestellnr.;Versender;Produkt;Sendungsnummer;Versanddatum;Paket\n1;302-%07d-0000001;DPD;;T%d;20.11.2026 12:00;1\n", i, i))
	}
	eventually(t, "all are archived", func() bool { return len(files(t, filepath.Join(imp.Folder, "archive"), ".result.csv")) >= n })
	eventually(t, "no claim is left", func() bool { return len(files(t, filepath.Join(imp.Folder, ".claimed"), ".csv")) == 0 })
	if events, results := b.stored(t, stream.Shipped), files(t, imp.Folder, ".result.csv"); events != n || len(results) != n {
		t.Errorf("%d events and %d results for %d files", events, len(results), n)
	}
}

func TestAFileWaitsWhileTheStoreDoesNotAnswer(t *testing.T) {
	b := newBench(t, "DE")
	imp := b.dhl("in")
	var closed atomic.Bool
	var asked atomic.Int32
	guard := func() error {
		asked.Add(1)
		if closed.Load() {
			return fault.New(fault.Unavailable, "no answer")
		}
		return nil
	}
	s := b.service(t, imp)
	s.GuardDoor(guard)
	closed.Store(true)
	stop := run(t, s)
	drop(t, imp.Folder, "a.csv", sample(t, "dhl-versenden.csv"))
	eventually(t, "it was tried three times", func() bool { return asked.Load() >= 3 })
	if got := files(t, imp.Folder, "a.csv"); len(got) != 1 || !strings.Contains(got[0], "/.claimed/") {
		t.Errorf("while the store is away the file is in %v", got)
	}
	stop()
	if got := files(t, imp.Folder, "a.csv"); len(got) != 1 {
		t.Errorf("after the stop the file is in %v", got)
	}
	closed.Store(false)
	run(t, b.service(t, imp)) // another process takes the claim up
	eventually(t, "the file is archived", func() bool { return len(files(t, filepath.Join(imp.Folder, "archive"), "_a.csv")) == 1 })
	if n := b.stored(t, stream.Shipped); n != 24 {
		t.Errorf("%d events, want 24", n)
	}
}

func TestWholeFilesThatCannotBeUsed(t *testing.T) {
	b := newBench(t, "DE")
	imp := b.dhl("in")
	run(t, b.service(t, imp))
	drop(t, imp.Folder, "binary.csv", []byte("PK\x03\x04\x00\x00"))
	big := filepath.Join(imp.Folder, "big.csv.tmp")
	if err := errors.Join(os.WriteFile(big, nil, 0o600), os.Truncate(big, carrierimport.MaxBytes+1), os.Rename(big, strings.TrimSuffix(big, ".tmp"))); err != nil {
		t.Fatal(err)
	}
	held := filepath.Join(imp.Folder, "quarantine")
	for name, why := range map[string]string{"binary.csv": "is NUL", "big.csv": "at most 67108864 are allowed"} {
		eventually(t, name+" is in the quarantine", func() bool { return len(files(t, held, "_"+name)) == 1 })
		reason, err := os.ReadFile(files(t, held, "_"+name)[0] + ".result.csv")
		if err != nil || !strings.Contains(string(reason), why) {
			t.Errorf("%s: %q, %v", name, reason, err)
		}
	}
	if shipped, invalid := b.stored(t, stream.Shipped), b.stored(t, stream.Invalid); shipped != 0 || invalid != 2 {
		t.Errorf("%d events, %d records", shipped, invalid)
	}
}

func TestOneInTroubleHoldsUpNoOther(t *testing.T) {
	b := newBench(t, "DE")
	imp := b.dhl("in")
	s := b.service(t, imp)
	// A claim directory of a dead process that cannot be opened, and a name as long as the file system takes.
	if err := os.MkdirAll(filepath.Join(imp.Folder, ".claimed", "0", ".lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, s)
	drop(t, imp.Folder, strings.Repeat("n", 251)+".csv", sample(t, "dhl-versenden.csv"))
	drop(t, imp.Folder, "a.csv", sample(t, "lager-sued.csv"))
	archived := func() []string {
		return append(files(t, filepath.Join(imp.Folder, "archive"), ".result.csv"), files(t, filepath.Join(imp.Folder, "quarantine"), ".result.csv")...)
	}
	eventually(t, "both are finished", func() bool { return len(archived()) == 2 })
	if n := b.stored(t, stream.Shipped); n != 24 {
		t.Errorf("%d events, want 24", n)
	}
}

func TestUnknownAccount(t *testing.T) {
	b := newBench(t)
	imp := b.dhl("in")
	s := b.service(t, imp)
	if _, err := s.Import(t.Context(), "XX", "a.csv", strings.NewReader("x")); fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "account XX has no import") {
		t.Errorf("no import: %v", err)
	}
	if _, err := s.Import(t.Context(), "DE", "a.csv", strings.NewReader("x")); err == nil || !strings.Contains(err.Error(), `account: "DE" is not configured`) {
		t.Errorf("no account: %v", err)
	}
	run(t, s)
	drop(t, imp.Folder, "a.csv", sample(t, "dhl-versenden.csv"))
	drop(t, imp.Folder, "b.csv", []byte("\x00"))
	b.seed(t, "DE") // until now the files stayed where they were; from now on they are taken
	eventually(t, "the file is archived", func() bool { return len(files(t, filepath.Join(imp.Folder, "archive"), "_a.csv")) == 1 })
	if n := b.stored(t, stream.Shipped); n != 24 {
		t.Errorf("%d events, want 24", n)
	}
}

func TestAMissingOrderListIsWaitedFor(t *testing.T) {
	b := newBench(t, "DE")
	imp := b.dhl("in")
	imp.OrderList = filepath.Join(b.dir, "orders.csv")
	s := b.service(t, imp)
	if _, err := s.Import(t.Context(), "DE", "a.csv", bytes.NewReader(sample(t, "dhl-versenden.csv"))); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("error %v", err)
	}
	run(t, s)
	drop(t, imp.Folder, "a.csv", sample(t, "dhl-versenden.csv"))
	eventually(t, "the file is claimed", func() bool { return len(files(t, filepath.Join(imp.Folder, ".claimed"), "_a.csv")) == 1 })
	drop(t, b.dir, "orders.csv", sample(t, "order-list.csv"))
	eventually(t, "the file is archived", func() bool { return len(files(t, filepath.Join(imp.Folder, "archive"), "_a.csv")) == 1 })
	if n := b.stored(t, stream.Shipped); n != 24 {
		t.Errorf("%d events, want 24", n)
	}
}

func TestUploadWithoutAFolder(t *testing.T) {
	b := newBench(t, "DE")
	s := b.service(t, sued())
	r, err := s.Import(t.Context(), "DE", "../../x.csv", bytes.NewReader(sample(t, "lager-sued.csv")))
	if err != nil || r.File != "x.csv" || len(r.Rows) != 25 || r.Rows[24].Package != "2" || r.Rows[0].Line != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	lines := []int{}
	for _, row := range r.Rows {
		lines = append(lines, row.Line)
	}
	if !slices.IsSorted(lines) {
		t.Errorf("rows are out of order: %v", lines)
	}
}

func TestWithoutNATSNothingIsDecided(t *testing.T) {
	b := newBench(t, "DE")
	imp := b.dhl("in")
	s := b.service(t, imp)
	b.srv.Shutdown()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.Import(ctx, "DE", "a.csv", bytes.NewReader(sample(t, "dhl-versenden.csv")))
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("kind %s of %v", fault.KindOf(err), err)
	}
	if got := files(t, imp.Folder, ""); len(got) != 0 {
		t.Errorf("something was kept: %v", got)
	}
}
