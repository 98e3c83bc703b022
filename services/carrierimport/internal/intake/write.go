package intake

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/fertig-project/fertig/shared/door"
)

// ResultFile writes what became of every row, as CSV for people: separated by ; so that a spreadsheet opens it. A cell that
// a spreadsheet would take for a formula has a single quote before it.
func (r Report) ResultFile() []byte {
	rows := [][]string{{"line", "outcome", "amazonOrderId", "packageReferenceId", "reference", "trackingNumber", "remarks"}}
	if r.Refused != "" {
		rows = append(rows, []string{"", string(Unusable), "", "", "", "", r.Refused})
	}
	for _, w := range r.Warnings {
		rows = append(rows, []string{"", "warning", "", "", "", "", w})
	}
	for _, x := range r.Rows {
		rows = append(rows, []string{strconv.Itoa(x.Line), string(x.Outcome), x.Order, x.Package, x.Reference, x.Tracking,
			words(append(x.Problems[:len(x.Problems):len(x.Problems)], x.Warnings...))})
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = plain(cell)
		}
	}
	return table(rows)
}

// QuarantineFile writes the rows that could not be used with line, reason and original, nil when there are none. Its
// first record after the heading is the original's header, so that repaired rows can be handed in as a file again. For the
// same reason the originals stand there as they came, formulas included: a quote before one would be read as part of it.
func (r Report) QuarantineFile() []byte {
	held := r.Quarantined()
	if len(held) == 0 {
		return nil
	}
	rows := [][]string{{"line", "outcome", "field", "reason", "original"}}
	if r.Header != "" {
		rows = append(rows, []string{strconv.Itoa(r.HeaderLine), "header", "", "", r.Header})
	}
	for _, x := range held {
		var fields []string
		for _, p := range x.Problems {
			if p.Field != "" {
				fields = append(fields, p.Field)
			}
		}
		rows = append(rows, []string{strconv.Itoa(x.Line), string(x.Outcome), strings.Join(fields, " "), words(x.Problems), x.Text})
	}
	return table(rows)
}

// plain keeps a spreadsheet from computing a cell that came from a file.
func plain(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func words(ps []door.Problem) string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Text
		if p.Field != "" {
			out[i] = p.Field + " " + p.Text
		}
	}
	return strings.Join(out, "; ")
}

func table(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Comma, w.UseCRLF = ';', true
	_ = w.WriteAll(rows) // a bytes.Buffer does not fail
	return b.Bytes()
}
