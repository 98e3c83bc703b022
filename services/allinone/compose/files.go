package compose

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
)

// keep returns a random secret of the installation that outlives restarts, readable by its owner only.
func keep(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	data, err := os.ReadFile(path)
	if text := strings.TrimSpace(string(data)); err == nil && text != "" {
		return text, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fault.Wrap(fault.Invalid, err, "data directory %s", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fault.Wrap(fault.Invalid, err, "data directory %s: name one that can be written, with dataDir", dir)
	}
	text := rand.Text()
	return text, replace(path, []byte(text+"\n"))
}

// leaveAccess writes address and token where the commands on this machine look for them.
func (s *System) leaveAccess() error {
	data, err := json.Marshal(cli.Access{URL: s.url, Token: s.Token})
	if err != nil {
		return err
	}
	return replace(cli.ClientFile(s.cfg.File.DataDir), append(data, '\n'))
}

// replace writes a file of the owner's only, whole or not at all.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fault.Wrap(fault.Invalid, err, "data directory")
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fault.Wrap(fault.Invalid, err, "data directory")
	}
	return nil
}

// ReadScenario reads a scenario of the simulator; no path means one account and no orders.
func ReadScenario(path string) (amazonsim.Scenario, error) {
	if path == "" {
		return amazonsim.Scenario{}, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return amazonsim.Scenario{}, fault.Wrap(fault.Invalid, err, "simulator.scenario")
	}
	defer func() { _ = f.Close() }()
	set, err := amazonsim.ReadScenario(f)
	if err != nil {
		return set, fmt.Errorf("%s: %w", path, err)
	}
	return set, nil
}

// Secret resolves a reference of a configuration file.
func Secret(ref string, env func(string) string, read func(string) ([]byte, error)) (string, error) {
	return settings.Secret(ref, env, read)
}
