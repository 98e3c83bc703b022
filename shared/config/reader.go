// Package config is how a command learns what to do: flags, environment variables and one YAML file. It owns their
// precedence (flag, then environment, then default) and guarantees that every problem is reported at once with the
// flag and the variable that mend it, that an unknown key in a file is refused with its line, and that a secret never
// appears in an error, a log line or a help text. It reads the environment only through what its caller hands in,
// and it is used under cmd/ only: everything below takes plain values.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/observe"
	"github.com/fertig-project/fertig/shared/settings"
)

// Secret is a value that prints as ***. Reveal gives the value to whoever opens the connection.
type Secret struct{ value string }

// Reveal returns the value, "" when none was configured.
func (s Secret) Reveal() string { return s.value }

func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "***"
}

// GoString, LogValue and MarshalText keep the value out of every usual way of printing.
func (s Secret) GoString() string { return s.String() }

// LogValue masks the value in structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the value in encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reader collects what a command wants to know and reads all of it in one Parse. The pointers it hands out are set by
// Parse. It is not safe for concurrent use.
type Reader struct {
	flags   *flag.FlagSet
	args    []string
	env     func(string) string
	read    func(string) ([]byte, error)
	options []option
}

type option struct {
	name string
	raw  *string
	set  func(string) error
}

// NewReader makes a reader for a command. Usage and flag errors' help go to out; env is os.Getenv but in tests.
func NewReader(command string, args []string, env func(string) string, out io.Writer) *Reader {
	f := flag.NewFlagSet(command, flag.ContinueOnError)
	f.SetOutput(out)
	return &Reader{flags: f, args: args, env: env, read: os.ReadFile}
}

// EnvName is the variable that stands for a flag: FERTIG_ and the flag's name in capitals.
func EnvName(flagName string) string {
	return "FERTIG_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

// add registers an option of any type. parse turns text into a value and words the remedy.
func add[T any](r *Reader, name, def, usage string, parse func(string) (T, error)) *T {
	value := new(T)
	raw := r.flags.String(name, def, fmt.Sprintf("%s (or %s)", usage, EnvName(name)))
	r.options = append(r.options, option{name, raw, func(s string) error {
		v, err := parse(s)
		*value = v
		return err
	}})
	return value
}

// Text registers an option of free text.
func (r *Reader) Text(name, def, usage string) *string {
	return add(r, name, def, usage, func(s string) (string, error) { return s, nil })
}

// Need registers an option of text that must not be empty.
func (r *Reader) Need(name, def, usage string) *string {
	return add(r, name, def, usage, func(s string) (string, error) {
		if s == "" {
			return "", errors.New("is missing")
		}
		return s, nil
	})
}

// Bool registers an option that is true or false; unlike other boolean flags it needs a value: --dry=true.
func (r *Reader) Bool(name string, def bool, usage string) *bool {
	return add(r, name, strconv.FormatBool(def), usage, func(s string) (bool, error) {
		v, err := strconv.ParseBool(s)
		if err != nil {
			return false, fmt.Errorf("%q must be true or false", s)
		}
		return v, nil
	})
}

// Int registers a whole number between least and most.
func (r *Reader) Int(name string, def, least, most int, usage string) *int {
	return add(r, name, strconv.Itoa(def), usage, func(s string) (int, error) {
		v, err := strconv.Atoi(s)
		if err != nil || v < least || v > most {
			return 0, fmt.Errorf("%q must be a whole number between %d and %d", s, least, most)
		}
		return v, nil
	})
}

// Duration registers a positive duration such as 90s.
func (r *Reader) Duration(name string, def time.Duration, usage string) *time.Duration {
	return add(r, name, def.String(), usage, func(s string) (time.Duration, error) {
		v, err := time.ParseDuration(s)
		if err != nil || v <= 0 {
			return 0, fmt.Errorf("%q must be a positive duration such as 90s, 5m or 2h", s)
		}
		return v, nil
	})
}

// URL registers an address with one of the schemes. A password inside is never part of an error.
func (r *Reader) URL(name, def, usage string, schemes ...string) *string {
	return add(r, name, def, usage, func(s string) (string, error) { return checkURL(s, schemes) })
}

// URLs registers one or more addresses with commas between, each with one of the schemes.
func (r *Reader) URLs(name, def, usage string, schemes ...string) *[]string {
	return add(r, name, def, usage, func(s string) ([]string, error) {
		all := strings.Split(s, ",")
		for i := range all {
			v, err := checkURL(strings.TrimSpace(all[i]), schemes)
			if err != nil {
				return nil, err
			}
			all[i] = v
		}
		return all, nil
	})
}

// OneOf registers a choice.
func (r *Reader) OneOf(name, def, usage string, choices ...string) *string {
	return add(r, name, def, usage, func(s string) (string, error) {
		if !slices.Contains(choices, s) {
			return "", fmt.Errorf("%q must be %s", s, strings.Join(choices, " or "))
		}
		return s, nil
	})
}

// Checked registers text of a form that only its caller knows. check words the remedy and repeats no secret.
func (r *Reader) Checked(name, def, usage string, check func(string) (string, error)) *string {
	return add(r, name, def, usage, check)
}

// Address registers host:port to listen on. Port 0 picks a free one.
func (r *Reader) Address(name, def, usage string) *string {
	return add(r, name, def, usage, func(s string) (string, error) { return s, checkAddress(s) })
}

// Secret registers a reference to a secret, env:NAME or file:PATH, and reads what it refers to. Empty is none.
func (r *Reader) Secret(name, def, usage string) *Secret {
	return add(r, name, def, usage+", as env:NAME or file:PATH", func(s string) (Secret, error) {
		if s == "" {
			return Secret{}, nil
		}
		v, err := settings.Secret(s, r.env, r.read)
		return Secret{v}, err
	})
}

// Logger registers log-level and log-format; the function makes the logger once Parse has succeeded.
func (r *Reader) Logger(service string, w io.Writer) func() *slog.Logger {
	level := add(r, "log-level", "info", "debug, info, warn or error", observe.ParseLevel)
	format := add(r, "log-format", "auto", "text, json or auto: text on a terminal", observe.ParseFormat)
	return func() *slog.Logger { return observe.NewLogger(w, service, *level, *format) }
}

// Parse reads everything. All problems come joined, each naming its flag and variable; flag.ErrHelp when help was asked for.
func (r *Reader) Parse() error {
	var errs []error
	if err := r.flags.Parse(r.args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		errs = append(errs, fault.New(fault.Invalid, "read flags: %v", err))
	}
	if rest := r.flags.Args(); len(errs) == 0 && len(rest) > 0 {
		errs = append(errs, fault.New(fault.Invalid, "%q is not understood: everything is given by flags, see --help", rest[0]))
	}
	given := map[string]bool{}
	r.flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, o := range r.options {
		s := *o.raw
		if v := r.env(EnvName(o.name)); v != "" && !given[o.name] {
			s = v
		}
		if err := o.set(s); err != nil {
			errs = append(errs, fault.Field("--"+o.name+" or "+EnvName(o.name), "%v", err))
		}
	}
	return errors.Join(errs...)
}

func checkURL(s string, schemes []string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return "", fmt.Errorf("must be a URL that begins with %s://", strings.Join(schemes, ":// or "))
	}
	return s, nil
}

func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || strings.ContainsAny(host, " /") {
		return fmt.Errorf("%q must be host:port, for example 127.0.0.1:8780", s)
	}
	return nil
}
