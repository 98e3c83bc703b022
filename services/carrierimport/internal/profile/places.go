package profile

import (
	"strconv"
	"strings"

	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// places are column indexes from 0; -1 where the file has no such column. last is the largest of them.
type places struct {
	order, reference, pkg, carrier, service, tracking, shippedAt, item, quantity, last int
}

type namedColumn struct {
	name   string
	column *string
}

func (c *Columns) named() []namedColumn {
	return []namedColumn{{"order", &c.Order}, {"reference", &c.Reference}, {"package", &c.Package}, {"carrier", &c.Carrier},
		{"service", &c.Service}, {"tracking", &c.Tracking}, {"shippedAt", &c.ShippedAt}, {"item", &c.Item}, {"quantity", &c.Quantity}}
}

func (a *places) fields() []*int {
	return []*int{&a.order, &a.reference, &a.pkg, &a.carrier, &a.service, &a.tracking, &a.shippedAt, &a.item, &a.quantity}
}

// locate finds the mapped columns. The reasons never quote the file's first line: without a header it would be an address.
func (p Profile) locate(t table.Table) (places, error) {
	at := places{last: -1}
	var missing []string
	for i, f := range p.Columns.named() {
		to := at.fields()[i]
		if *to = -1; *f.column == "" && len(p.Variants[f.name]) == 0 {
			continue
		}
		n, found := p.find(t.Header, f)
		switch {
		case found == 0 && *f.column == "":
			continue
		case found == 0:
			missing = append(missing, strconv.Quote(*f.column))
			continue
		case found > 1:
			return at, fault.Field(f.name, "the header has column %q %d times: keep one", *f.column, found)
		}
		*to, at.last = n, max(at.last, n)
	}
	if len(missing) == 0 {
		return at, nil
	}
	return at, explain(t, missing, p.Delimiter)
}

// find looks for a field's column, then for its variants, which are written with more or fewer blanks, dots and hyphens.
func (p Profile) find(header *table.Record, f namedColumn) (at, found int) {
	if *f.column != "" {
		at, found = find(header, *f.column)
	}
	for _, v := range p.Variants[f.name] {
		if found > 0 || header == nil {
			break
		}
		for i, h := range header.Fields {
			if loose(h) == loose(v) {
				at, found = i, found+1
			}
		}
	}
	return at, found
}

// loose is a column's name without what exports write in different ways.
func loose(name string) string {
	return strings.NewReplacer(" ", "", ".", "", "-", "", "_", "", "/", "", ":", "").Replace(strings.ToLower(name))
}

// find returns the index of a column and how many times the header has it.
func find(header *table.Record, column string) (at, found int) {
	if n, err := strconv.Atoi(column); err == nil && n > 0 {
		return n - 1, 1
	}
	if header == nil {
		return 0, 0
	}
	for i, h := range header.Fields {
		if strings.EqualFold(h, column) {
			at, found = i, found+1
		}
	}
	return at, found
}

func explain(t table.Table, missing []string, delimiter rune) error {
	columns := strings.Join(missing, ", ")
	if len(t.Header.Fields) == 1 {
		for _, d := range ";,\t|" {
			if d != delimiter && strings.ContainsRune(t.Header.Text, d) {
				return fault.New(fault.Invalid, "column %s is missing: the delimiter seems to be %q, the profile says %q", columns, d, delimiter)
			}
		}
	}
	for _, h := range t.Header.Fields {
		if shipment.ValidOrder(h) || len(h) > 5 && strings.Trim(h, "0123456789") == "" {
			return fault.New(fault.Invalid, "column %s is missing: line %d looks like a row, so the file seems to have no header line", columns, t.Header.Line)
		}
	}
	return fault.New(fault.Invalid, "column %s is missing in the header", columns)
}
