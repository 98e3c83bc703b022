// Package observe is how a process shows what it does: structured logs and health endpoints. It owns the format of logs
// (text for a person at a terminal, JSON for machines) and guarantees that a health check has a bound and that one slow
// or failing check never hides another. It knows nothing of what is checked, sends nothing anywhere, and keeps no
// global logger: whoever needs one is given one.
package observe

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// Format is how log lines look.
type Format string

// The formats. Auto is text on a terminal and JSON otherwise.
const (
	Auto Format = "auto"
	Text Format = "text"
	JSON Format = "json"
)

// NewLogger writes to w. Every line carries the service's name.
func NewLogger(w io.Writer, service string, level slog.Level, f Format) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if f == Text || f != JSON && terminal(w) {
		return slog.New(slog.NewTextHandler(w, opts)).With("service", service)
	}
	return slog.New(slog.NewJSONHandler(w, opts)).With("service", service)
}

// ParseLevel reads debug, info, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	switch strings.ToLower(s) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not a log level: use debug, info, warn or error", s)
}

// ParseFormat reads auto, text or json.
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case Auto, Text, JSON:
		return f, nil
	case "":
		return Auto, nil
	}
	return "", fmt.Errorf("%q is not a log format: use auto, text or json", s)
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
