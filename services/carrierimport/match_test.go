package carrierimport_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/stream"
)

// A row with an own number nobody knows waits, and is taken in by itself when the order is known; once, and without a second
// record of the rows that cannot be used.
func TestAWaitingRowMatchesByItself(t *testing.T) {
	b := newBench(t, "DE")
	imp := carrierimport.Import{Account: "DE", Profile: "dhl", Folder: filepath.Join(b.dir, "in")} // without an order list
	run(t, b.service(t, imp))
	run(t, b.service(t, imp)) // two of them, as in production
	book, err := orders.Open(b.nc)
	if err != nil {
		t.Fatal(err)
	}
	known := func(own, id string) {
		t.Helper()
		if err := book.Put(t.Context(), orders.Order{Connection: "EU", Account: "DE", ID: id, OwnNumber: own, Status: orders.Unshipped, Source: orders.FromAmazon, AsOf: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	known("SO-2026-10401", "304-2530829-6624039")
	text := strings.SplitAfterN(string(sample(t, "dhl-versenden.csv")), "\n", 5)
	drop(t, imp.Folder, "a.csv", []byte(strings.Join(text[:4], "")+strings.Replace(text[3], "20.11.2026", "31.11.2026", 1))) // three rows, and one that cannot be used
	eventually(t, "the row that is known is taken in", func() bool { return b.stored(t, stream.Shipped) == 1 })
	eventually(t, "two wait", func() bool { return len(files(t, filepath.Join(imp.Folder, ".waiting"), "_a.csv")) == 1 })
	recorded := b.stored(t, stream.Invalid)
	known("so-2026-10402", "302-1215279-8990608") // carriers are not strict about case
	eventually(t, "the second one is taken in", func() bool { return b.stored(t, stream.Shipped) == 2 })
	known("SO-2026-10403", "302-6135241-9777560")
	eventually(t, "the third one is taken in, and nothing waits", func() bool {
		return b.stored(t, stream.Shipped) == 3 && len(files(t, filepath.Join(imp.Folder, ".waiting"), "_a.csv")) == 0
	})
	if n := b.stored(t, stream.Invalid); n != recorded {
		t.Errorf("%d records of rows, %d before", n, recorded)
	}
	if held := files(t, filepath.Join(imp.Folder, "quarantine"), ".quarantine.csv"); len(held) != 1 { // the row with the wrong date
		t.Errorf("quarantine: %v", held)
	}
}
