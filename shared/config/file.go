package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// maxFile bounds a configuration file; a larger one is surely something else.
const maxFile = 4 << 20

// Defaults of a file.
const (
	DefaultDataDir = "fertig-data"
	DefaultConsole = "127.0.0.1:8780"
)

// File is what one configuration file says about a whole installation. A command that understands more embeds it with
// `yaml:",inline"` and reads the whole with Read.
type File struct {
	DataDir string  `yaml:"dataDir,omitempty"` // where embedded NATS keeps its streams; default fertig-data
	Listen  Listen  `yaml:"listen,omitempty"`
	Tokens  []Token `yaml:"tokens,omitempty"` // who may use the console and the API

	settings.Set `yaml:",inline"`
}

// Listen is where the installation is reached. Loopback unless the file says otherwise; an empty optional address is not
// listened on.
type Listen struct {
	Console string `yaml:"console,omitempty"` // web page and API; default 127.0.0.1:8780
	Health  string `yaml:"health,omitempty"`  // /healthz and /readyz of services without a page; optional
	NATS    string `yaml:"nats,omitempty"`    // embedded NATS for upstream services; optional
}

// Token lets somebody in. The token itself stays outside: Secret is a reference, env:NAME or file:PATH.
type Token struct {
	Name     string   `yaml:"name"`
	Role     string   `yaml:"role"`               // viewer, operator or support
	Accounts []string `yaml:"accounts,omitempty"` // none: all
	Secret   string   `yaml:"token"`
}

// LoadFile reads, completes and checks the part of a configuration file that all services share. Sections that only some
// of them understand are let through, so that one file serves a whole installation.
func LoadFile(path string) (File, error) {
	var whole struct {
		File      `yaml:",inline"`
		Imports   any `yaml:"imports,omitempty"`
		Redis     any `yaml:"redis,omitempty"`
		Simulator any `yaml:"simulator,omitempty"`
	}
	if err := Read(path, &whole); err != nil {
		return File{}, err
	}
	f := whole.File.WithDefaults()
	if err := f.Check(); err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Read decodes a YAML file strictly: a key that into does not know, a key given twice and a value of the wrong kind are
// refused with file, line and key. Defaults and checks are the caller's.
func Read(path string, into any) error {
	st, err := os.Stat(path)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "read configuration")
	}
	if st.Size() > maxFile {
		return fault.New(fault.Invalid, "read configuration: %s has %d bytes, at most %d are allowed", path, st.Size(), maxFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "read configuration")
	}
	if strings.TrimSpace(string(b)) == "" {
		return fault.New(fault.Invalid, "read configuration: %s is empty", path)
	}
	if err := yaml.UnmarshalWithOptions(b, into, yaml.Strict()); err != nil {
		return located(path, err)
	}
	return nil
}

// located words a YAML error as file:line: problem. The source excerpt is left out: it might show a secret.
func located(path string, err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil || y.GetToken().Position == nil {
		return fault.New(fault.Invalid, "%s: %s", path, yaml.FormatError(err, false, false))
	}
	text := y.GetMessage()
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		text += ": correct the spelling or remove it"
	}
	return fault.New(fault.Invalid, "%s:%d: %s", path, y.GetToken().Position.Line, text)
}

// WithDefaults fills what was left out, in the file and in its connections.
func (f File) WithDefaults() File {
	if f.DataDir == "" {
		f.DataDir = DefaultDataDir
	}
	if f.Listen.Console == "" {
		f.Listen.Console = DefaultConsole
	}
	conns := make([]settings.Connection, len(f.Connections))
	for i, c := range f.Connections {
		conns[i] = c.WithDefaults()
	}
	f.Connections = conns
	return f
}

// Check reports everything wrong with the file, joined. Defaults must have been filled in.
func (f File) Check() error {
	var errs []error
	for _, a := range []struct{ field, value string }{
		{"listen.console", f.Listen.Console}, {"listen.health", f.Listen.Health}, {"listen.nats", f.Listen.NATS},
	} {
		if a.value == "" {
			continue
		}
		if err := checkAddress(a.value); err != nil {
			errs = append(errs, fault.Field(a.field, "%v", err))
		}
	}
	names := map[string]bool{}
	for i, t := range f.Tokens {
		at := fmt.Sprintf("tokens[%d]", i)
		errs = append(errs, t.check(at, f.Set))
		if names[t.Name] {
			errs = append(errs, fault.Field(at+".name", "%q is used twice", t.Name))
		}
		names[t.Name] = true
	}
	return errors.Join(append(errs, f.Set.Check())...)
}

func (t Token) check(at string, set settings.Set) error {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fault.Field(at+"."+field, format, args...))
	}
	if t.Name == "" {
		bad("name", "is missing: it stands in the history beside what its holder does")
	}
	if t.Role != "viewer" && t.Role != "operator" && t.Role != "support" {
		bad("role", "%q must be viewer, operator or support", t.Role)
	}
	if !strings.HasPrefix(t.Secret, "env:") && !strings.HasPrefix(t.Secret, "file:") {
		bad("token", "must be a reference, env:NAME or file:PATH: the token itself does not belong here")
	}
	for _, a := range t.Accounts {
		if _, _, ok := set.Account(shipment.AccountID(a)); !ok {
			bad("accounts", "%q is not an account of this file", a)
		}
	}
	return errors.Join(errs...)
}
