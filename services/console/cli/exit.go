package cli

import (
	"context"
	"errors"

	"github.com/fertig-project/fertig/shared/fault"
)

// Exit codes. They are part of the interface: scripts rely on them.
const (
	ExitOK          = 0
	ExitFailed      = 1 // the command ran, and its result is bad: accounts that do not balance, a check that fails
	ExitUsage       = 2 // wrong command line or unusable input; the message names the field
	ExitUnreachable = 3 // no answer, or an answer too late: trying again may help
	ExitForbidden   = 4 // the token is missing or wrong, or its role may not do this
	ExitNotFound    = 5 // no such order, run, account or message
	ExitConflict    = 6 // not possible in the state it is in, or changed by somebody else meanwhile
	ExitInternal    = 7 // a fault of Fertig
	ExitInterrupted = 130
)

// ExitHelp documents the codes in help texts.
const ExitHelp = `Exit codes:
  0  done                          4  token missing or wrong, or its role may not do this
  1  done, and the result is bad   5  not found
  2  wrong command line or input   6  not possible in its present state
  3  no answer, try again later    7  fault of Fertig`

// Failed is the error of a command that ran and found its subject wanting.
type Failed struct{ Text string }

func (f *Failed) Error() string { return f.Text }

// usage is the error of a wrong command line.
type usage struct{ error }

// Usage marks err as a mistake in the command line.
func Usage(err error) error { return usage{err} }

// ExitCode returns the exit code for an error.
func ExitCode(err error) int {
	var failed *Failed
	var wrong usage
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &failed):
		return ExitFailed
	case errors.As(err, &wrong):
		return ExitUsage
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return ExitUnreachable
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return ExitUsage
	case fault.Unavailable, fault.Throttled:
		return ExitUnreachable
	case fault.Forbidden:
		return ExitForbidden
	case fault.NotFound:
		return ExitNotFound
	case fault.Conflict:
		return ExitConflict
	}
	return ExitInternal
}
