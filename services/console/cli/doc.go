// Package cli is the operator's command line: what the console's page can do, as commands over its API. It owns the
// commands, their output (tables for people, JSON for programs), the progress of long work, and the exit codes, and
// guarantees that an error is one line that says what to do. It knows the installation only through the API: it opens no
// stream, no Redis and no file beyond the one with address and token.
package cli
