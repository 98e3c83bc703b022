// Package compose puts the parts together: given a configuration it starts NATS, Redis, Amazon's simulator if asked for,
// and all services in one process, and stops them in the right order. It guarantees that Start returns only when the
// system takes shipments in, that a failed start leaves nothing behind, and that every address it listens on is known
// afterwards. It is the only place where services meet; it decides nothing about shipments and has no mode of its own:
// what the demo, fertig up and the tests start is the same thing with other values.
package compose

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/carrierimport"
	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
)

// File is the configuration file of fertig up: that of an installation, and what only the all-in-one program has.
type File struct {
	config.File `yaml:",inline"`

	Imports   []carrierimport.Import `yaml:"imports,omitempty"`
	Redis     Redis                  `yaml:"redis,omitempty"`
	Simulator Simulator              `yaml:"simulator,omitempty"`
}

// Redis says where the view lives.
type Redis struct {
	URL string `yaml:"url,omitempty"` // a reference or a URL without a password; empty: inside the process
}

// Simulator is Amazon's side inside the process, for rehearsals.
type Simulator struct {
	Listen   string `yaml:"listen,omitempty"`   // empty: none runs
	Scenario string `yaml:"scenario,omitempty"` // file; empty: one account, no orders
	Seed     uint64 `yaml:"seed,omitempty"`
}

// Load reads, completes and checks a configuration file. Paths in it are relative to where the program runs.
func Load(path string) (File, error) {
	var f File
	if err := config.Read(path, &f); err != nil {
		return File{}, err
	}
	f.File = f.File.WithDefaults()
	checked := f
	if f.Simulator.Listen != "" {
		checked = f.pointed("http://" + f.Simulator.Listen)
	}
	if err := checked.check(); err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// check reports everything wrong with the file, joined.
func (f File) check() error {
	errs := []error{f.File.Check(), carrierimport.CheckImports(f.Imports)}
	for i, imp := range f.Imports {
		if _, _, ok := f.Account(imp.Account); !ok {
			errs = append(errs, fault.Field(fmt.Sprintf("imports[%d].account", i), "%q is not an account of this file", imp.Account))
		}
	}
	return errors.Join(errs...)
}

// pointed returns the file with simulator connections that name no endpoint sent to the simulator at base.
func (f File) pointed(base string) File {
	f.Connections = slices.Clone(f.Connections)
	for i := range f.Connections {
		c := &f.Connections[i]
		if (c.Mode == settings.ModeSimulator || c.Mode == "") && c.Endpoint == "" && c.TokenEndpoint == "" {
			c.Endpoint, c.TokenEndpoint = base, base+"/auth/o2/token"
		}
	}
	return f
}

// Config is what Start needs.
type Config struct {
	File      File
	Scenario  *amazonsim.Scenario // runs the simulator on a free port and points all simulator connections to it
	Version   string
	Logger    *slog.Logger
	Now       func() time.Time                 // nil: time.Now
	Secrets   func(ref string) (string, error) // resolves references
	LeaseTTL  time.Duration                    // 0: the default
	WarmQuota bool                             // nobody has sent for a while: connections begin with their whole burst
}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) check() error {
	var errs []error
	if c.Secrets == nil {
		errs = append(errs, fault.Field("Secrets", "is missing: nothing could sign in to Amazon"))
	}
	if c.File.DataDir == "" {
		errs = append(errs, fault.Field("dataDir", "is missing"))
	}
	return errors.Join(errs...)
}
