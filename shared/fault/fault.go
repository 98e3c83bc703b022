// Package fault gives errors a machine code and a human sentence. It owns the list of kinds that every door of Fertig
// knows, and guarantees that the kind of an error survives wrapping with fmt.Errorf and %w. It does not log, translate
// or decide what happens next: a kind that nobody set is Internal.
package fault

import (
	"errors"
	"fmt"
)

// Kind says what sort of trouble an error is, independent of the transport that reports it.
type Kind string

// The kinds. Invalid is the caller's to mend, Conflict is settled by reading again, Unavailable and Throttled by
// waiting, Forbidden by another role; Internal is ours.
const (
	Invalid     Kind = "invalid"
	NotFound    Kind = "not_found"
	Conflict    Kind = "conflict"
	Forbidden   Kind = "forbidden"
	Throttled   Kind = "throttled"
	Unavailable Kind = "unavailable"
	Internal    Kind = "internal"
)

// Error is an error with a kind and, where one field of the input is to blame, its name.
type Error struct {
	Kind  Kind
	Field string // name of the field to mend; empty when no single field is to blame
	Text  string // a sentence that says what is wrong and what to do
	Cause error
}

func (e *Error) Error() string {
	s := e.Text
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap makes the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Cause }

// New makes an error of a kind from a format.
func New(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...)}
}

// Field makes an Invalid error that blames one field.
func Field(name, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Field: name, Text: fmt.Sprintf(format, args...)}
}

// Wrap gives cause a kind and says which operation met it.
func Wrap(k Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: k, Text: fmt.Sprintf(format, args...), Cause: cause}
}

// KindOf returns the outermost kind in err's chain, Internal when there is none, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of kind k.
func Is(err error, k Kind) bool { return KindOf(err) == k }
