package intake_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/carrierimport/internal/intake"
	"github.com/fertig-project/fertig/services/carrierimport/internal/orderlist"
	"github.com/fertig-project/fertig/services/carrierimport/internal/profile"
	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)

// memoryDoor judges as the real door does and remembers what it took.
type memoryDoor struct {
	set      settings.Set
	known    map[shipment.Key]shipment.Entry
	taken    map[string]event.Event // by the id of the ledger event
	rejected []door.Rejected
	batches  []int
	failing  error
}

func newDoor() *memoryDoor {
	c := settings.Connection{ID: "EU", Accounts: []settings.Account{{ID: "DE"}}}.WithDefaults()
	return &memoryDoor{set: settings.Set{Connections: []settings.Connection{c}}, known: map[shipment.Key]shipment.Entry{}, taken: map[string]event.Event{}}
}

func (d *memoryDoor) Submit(_ context.Context, events []event.Event) ([]door.Verdict, error) {
	if d.failing != nil {
		return nil, d.failing
	}
	d.batches = append(d.batches, len(events))
	var out []door.Verdict
	for _, e := range events {
		if err := e.Data.Check(e.Type); err != nil {
			out = append(out, door.Verdict{Result: door.Refused, Problems: door.Problems(err)})
			continue
		}
		key, err := door.KeyOf(d.set, e)
		if err != nil {
			return nil, err
		}
		v, ev := door.Judge(d.set, now, e, d.known[key])
		if ev.Type != "" {
			after, err := shipment.Apply(shipment.Shipment{}, ev)
			if err != nil {
				return nil, err
			}
			d.known[key] = shipment.Entry{Seq: 1, After: after}
			d.taken[ev.ID] = e
		}
		out = append(out, v)
	}
	return out, nil
}

func (d *memoryDoor) Reject(_ context.Context, r door.Rejected) error {
	d.rejected = append(d.rejected, r)
	return nil
}

func zone(t testing.TB) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// plain is a profile as a merchant would describe it.
func plain() profile.Profile {
	return profile.Profile{
		Format:  table.Format{Encoding: table.UTF8, Delimiter: ';', Quoted: true, Header: true},
		Columns: profile.Columns{Order: "Amazon", Reference: "Auftrag", Carrier: "Versender", Tracking: "Sendung", ShippedAt: "Datum"},
		Layouts: []string{"02.01.2006", "02.01.2006 15:04"},
	}
}

func take(t *testing.T, d *memoryDoor, p profile.Profile, content string) intake.Report {
	t.Helper()
	list, err := orderlist.Parse([]byte("Auftrag;Amazon\r\nA-1;302-0000001-0000001\r\nA-2;302-0000002-0000002\r\nA-3;302-0000003-0000003\r\nA-3;302-0000003-0000004\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := intake.Intake{Account: "DE", Profile: p, Zone: zone(t), Door: d, Orders: list, Now: func() time.Time { return now }}
	r, err := in.Take(t.Context(), "f.csv", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shown is a report in one line: line outcome, line outcome ...
func shown(r intake.Report) string {
	var s []string
	for _, row := range r.Rows {
		s = append(s, fmt.Sprintf("%d %s", row.Line, row.Outcome))
	}
	return strings.Join(s, ", ")
}

const (
	head  = "Auftrag;Amazon;Versender;Datum;Sendung\n"
	good1 = "A-1;;DHL;20.11.2026;00340434161094000001\n"
	good2 = ";302-0000002-0000002;DPD;20.11.2026 11:30;01234567890123\n"
)

// Every defect a carrier's file can have: what becomes of each row, and what people read.
func TestDefects(t *testing.T) {
	with := func(change func(*profile.Profile)) profile.Profile { p := plain(); change(&p); return p }
	enc := func(e table.Encoding) profile.Profile { return with(func(p *profile.Profile) { p.Encoding = e }) }
	long := strings.Repeat("x", table.MaxLine)
	for name, c := range map[string]struct {
		profile profile.Profile
		content string
		want    string // outcomes, or "" when the whole file is refused
		reason  string // part of the reason of the first row in trouble, or of the file
	}{
		"nothing wrong":               {plain(), head + good1 + good2, "2 accepted, 3 accepted", ""},
		"CRLF":                        {plain(), strings.ReplaceAll(head+good1+good2, "\n", "\r\n"), "2 accepted, 3 accepted", ""},
		"CR alone":                    {plain(), strings.ReplaceAll(head+good1+good2, "\n", "\r"), "2 accepted, 3 accepted", ""},
		"byte order mark":             {plain(), "\uFEFF" + head + good1, "2 accepted", ""},
		"byte order mark, cp1252":     {enc(table.CP1252), "\uFEFF" + head + strings.Replace(good1, "DHL", "Öster Post", 1), "2 accepted", ""},
		"trailing blanks":             {plain(), "Auftrag ; Amazon;Versender;Datum;Sendung  \n A-1 ; ;DHL ; 20.11.2026\t;00340434161094000001   \n", "2 accepted", ""},
		"blank lines, empty cells":    {plain(), head + "\n" + good1 + ";;;;\n   \n" + good2 + ";;;;;;;\n", "3 accepted, 6 accepted", ""},
		"quotes and a line inside":    {plain(), head + "\"A-1\";;\"DHL\n\";20.11.2026;00340434161094000001\n" + good2, "2 refused, 4 accepted", "control characters"},
		"no line end at the end":      {plain(), head + good1 + strings.TrimSuffix(good2, "\n"), "2 accepted, 3 accepted", ""},
		"columns in another order":    {plain(), "Sendung;Datum;Versender;Amazon;auftrag\n00340434161094000001;20.11.2026;DHL;;A-1\n", "2 accepted", ""},
		"wrong delimiter":             {plain(), strings.ReplaceAll(head+good1, ";", ","), "", `the delimiter seems to be ','`},
		"missing column":              {plain(), strings.Replace(head, "Sendung", "Paket", 1) + good1, "", `column "Sendung" is missing in the header`},
		"missing header":              {plain(), good1 + good2, "", "line 1 looks like a row, so the file seems to have no header line"},
		"duplicate header":            {plain(), strings.Replace(head, "Amazon", "Sendung", 1) + good1, "", `column "Sendung" 2 times`},
		"duplicate of other columns":  {plain(), strings.TrimSpace(head) + ";x;x\n" + strings.TrimSpace(good1) + ";;\n", "2 accepted", ""},
		"quote never closed":          {plain(), head + "\"A-1;;DHL;20.11.2026;00340434161094000001\n" + good2, "2 unusable, 3 accepted", "a quote is opened and not closed"},
		"quote swallows a row":        {plain(), head + "A-1;;\"DHL;20.11.2026;00340434161094000001\n;302-0000002-0000002;\"DPD\";20.11.2026;01234567890123\n", "2 unusable, 3 accepted", "a quote is opened"},
		"quote inside a field":        {plain(), head + "A-1;;D\"HL\";20.11.2026;00340434161094000001\n" + good2, "2 unusable, 3 accepted", "a quote stands in the wrong place"},
		"wrong byte in UTF-8":         {plain(), head + "A-1;;\xD6ster Post;20.11.2026;00340434161094000001\n" + good2, "2 unusable, 3 accepted", "byte 6 (0xD6) is not UTF-8"},
		"undefined byte in cp1252":    {enc(table.CP1252), head + "A-1;;\x81ster Post;20.11.2026;00340434161094000001\n" + good2, "2 unusable, 3 accepted", "no letters in cp1252"},
		"cp1252 read as latin-1":      {enc(table.Latin1), head + "A-1;;DHL \x96 Paket;20.11.2026;00340434161094000001\n" + good2, "2 unusable, 3 accepted", "no letters in iso-8859-1"},
		"cp1252":                      {enc(table.CP1252), head + "A-1;;\xD6ster Post;20.11.2026;00340434161094000001\n", "2 accepted", ""},
		"latin-1":                     {enc(table.Latin1), head + "A-1;;\xD6ster Post;20.11.2026;00340434161094000001\n", "2 accepted", ""},
		"UTF-16":                      {plain(), "\xFF\xFEA\x00", "", "the file is UTF-16"},
		"NUL byte":                    {plain(), head + good1 + "\x00", "", "is NUL: this is not a text file"},
		"empty file":                  {plain(), "", "", "the file is empty"},
		"only blanks":                 {plain(), " \r\n\r\n", "", "the file is empty"},
		"only comments":               {with(func(p *profile.Profile) { p.Comment = "#" }), "# a\n# b\n", "", "no header line"},
		"only a header":               {plain(), head, "", ""},
		"line too long":               {plain(), head + "A-1;;DHL;20.11.2026;" + long + "\n" + good2, "2 unusable, 3 accepted", "at most 65536 are allowed"},
		"too few fields":              {plain(), head + "A-1;;DHL\n" + good2, "2 unusable, 3 accepted", "the line has 3 fields, 5 are needed"},
		"too many fields":             {plain(), head + "A-1;;DHL;Muster; Paul;20.11.2026;0034\n" + good2, "2 unusable, 3 accepted", "a delimiter stands inside a field"},
		"last line truncated":         {plain(), head + good1 + ";302-0000002-0000002;DP", "2 accepted, 3 unusable", "the file ends in the middle of this line"},
		"last line cut in the number": {plain(), head + good1 + "A-2;;DHL;20.11.2026;003404341", "2 accepted, 3 unusable", "the file seems to be cut off"},
		"bad date":                    {plain(), head + strings.Replace(good1, "20.11.2026", "31.11.2026", 1) + good2, "2 unusable, 3 accepted", `"31.11.2026" is not a date`},
		"American date":               {plain(), head + strings.Replace(good1, "20.11.2026", "11/20/2026", 1) + good2, "2 unusable, 3 accepted", `"11/20/2026" is not a date`},
		"no date":                     {plain(), head + strings.Replace(good1, "20.11.2026", "", 1), "2 unusable", "shippedAt"},
		"future date":                 {plain(), head + strings.Replace(good1, "20.11.2026", "21.11.2026", 1) + good2, "2 refused, 3 accepted", "lies in the future"},
		"eight days old":              {plain(), head + strings.Replace(good1, "20.11.2026", "12.11.2026", 1), "2 expired", ""},
		"spreadsheet number":          {plain(), head + strings.Replace(good1, "00340434161094000001", "3,40434E+17", 1) + good2, "2 unusable, 3 accepted", "shortened by a spreadsheet"},
		"spreadsheet number, English": {plain(), head + strings.Replace(good1, "00340434161094000001", "3.4E17", 1), "2 unusable", "shortened by a spreadsheet"},
		"empty tracking number":       {plain(), head + strings.Replace(good1, "00340434161094000001", "", 1) + good2, "2 unusable, 3 accepted", "trackingNumber is missing"},
		"blank in tracking number":    {plain(), head + strings.Replace(good1, "0034", "0034 ", 1) + good2, "2 refused, 3 accepted", "has a blank inside"},
		"no carrier":                  {plain(), head + strings.Replace(good1, "DHL", "", 1), "2 unusable", "carrier is missing"},
		"order id malformed":          {plain(), head + strings.Replace(good2, "302-0000002", "302-2", 1) + good1, "2 unusable, 3 accepted", `"302-2-0000002" is not an Amazon order id`},
		"names no order":              {plain(), head + strings.Replace(good1, "A-1", "", 1), "2 unusable", "the row names no order"},
		"unknown own number":          {plain(), head + strings.Replace(good1, "A-1", "A-9", 1) + good2, "2 waiting, 3 accepted", `waiting for an order: own number "A-9" is not in the order list yet`},
		"ambiguous own number":        {plain(), head + strings.Replace(good1, "A-1", "A-3", 1), "2 waiting", "stands for several Amazon orders"},
		"own number is Amazon's":      {plain(), head + strings.Replace(good1, "A-1", "302-0000009-0000009", 1), "2 accepted", ""},
		"further parcel":              {plain(), head + good1 + strings.Replace(good1, "0001\n", "0002\n", 1), "2 accepted, 3 further_parcel", "a further parcel of the order in line 2"},
		"row twice":                   {plain(), head + good1 + good1, "2 accepted, 3 repeated", ""},
		"first row bad, second good":  {plain(), head + strings.Replace(good1, "20.11.2026", "x", 1) + good1, "2 unusable, 3 accepted", "the text in this column is not a date"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor()
			r := take(t, d, c.profile, c.content)
			if got := shown(r); got != c.want {
				t.Fatalf("got %q (%s), want %q", got, r.Refused, c.want)
			}
			reason := r.Refused
			for _, row := range r.Quarantined() {
				if row.Text == "" || len(row.Problems) == 0 {
					t.Errorf("row %d is quarantined without original or reason: %+v", row.Line, row)
				}
			}
			if q := r.Quarantined(); len(q) > 0 {
				reason = q[0].Problems[0].Field + " " + q[0].Problems[0].Text
			}
			if !strings.Contains(reason, c.reason) || c.reason == "" && strings.TrimSpace(reason) != "" {
				t.Errorf("reason %q, want %q", reason, c.reason)
			}
			want := len(r.Quarantined())
			if r.Refused != "" {
				want = 1
			}
			if len(d.rejected) != want {
				t.Errorf("%d records of rejected input, want %d", len(d.rejected), want)
			}
			for _, rec := range d.rejected {
				if rec.File != "f.csv" || rec.Source != "import" || rec.Account != "DE" || rec.Original == "" || r.Refused == "" && rec.Line == 0 {
					t.Errorf("record %+v", rec)
				}
			}
		})
	}
}

func TestWhatIsHandedIn(t *testing.T) {
	d := newDoor()
	r := take(t, d, plain(), head+good1+good2)
	if len(d.taken) != 2 || r.Counts[intake.Outcome(door.Accepted)] != 2 {
		t.Fatalf("taken %v, report %+v", d.taken, r)
	}
	for _, e := range d.taken {
		if e.Source != "/import/DE" || e.Type != event.TypeShipped || e.Data.Source != "import" || e.Data.Account != "DE" {
			t.Errorf("event %+v", e)
		}
		switch e.Data.Order {
		case "302-0000001-0000001":
			if e.ID != r.Hash[:32]+"-2" || !e.Data.ShippedAt.DateOnly || e.Data.Reference != "A-1" || e.Data.Carrier != "DHL" {
				t.Errorf("first event %+v", e)
			}
		case "302-0000002-0000002":
			if e.Data.ShippedAt.DateOnly || !e.Data.ShippedAt.Equal(time.Date(2026, 11, 20, 10, 30, 0, 0, time.UTC)) {
				t.Errorf("second event is of %s", e.Data.ShippedAt)
			}
		}
	}
}

func TestSameRowsTwiceAreNoSecondEvent(t *testing.T) {
	d := newDoor()
	first := take(t, d, plain(), head+good1+good2)
	again := take(t, d, plain(), head+good1+good2)
	if first.Hash != again.Hash || shown(again) != "2 already_known, 3 already_known" || len(d.taken) != 2 {
		t.Errorf("the same file again: %s, %d events", shown(again), len(d.taken))
	}
	other := take(t, d, plain(), head+good2+"# \n"+good1)
	if shown(other) != "2 already_known, 3 unusable, 4 already_known" || len(d.taken) != 2 {
		t.Errorf("the same rows in another file: %s, %d events", shown(other), len(d.taken))
	}
	differing := take(t, d, plain(), head+strings.Replace(good1, "0001\n", "0777\n", 1))
	if shown(differing) != "2 differs" || !strings.Contains(differing.Rows[0].Problems[0].Text, `known is "00340434161094000001", the file says "00340434161094000777"`) {
		t.Errorf("a differing row: %+v", differing.Rows)
	}
}

func TestNumberedParcelsAndItems(t *testing.T) {
	p := plain()
	p.Columns.Package, p.Columns.Item, p.Columns.Quantity = "Paket", "Position", "Menge"
	top := strings.TrimSpace(head) + ";Paket;Position;Menge\n"
	row := func(tracking, rest string) string { return "A-1;;DHL;20.11.2026;" + tracking + ";" + rest + "\n" }
	d := newDoor()
	r := take(t, d, p, top+row("T1", "1;11;2")+row("T2", "2;12;1")+row("T1", "1;13;1")+row("T1", "1;13;1")+row("T3", "2;14;1")+row("T4", "zwei;15;1")+row("T5", "3;16;0"))
	if got := shown(r); got != "2 accepted, 3 accepted, 4 accepted, 5 repeated, 6 unusable, 7 unusable, 8 unusable" {
		t.Fatalf("got %s", got)
	}
	key := shipment.Key{Connection: "EU", Order: "302-0000001-0000001", Package: "1"}
	if items := d.known[key].After.Data.Items; len(items) != 2 || items[0].OrderItemID != "11" || items[0].Quantity != 2 || items[1].OrderItemID != "13" {
		t.Errorf("items of the first parcel: %+v", items)
	}
	key.Package = "2"
	if after := d.known[key].After; after.Data.Tracking != "T2" {
		t.Errorf("second parcel: %+v", after.Data)
	}
}

func TestManyRowsGoInBatches(t *testing.T) {
	var b strings.Builder
	b.WriteString(head)
	for i := range 2300 {
		fmt.Fprintf(&b, ";302-%07d-0000001;DHL;20.11.2026;0034043416%07d\n", i, i)
	}
	d := newDoor()
	if r := take(t, d, plain(), b.String()); r.Counts["accepted"] != 2300 || fmt.Sprint(d.batches) != "[1000 1000 300]" {
		t.Errorf("%v in batches %v", r.Counts, d.batches)
	}
}

func TestADoorThatDoesNotAnswerDecidesNothing(t *testing.T) {
	d := newDoor()
	d.failing = errors.New("no answer")
	in := intake.Intake{Account: "DE", Profile: plain(), Zone: time.UTC, Door: d, Now: func() time.Time { return now }}
	content := []byte(head + good2 + "A-1;;DHL;x;1\n")
	if _, err := in.Take(t.Context(), "f.csv", content); !errors.Is(err, d.failing) || len(d.rejected) != 0 {
		t.Fatalf("error %v, %d records", err, len(d.rejected))
	}
	d.failing = nil
	if r, err := in.Take(t.Context(), "f.csv", content); err != nil || shown(r) != "2 accepted, 3 unusable" || len(d.rejected) != 1 {
		t.Errorf("second try: %s, %v", shown(r), err)
	}
}

func TestFilesForPeople(t *testing.T) {
	d := newDoor()
	r := take(t, d, plain(), head+good1+"A-9;;\"DHL\";20.11.2026;1\n")
	want := "line;outcome;field;reason;original\r\n" +
		"1;header;;;\"Auftrag;Amazon;Versender;Datum;Sendung\"\r\n" +
		"3;waiting;reference;\"reference waiting for an order: own number \"\"A-9\"\" is not in the order list yet\";\"A-9;;\"\"DHL\"\";20.11.2026;1\"\r\n"
	if got := string(r.QuarantineFile()); got != want {
		t.Errorf("quarantine\n%s\nwant\n%s", got, want)
	}
	result := string(r.ResultFile())
	if !strings.Contains(result, "2;accepted;302-0000001-0000001;1;A-1;00340434161094000001;") || !strings.Contains(result, "3;waiting;;1;A-9;1;") {
		t.Errorf("result\n%s", result)
	}
	if q := take(t, newDoor(), plain(), head+good1).QuarantineFile(); q != nil {
		t.Errorf("a quarantine file without rows: %s", q)
	}
}

// No spreadsheet computes what a carrier's file says; what is handed in again is what it was.
func TestResultsHoldNoFormulas(t *testing.T) {
	for in, want := range map[string]string{"=1+1": "'=1+1", "+49": "'+49", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1",
		"": "", "A=1": "A=1", "'=1": "'=1", "0034": "0034", "ä=": "ä="} {
		for place, r := range map[string]intake.Report{
			"order": {Rows: []intake.Row{{Order: in}}}, "package": {Rows: []intake.Row{{Package: in}}}, "reference": {Rows: []intake.Row{{Reference: in}}},
			"tracking": {Rows: []intake.Row{{Tracking: in}}}, "remarks": {Rows: []intake.Row{{Problems: []door.Problem{{Text: in}}}}},
			"warning": {Warnings: []string{in}},
		} {
			c := csv.NewReader(bytes.NewReader(r.ResultFile()))
			c.Comma = ';'
			records, err := c.ReadAll()
			if err != nil || len(records) != 2 || !slices.Contains(records[1], want) || in != want && slices.Contains(records[1], in) {
				t.Errorf("%s %q: %q, %v", place, in, records, err)
			}
		}
	}
	held := string(intake.Report{Header: "@a", Rows: []intake.Row{{Line: 2, Outcome: intake.Unusable, Text: "=1+1"}}}.QuarantineFile())
	if !strings.Contains(held, ";@a\r\n") || !strings.Contains(held, ";=1+1\r\n") {
		t.Errorf("the originals are changed:\n%s", held)
	}
}

// Reasons go to a stream; whatever slid into a mapped column must not go with them.
func TestReasonsCarryNoNames(t *testing.T) {
	d := newDoor()
	take(t, d, plain(), head+"A-1;;DHL;Erika Muster;0034\n"+"A-2;Musterweg;DHL;20.11.2026;0034\n")
	for _, r := range d.rejected {
		if s := fmt.Sprintf("%+v", r); strings.Contains(s, "Muster") {
			t.Errorf("a name is in %s", s)
		}
	}
	if len(d.rejected) != 2 {
		t.Errorf("%d records, want 2", len(d.rejected))
	}
}
