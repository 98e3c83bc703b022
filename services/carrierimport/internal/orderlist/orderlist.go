// Package orderlist translates a merchant's own order numbers into Amazon's. It reads the two-column file (own number,
// Amazon order id) that the merchant's system writes, and guarantees that a number which stands for two orders is never
// guessed at. It is pure: reading the file itself is the caller's business, and it keeps nothing between two files.
package orderlist

import (
	"fmt"
	"strings"

	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
	"github.com/fertig-project/fertig/shared/shipment"
)

// List translates own numbers. The zero List knows none.
type List struct {
	ids       map[string]string
	ambiguous map[string]bool
	// Warnings name lines that could not be used.
	Warnings []string
}

// Parse reads a list. The delimiter is the one of ; , | and tab that the first line has; a first line without an Amazon
// order id is a header.
func Parse(content []byte) (List, error) {
	l := List{ids: map[string]string{}, ambiguous: map[string]bool{}}
	t, err := table.Parse(content, table.Format{Encoding: table.CP1252, Delimiter: delimiter(content), Quoted: true})
	if err != nil {
		return l, err
	}
	for i, r := range t.Records {
		switch {
		case r.Problem != "":
			l.warn(r.Line, r.Problem)
		case len(r.Fields) < 2:
			l.warn(r.Line, "it has one column, two are needed")
		case !shipment.ValidOrder(r.Fields[1]):
			if i > 0 {
				l.warn(r.Line, "the second column is not an Amazon order id")
			}
		case r.Fields[0] == "":
			l.warn(r.Line, "the own number is missing")
		default:
			l.add(r.Fields[0], r.Fields[1])
		}
	}
	return l, nil
}

func (l *List) warn(line int, why string) {
	if len(l.Warnings) < 20 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("order list, line %d: %s", line, why))
	}
}

func (l *List) add(own, id string) {
	if old, known := l.ids[own]; known && old != id {
		l.ambiguous[own] = true
	}
	l.ids[own] = id
}

// Find translates an own number. why says why there is no id.
func (l List) Find(own string) (id, why string) {
	if l.ambiguous[own] {
		return "", fmt.Sprintf("own number %q stands for several Amazon orders in the order list", own)
	}
	if id, ok := l.ids[own]; ok {
		return id, ""
	}
	return "", fmt.Sprintf("own number %q is not in the order list yet", own)
}

// Ambiguous reports whether an own number stands for several orders.
func (l List) Ambiguous(own string) bool { return l.ambiguous[own] }

func delimiter(content []byte) rune {
	first, _, _ := strings.Cut(string(content[:min(len(content), 4096)]), "\n")
	for _, d := range ";|\t," {
		if strings.ContainsRune(first, d) {
			return d
		}
	}
	return ';'
}
