package profile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/services/carrierimport/internal/profile"
	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDHL(t *testing.T) {
	content := "POOL_REF_NO|POOL_COST_CENTER|POOL_PRODUCT|POOL_SHIPMENT_ID|POOL_SHIPMENT_DATE|POOL_CUSTOMS\r\n" +
		"A-1||DHL Paket|00340434161094000001|20.11.2026|Tasse|1|12.50\r\n" + // customs lines have further |
		"A-2||\xDCbergr\xF6\xDFe|00340434161094000002|20261120|\r\n" +
		"A-3||DHL Paket|00340434161094000003\r\n"
	s, err := profile.DHL().Read([]byte(content), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rows) != 3 || s.HasPackage || s.HasItems || s.HeaderLine != 1 {
		t.Fatalf("sheet %+v", s)
	}
	a, b, c := s.Rows[0], s.Rows[1], s.Rows[2]
	if a.Reference != "A-1" || a.Carrier != "DHL" || a.Service != "DHL Paket" || a.Tracking != "00340434161094000001" || !a.ShippedAt.DateOnly || len(a.Problems) > 0 {
		t.Errorf("first row %+v", a)
	}
	if b.Service != "Übergröße" || b.ShippedAt.Format(time.DateOnly) != "2026-11-20" || len(b.Problems) > 0 {
		t.Errorf("second row %+v", b)
	}
	if len(c.Problems) != 1 || !strings.Contains(c.Problems[0].Text, "has 4 fields, 5 are needed") {
		t.Errorf("third row %+v", c)
	}
}

// DPD's and GLS's programs write the same things under many names and in many ways.
func TestDPDAndGLS(t *testing.T) {
	for name, c := range map[string]struct {
		profile       profile.Profile
		content, want string
	}{
		"dpd":                      {profile.DPD(), "\"Paketscheinnummer\";\"Referenz 1\";\"Versanddatum\";\"Produkt\"\r\n\"0150\";\"A;1\";\"20.11.2026\";\"Classic\"\r\n", "DPD Classic 0150 A;1 2026-11-20 true"},
		"dpd, short headings":      {profile.DPD(), "Datum;Kundenreferenz;Paketschein-Nr.\n20.11.26;A-1;0150\n", "DPD  0150 A-1 2026-11-20 true"},
		"dpd, english, tabs":       {profile.DPD(), "Parcel label number\tReference 1\tReference 2\tShipping date\tProduct\n0150\tA-1\tB\t2026-11-20 13:05:00\tClassic\n", "DPD Classic 0150 A-1 2026-11-20 false"},
		"dpd, two references":      {profile.DPD(), "Kundenreferenz;Referenz 1;Paketscheinnummer;Versanddatum\nB;A-1;0150;20.11.2026\n", "DPD  0150 A-1 2026-11-20 true"},
		"dpd, windows letters":     {profile.DPD(), "Paketscheinnummer;Referenz 1;Versanddatum;Produkt\n0150;A-1;20.11.2026;Gr\xf6\xdfe\n", "DPD Größe 0150 A-1 2026-11-20 true"},
		"gls":                      {profile.GLS(), "Paketnummer;TrackID;Referenz;Datum;Produkt\n50123;Z7D1;A-1;20.11.2026;BusinessParcel\n", "GLS BusinessParcel 50123 A-1 2026-11-20 true"},
		"gls, track id only":       {profile.GLS(), "Track-ID;Kundenreferenz;Versanddatum\nZ7D1;A-1;20.11.2026 14:05\n", "GLS  Z7D1 A-1 2026-11-20 false"},
		"gls, utf-8, commas":       {profile.GLS(), "\uFEFFPaket-Nr.,Referenznummer,Erstellt am,Service\n50123,A-1,2026-11-20,\"Flex, Größe\"\n", "GLS Flex, Größe 50123 A-1 2026-11-20 true"},
		"gls, no reference":        {profile.GLS(), "Paketnummer;Datum\n50123;20.11.2026\n", `column "Referenz" is missing in the header`},
		"gls, the same name twice": {profile.GLS(), "Paket-Nr;Paket Nr.;Referenz;Datum\n1;2;A;20.11.2026\n", `tracking: the header has column "Paketnummer" 2 times: keep one`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := c.profile.Read([]byte(c.content), time.UTC)
			got := fmt.Sprint(err)
			if err == nil {
				r := s.Rows[0]
				got = fmt.Sprintf("%s %s %s %s %s %v", r.Carrier, r.Service, r.Tracking, r.Reference, r.ShippedAt.Format(time.DateOnly), r.ShippedAt.DateOnly)
				if len(s.Rows) != 1 || len(r.Problems) > 0 {
					t.Errorf("%+v", s.Rows)
				}
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	for _, p := range []profile.Profile{profile.DPD(), profile.GLS()} {
		if err := p.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestColumnsByNumberAndComments(t *testing.T) {
	p := profile.Profile{
		Format:  table.Format{Encoding: table.Latin1, Delimiter: '\t', SkipLines: 1, Comment: "#"},
		Columns: profile.Columns{Order: "1", Tracking: "3", ShippedAt: "2"}, Layouts: []string{"2006-01-02T15:04:05Z07:00"}, Carrier: "GLS", Service: "Business",
	}
	s, err := p.Read([]byte("Export of today\n# comment\n302-0000001-0000001\t2026-11-20T12:00:00+01:00\tZ1234\n"), time.UTC)
	if err != nil || len(s.Rows) != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	r := s.Rows[0]
	if r.Line != 3 || r.Order != "302-0000001-0000001" || r.Tracking != "Z1234" || r.Carrier != "GLS" || r.Service != "Business" ||
		!r.ShippedAt.Equal(time.Date(2026, 11, 20, 11, 0, 0, 0, time.UTC)) || r.ShippedAt.DateOnly || len(r.Problems) > 0 {
		t.Errorf("row %+v", r)
	}
}

func TestUTF8WhateverTheProfileSays(t *testing.T) {
	p := profile.DHL()
	s, err := p.Read([]byte("POOL_REF_NO|POOL_PRODUCT|POOL_SHIPMENT_ID|POOL_SHIPMENT_DATE\nA|Übergröße|1|20.11.2026\n"), time.UTC)
	if err != nil || s.Rows[0].Service != "Übergröße" || len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "the file is UTF-8") {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestCheck(t *testing.T) {
	ok := profile.DHL()
	if err := ok.Check(); err != nil {
		t.Errorf("the ready-made profile: %v", err)
	}
	for want, change := range map[string]func(*profile.Profile){
		"columns.tracking":  func(p *profile.Profile) { p.Columns.Tracking = "" },
		"columns.shippedAt": func(p *profile.Profile) { p.Columns.ShippedAt = "" },
		"columns.order":     func(p *profile.Profile) { p.Columns.Reference = "" },
		"columns.carrier":   func(p *profile.Profile) { p.Carrier = "" },
		"columns.item":      func(p *profile.Profile) { p.Columns.Quantity = "Menge" },
		"columns.reference": func(p *profile.Profile) { p.Header = false },
	} {
		p := profile.DHL()
		change(&p)
		if err := p.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s in: %v", want, err)
		}
	}
}

// Whatever a row's cells hold, quoting them and reading them back gives them as they were, and every line counts once.
func TestReadsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[A-Za-z0-9äöü;" -]{1,12}`).Filter(func(s string) bool { return strings.TrimSpace(s) == s })
		n := rapid.IntRange(1, 8).Draw(t, "rows")
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end")
		var b strings.Builder
		b.WriteString("ref;carrier;tracking;date" + end)
		var refs, carriers []string
		for range n {
			ref, carrier := word.Draw(t, "ref"), word.Draw(t, "carrier")
			refs, carriers = append(refs, ref), append(carriers, carrier)
			quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
			b.WriteString(quote(ref) + ";" + quote(carrier) + ";T1;2026-11-20" + end)
		}
		p := profile.Profile{Format: table.Format{Encoding: table.UTF8, Delimiter: ';', Quoted: true, Header: true},
			Columns: profile.Columns{Reference: "ref", Carrier: "carrier", Tracking: "tracking", ShippedAt: "date"}, Layouts: []string{time.DateOnly}}
		s, err := p.Read([]byte(b.String()), time.UTC)
		if err != nil || len(s.Rows) != n {
			t.Fatalf("%d rows of %d, %v", len(s.Rows), n, err)
		}
		for i, r := range s.Rows {
			if r.Line != i+2 || len(r.Problems) > 0 || r.Reference != refs[i] || r.Carrier != carriers[i] {
				t.Fatalf("row %d: %+v, want %q and %q", i, r, refs[i], carriers[i])
			}
		}
	})
}

// However broken the file: no panic, no row twice, and a usable row has all that an event needs.
func FuzzRead(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("..", "..", "samples", "*"))
	if err != nil || len(samples) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, path := range samples {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2000)], false)
		f.Add(b[:min(len(b), 2000)], true)
	}
	for _, s := range []string{"", "a;b\n\"", "ref;carrier;tracking;date\n\"A\n\";DHL;1;2026-11-20\r\"\"\"", "\xEF\xBB\xBFref;carrier;tracking;date\r\r\n;;;\n\xff;\x81;1;2"} {
		f.Add([]byte(s), true)
	}
	generic := profile.Profile{Format: table.Format{Encoding: table.UTF8, Delimiter: ';', Quoted: true, Header: true, Comment: "#"},
		Columns: profile.Columns{Reference: "ref", Carrier: "carrier", Tracking: "tracking", ShippedAt: "date", Package: "5"}, Layouts: []string{time.DateOnly}}
	f.Fuzz(func(t *testing.T, content []byte, quoted bool) {
		p := profile.DHL()
		if quoted {
			p = generic
		}
		for _, p := range []profile.Profile{p, profile.DPD(), profile.GLS()} {
			sound(t, p, content)
		}
	})
}

func sound(t *testing.T, p profile.Profile, content []byte) {
	s, err := p.Read(content, time.UTC)
	if err != nil {
		return
	}
	last := s.HeaderLine
	for _, r := range s.Rows {
		if r.Line <= last {
			t.Fatalf("line %d after line %d", r.Line, last)
		}
		last = r.Line
		if len(r.Problems) == 0 && (r.Tracking == "" || r.Carrier == "" || r.ShippedAt.IsZero() || r.Order == "" && r.Reference == "") {
			t.Fatalf("a row without a problem lacks something: %+v", r)
		}
	}
	if lines := strings.Count(string(content), "\n") + strings.Count(string(content), "\r") + 1; last > lines {
		t.Fatalf("line %d of %d", last, lines)
	}
}
