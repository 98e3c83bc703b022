// Package table takes a carrier's text file apart into records. It owns encodings, line ends, delimiters, quotes, comments
// and the header, and guarantees that one broken line costs that line only: it is returned with its number, its text
// and the reason, and the lines after it are read as if it were not there. It is pure and does not know what columns
// mean; what makes a whole file unusable is an error, not a guess.
package table

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/fertig-project/fertig/shared/fault"
)

// Encoding is how bytes stand for letters.
type Encoding string

// The encodings carriers use.
const (
	UTF8   Encoding = "utf-8"
	CP1252 Encoding = "cp1252"
	Latin1 Encoding = "iso-8859-1"
)

// Limits of a file.
const (
	MaxBytes = 64 << 20
	MaxLine  = 64 << 10 // bytes of one line, and of one record over several
	maxJoin  = 20       // lines of one record
)

// Format describes a file.
type Format struct {
	Encoding  Encoding
	Delimiter rune
	Quoted    bool   // fields may stand in "
	Comment   string // lines that begin with it are passed over; empty: none
	SkipLines int    // before the header
	Header    bool
	Ragged    bool // fields beyond the header's width are not an error
}

// Record is one record of the file.
type Record struct {
	Line    int      // of its first line, from 1
	Text    string   // as it stands in the file, decoded
	Fields  []string // without blanks around them
	Problem string   // why it cannot be used; Fields are empty then
	AtEnd   bool     // the file ends within or right after this line, without a line end
}

// Table is a file taken apart.
type Table struct {
	Header   *Record // nil when the format has none
	Records  []Record
	Warnings []string
}

// Parse takes content apart. An error is about the whole file and says what to do.
func Parse(content []byte, f Format) (Table, error) {
	if err := whole(content); err != nil {
		return Table{}, err
	}
	var t Table
	content, enc := encoding(content, f.Encoding, &t)
	lines, open := split(content)
	p := parser{f: f, enc: enc, lines: lines}
	if open {
		p.last = len(lines) - 1
	} else {
		p.last = -1
	}
	p.run(&t)
	if f.Header && t.Header == nil {
		return Table{}, fault.New(fault.Invalid, "the file has no header line")
	}
	if t.Header != nil && t.Header.Problem != "" {
		return Table{}, fault.New(fault.Invalid, "the header in line %d cannot be read: %s", t.Header.Line, t.Header.Problem)
	}
	return t, nil
}

func whole(content []byte) error {
	switch {
	case len(content) > MaxBytes:
		return fault.New(fault.Invalid, "the file has %d bytes, at most %d are allowed: split it", len(content), MaxBytes)
	case len(bytes.TrimSpace(content)) == 0:
		return fault.New(fault.Invalid, "the file is empty")
	case bytes.HasPrefix(content, []byte{0xFF, 0xFE}) || bytes.HasPrefix(content, []byte{0xFE, 0xFF}):
		return fault.New(fault.Invalid, "the file is UTF-16 text: save it as UTF-8 or in the configured encoding")
	}
	if i := bytes.IndexByte(content, 0); i >= 0 {
		return fault.New(fault.Invalid, "byte %d is NUL: this is not a text file", i+1)
	}
	return nil
}

var bom = []byte{0xEF, 0xBB, 0xBF}

// encoding settles how to decode. A byte order mark settles it beyond doubt, and text that is not plain ASCII yet valid
// UTF-8 as a whole is UTF-8 whatever the profile says: in the other encodings it would be gibberish.
func encoding(content []byte, enc Encoding, t *Table) ([]byte, Encoding) {
	if bytes.HasPrefix(content, bom) {
		return content[len(bom):], UTF8
	}
	if enc != UTF8 && utf8.Valid(content) && bytes.ContainsFunc(content, func(r rune) bool { return r >= utf8.RuneSelf }) {
		t.Warnings = append(t.Warnings, fmt.Sprintf("the profile says %s, but the file is UTF-8: it was read as that", enc))
		return content, UTF8
	}
	return content, enc
}

// split cuts at LF, CRLF and lone CR. open says that the last line has no line end.
func split(content []byte) (lines [][]byte, open bool) {
	for len(content) > 0 {
		i := bytes.IndexAny(content, "\r\n")
		if i < 0 {
			return append(lines, content), true
		}
		lines = append(lines, content[:i])
		if content[i] == '\r' && i+1 < len(content) && content[i+1] == '\n' {
			i++
		}
		content = content[i+1:]
	}
	return lines, false
}

type parser struct {
	f     Format
	enc   Encoding
	lines [][]byte
	last  int // index of the line without an end, or -1
}

func (p *parser) run(t *Table) {
	for i := min(p.f.SkipLines, len(p.lines)); i < len(p.lines); {
		text, problem := p.decode(p.lines[i])
		if problem == "" && (p.blank(text) || p.f.Comment != "" && strings.HasPrefix(text, p.f.Comment)) {
			i++
			continue
		}
		rec, used := Record{Line: i + 1, Text: text, Problem: problem}, 1
		if problem == "" {
			rec, used = p.record(i, text, t.Header)
		}
		rec.AtEnd = i+used-1 == p.last
		i += used
		if p.f.Header && t.Header == nil {
			t.Header = &rec
			continue
		}
		t.Records = append(t.Records, rec)
	}
}

// blank reports whether a line says nothing: blanks, delimiters and quotes only, as spreadsheets write below a table.
func (p *parser) blank(text string) bool {
	return strings.Trim(text, " \t\""+string(p.f.Delimiter)) == ""
}

// record reads the record that begins in line i and says how many lines it takes.
func (p *parser) record(i int, text string, header *Record) (Record, int) {
	rec := Record{Line: i + 1, Text: text}
	if !p.f.Quoted || !strings.Contains(text, `"`) {
		rec.Fields = trim(strings.Split(text, string(p.f.Delimiter)))
		rec.Problem = p.width(rec.Fields, header)
		return rec.settle(), 1
	}
	joined, n, problem := p.join(i, text)
	if problem == "" {
		fields, err := p.csv(joined)
		switch {
		case err != nil && n == 1:
			problem = "a quote stands in the wrong place: quotes go around a whole field, and one inside is doubled"
		case err != nil:
			problem = unclosed
		default:
			fields = trim(fields)
			if problem = p.width(fields, header); problem == "" {
				return Record{Line: i + 1, Text: joined, Fields: fields}, n
			}
		}
	}
	rec.Problem = problem
	return rec, 1
}

const unclosed = "a quote is opened and not closed in this line"

// join adds lines until the quotes come in pairs. If that fails, only line i is to blame, not what follows it.
func (p *parser) join(i int, text string) (joined string, n int, problem string) {
	for n = 1; strings.Count(text, `"`)%2 == 1; n++ {
		if n == maxJoin || i+n >= len(p.lines) {
			return "", 1, unclosed
		}
		next, bad := p.decode(p.lines[i+n])
		if bad != "" || len(text)+len(next) > MaxLine {
			return "", 1, unclosed
		}
		text += "\n" + next
	}
	return text, n, ""
}

func (p *parser) csv(text string) ([]string, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = p.f.Delimiter, -1
	return r.Read()
}

// width compares a record with the header. Fewer fields are the caller's business: only it knows which ones it needs.
func (p *parser) width(fields []string, header *Record) string {
	if header == nil || p.f.Ragged || len(fields) <= len(header.Fields) {
		return ""
	}
	for _, extra := range fields[len(header.Fields):] {
		if extra != "" {
			return fmt.Sprintf("the line has %d fields, the header has %d: a delimiter stands inside a field without quotes", len(fields), len(header.Fields))
		}
	}
	return ""
}

func (r Record) settle() Record {
	if r.Problem != "" {
		r.Fields = nil
	}
	return r
}

func trim(fields []string) []string {
	for i, f := range fields {
		fields[i] = strings.Trim(f, " \t\u00a0")
	}
	return fields
}

// decode turns a line into text. Of a line that cannot be decoded every byte is kept as the letter Latin-1 gives it.
func (p *parser) decode(line []byte) (text, problem string) {
	if len(line) > MaxLine {
		return string(latin1(line[:1000])) + " …", fmt.Sprintf("the line has %d bytes, at most %d are allowed: the whole of it is in the archived file", len(line), MaxLine)
	}
	switch p.enc {
	case UTF8:
		if i := invalid(line); i >= 0 {
			return latin1(line), fmt.Sprintf("byte %d (0x%02X) is not UTF-8: save the file as UTF-8, or set encoding to cp1252", i+1, line[i])
		}
		return string(line), ""
	case CP1252:
		b, err := charmap.Windows1252.NewDecoder().Bytes(line)
		if err == nil && !control(string(b)) {
			return string(b), ""
		}
	default:
		if s := latin1(line); !control(s) {
			return s, ""
		}
	}
	return latin1(line), fmt.Sprintf("the line has bytes that are no letters in %s: check the encoding", p.enc)
}

func invalid(line []byte) int {
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

// control finds the C1 controls, which no carrier writes: they show that the bytes were meant in another encoding.
func control(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 && r < 0xA0 || r == utf8.RuneError })
}
