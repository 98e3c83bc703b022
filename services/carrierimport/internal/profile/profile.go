// Package profile reads the rows of one kind of carrier file. It owns which column means what, how dates are written, and
// the defects a cell can have; it guarantees that of a row only the mapped columns go further (whatever else stands in
// the file, addresses above all, ends here) and that a row which cannot be used says why and which column to mend. It
// is pure; it does not know orders, accounts or what was reported before.
package profile

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Columns says where things stand: by the header's name or by number from 1. Empty: not in the file.
type Columns struct {
	Order, Reference, Package           string
	Carrier, Service                    string
	Tracking, ShippedAt, Item, Quantity string
}

// Profile describes one kind of file.
type Profile struct {
	table.Format
	Columns Columns
	Layouts []string // of dates, as package time writes them; the first that fits wins
	Carrier string   // where the file names none
	Service string

	// Variants are further names of a column in the header, by the field's name as in the configuration, the better first.
	// A field that has variants and no column is read where the file has it.
	Variants map[string][]string
	// Delimiters are tried on the first line, and the one that gives the most fields is taken. Empty: Delimiter as it is.
	Delimiters string
}

// DHL is the export of DHL's "Versenden": fields separated by |, Windows letters, a header of POOL_ columns with the
// sender's reference first. Columns are found by name, so that the many others, and their order, do not matter; the last
// column may hold further | for customs lines.
func DHL() Profile {
	return Profile{
		Format: table.Format{Encoding: table.CP1252, Delimiter: '|', Header: true, Ragged: true},
		Columns: Columns{Reference: "POOL_REF_NO", Service: "POOL_PRODUCT", Tracking: "POOL_SHIPMENT_ID",
			ShippedAt: "POOL_SHIPMENT_DATE"},
		Layouts: []string{"02.01.2006", "20060102", time.DateOnly, "02.01.2006 15:04", "02.01.2006 15:04:05"},
		Carrier: "DHL",
	}
}

// Row is what one record says about a parcel.
type Row struct {
	Line      int
	Text      string // the record as it stands in the file: for the quarantine only
	Order     string // Amazon order id, if the file has it
	Reference string // the merchant's own number
	Package   string
	Carrier   string
	Service   string
	Tracking  string
	ShippedAt event.Time
	Item      *shipment.Item
	Problems  []door.Problem // not empty: the row cannot be used
}

// Sheet is a file read.
type Sheet struct {
	HeaderText string
	HeaderLine int
	Rows       []Row
	Warnings   []string
	HasPackage bool // the profile numbers parcels
	HasItems   bool
}

// Read reads a file. Dates without a zone are read in zone. An error is about the whole file.
func (p Profile) Read(content []byte, zone *time.Location) (Sheet, error) {
	p.Delimiter = p.delimiter(content)
	t, err := table.Parse(content, p.Format)
	if err != nil {
		return Sheet{}, err
	}
	at, err := p.locate(t)
	if err != nil {
		return Sheet{}, err
	}
	s := Sheet{Warnings: t.Warnings, HasPackage: at.pkg >= 0, HasItems: at.item >= 0}
	if t.Header != nil {
		s.HeaderText, s.HeaderLine = t.Header.Text, t.Header.Line
	}
	for _, r := range t.Records {
		s.Rows = append(s.Rows, p.row(r, at, zone))
	}
	if len(s.Rows) == 0 {
		s.Warnings = append(s.Warnings, "the file has a header and no rows")
	}
	cutOff(s.Rows, t, at)
	return s, nil
}

func (p Profile) row(r table.Record, at places, zone *time.Location) Row {
	row := Row{Line: r.Line, Text: r.Text}
	if r.Problem != "" {
		row.bad("", "%s", r.Problem)
		return row
	}
	if len(r.Fields) <= at.last {
		what := "the line has %d fields, %d are needed"
		if r.AtEnd {
			what = "the file ends in the middle of this line: it has %d fields, %d are needed"
		}
		row.bad("", what, len(r.Fields), at.last+1)
		return row
	}
	get := func(i int) string {
		if i < 0 {
			return ""
		}
		return r.Fields[i]
	}
	row.Order, row.Reference, row.Package = get(at.order), get(at.reference), get(at.pkg)
	row.Tracking = get(at.tracking)
	row.Carrier, row.Service = or(get(at.carrier), p.Carrier), or(get(at.service), p.Service)
	row.checkOrder()
	row.checkTracking()
	row.readDate(get(at.shippedAt), p.Layouts, zone)
	if at.item >= 0 {
		row.readItem(get(at.item), get(at.quantity), at.quantity >= 0)
	}
	if at.pkg >= 0 && !shipment.ValidPackage(row.Package) {
		row.bad("packageReferenceId", "%s is not a parcel number: it counts 1, 2, 3 …", quote(row.Package))
	}
	if row.Carrier == "" {
		row.bad("carrier", "is missing, and the profile names no carrier for the whole file")
	}
	return row
}

func (r *Row) bad(field, format string, args ...any) {
	r.Problems = append(r.Problems, door.Problem{Field: field, Text: fmt.Sprintf(format, args...)})
}

func (r *Row) checkOrder() {
	switch {
	case r.Order == "" && r.Reference == "":
		r.bad("reference", "is missing: the row names no order")
	case r.Order == "" && shipment.ValidOrder(r.Reference): // many merchants print Amazon's number on the label
		r.Order = r.Reference
	case r.Order != "" && !shipment.ValidOrder(r.Order):
		r.bad("amazonOrderId", "%s is not an Amazon order id: it looks like 302-1234567-1234567", quote(r.Order))
	}
}

var code = regexp.MustCompile(`^[0-9A-Za-z.,:+/_-]{1,40}$`)

// quote shows a value that looks like a number or code. Anything else may be an address that slid into the wrong column,
// and reasons travel further than the quarantine.
func quote(s string) string {
	if code.MatchString(s) && strings.ContainsAny(s, "0123456789") {
		return strconv.Quote(s)
	}
	return "the text in this column"
}

var scientific = regexp.MustCompile(`^[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+$`)

func (r *Row) checkTracking() {
	switch {
	case r.Tracking == "":
		r.bad("trackingNumber", "is missing")
	case scientific.MatchString(r.Tracking):
		r.bad("trackingNumber", "%s was shortened by a spreadsheet and its digits are lost: export again with the column formatted as text", quote(r.Tracking))
	}
}

func (r *Row) readDate(s string, layouts []string, zone *time.Location) {
	if s == "" {
		r.bad("shippedAt", "is missing")
		return
	}
	for _, l := range layouts {
		t, err := time.ParseInLocation(l, s, zone)
		if err != nil {
			continue
		}
		if t.Year() < 2000 || t.Year() > 2200 {
			break
		}
		if strings.Contains(l, "15") {
			r.ShippedAt = event.Time{Time: t.UTC()}
		} else {
			r.ShippedAt = event.Time{Time: time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC), DateOnly: true}
		}
		return
	}
	r.bad("shippedAt", "%s is not a date in the profile's format", quote(s))
}

func (r *Row) readItem(id, quantity string, has bool) {
	n := 1
	if has {
		var err error
		if n, err = strconv.Atoi(quantity); err != nil || n < 1 {
			r.bad("items.quantity", "%s must be a whole number of at least 1", quote(quantity))
			return
		}
	}
	if id == "" {
		r.bad("items.orderItemId", "is missing")
		return
	}
	r.Item = &shipment.Item{OrderItemID: id, Quantity: n}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// cutOff distrusts a last line without a line end whose last field is the tracking number, when that is shorter than any
// other of the same carrier: the file was probably cut there.
func cutOff(rows []Row, t table.Table, at places) {
	if len(rows) < 2 || !t.Records[len(rows)-1].AtEnd || len(t.Records[len(rows)-1].Fields) != at.tracking+1 {
		return
	}
	last, shortest := &rows[len(rows)-1], 0
	for _, r := range rows[:len(rows)-1] {
		if n := len(r.Tracking); n > 0 && r.Carrier == last.Carrier && (shortest == 0 || n < shortest) {
			shortest = n
		}
	}
	if len(last.Tracking) > 0 && len(last.Tracking) < shortest {
		last.bad("trackingNumber", "%s is shorter than the carrier's others and the file ends right behind it: the file seems to be cut off", quote(last.Tracking))
	}
}

// Check reports a profile that could never work.
func (p Profile) Check() error {
	c := p.Columns
	switch {
	case c.Tracking == "":
		return fault.Field("columns.tracking", "is missing: which column holds the tracking number?")
	case c.ShippedAt == "":
		return fault.Field("columns.shippedAt", "is missing: which column holds the day or time of shipping?")
	case c.Order == "" && c.Reference == "":
		return fault.Field("columns.order", "is missing: name the column of the Amazon order id, or reference for the own number")
	case c.Carrier == "" && p.Carrier == "":
		return fault.Field("columns.carrier", "is missing: name the column, or set carrier for the whole file")
	case c.Quantity != "" && c.Item == "":
		return fault.Field("columns.item", "is missing: a quantity belongs to an item")
	}
	if p.Header {
		return nil
	}
	for _, f := range c.named() {
		if n, err := strconv.Atoi(*f.column); *f.column != "" && (err != nil || n < 1) {
			return fault.Field("columns."+f.name, "%q must be a column number from 1: the file has no header", *f.column)
		}
	}
	return nil
}
