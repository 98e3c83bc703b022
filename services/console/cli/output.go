package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// Printer writes results: tables and sentences for people, or JSON for programs. Under JSON nothing else reaches Out.
type Printer struct {
	Out  io.Writer
	Err  io.Writer // progress and remarks
	JSON bool
}

// Table prints rows under a head, or value as JSON.
func (p Printer) Table(value any, head []string, rows [][]string) error {
	if p.JSON {
		return p.json(value)
	}
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.ToUpper(strings.Join(head, "\t")))
	for _, r := range rows {
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	return w.Flush()
}

// Say prints a sentence, or value as JSON.
func (p Printer) Say(value any, format string, args ...any) error {
	if p.JSON {
		return p.json(value)
	}
	_, err := fmt.Fprintf(p.Out, format+"\n", args...)
	return err
}

// Remark tells people something beside the result.
func (p Printer) Remark(format string, args ...any) { fmt.Fprintf(p.Err, format+"\n", args...) }

func (p Printer) json(v any) error {
	e := json.NewEncoder(p.Out)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// Bar shows the progress of long work: redrawn in place on a terminal, else a line now and then.
type Bar struct {
	to       io.Writer
	terminal bool
	label    string
	last     time.Time
	drawn    bool
}

// every is how often progress is told where lines cannot be redrawn.
const every = 2 * time.Second

// NewBar makes a bar. Whether w is a terminal decides how it is drawn.
func NewBar(w io.Writer, label string) *Bar { return &Bar{to: w, terminal: Terminal(w), label: label} }

// Show draws the bar at done of total with a remark.
func (b *Bar) Show(now time.Time, done, total int, remark string) {
	if !b.terminal {
		if now.Sub(b.last) < every {
			return
		}
		b.last = now
		fmt.Fprintf(b.to, "%s %d of %d %s\n", b.label, done, total, remark)
		return
	}
	const width = 30
	filled := 0
	if total > 0 {
		filled = min(width, width*done/total)
	}
	b.drawn = true
	fmt.Fprintf(b.to, "\r\033[K%s [%s%s] %d/%d %s", b.label, strings.Repeat("=", filled), strings.Repeat(" ", width-filled), done, total, remark)
}

// End leaves the line the bar was drawn on. The bar may be shown again.
func (b *Bar) End() {
	if b.drawn {
		fmt.Fprintln(b.to)
		b.drawn = false
	}
}

// Terminal reports whether somebody is looking at w.
func Terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// when prints a time as people read it, in the local zone; "" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}
