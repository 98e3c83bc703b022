package compose_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/allinone/compose"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/shared/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const example = "../../../deployments/fertig.example.yaml"

func secrets(ref string) (string, error) {
	a := amazonsim.DefaultAccount()
	switch ref {
	case "env:FERTIG_CLIENT_SECRET_EU":
		return a.ClientSecret, nil
	case "env:FERTIG_REFRESH_TOKEN_EU":
		return a.RefreshToken, nil
	}
	return "secret of " + ref, nil
}

func load(t *testing.T) compose.File {
	t.Helper()
	f, err := compose.Load(example)
	if err != nil {
		t.Fatal(err)
	}
	f.DataDir, f.Listen.Console, f.Simulator.Listen = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
	f.Simulator.Scenario = ""
	return f
}

func TestTheExampleStartsAndStops(t *testing.T) {
	f := load(t)
	for range 2 { // the second start finds what the first has left
		ctx, cancel := context.WithCancel(t.Context())
		s, err := compose.Start(ctx, compose.Config{File: f, Secrets: secrets, Version: "test"})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(cli.ClientFile(f.DataDir))
		if err != nil {
			t.Fatal(err)
		}
		var access cli.Access
		if err := json.Unmarshal(data, &access); err != nil || access.URL != s.URL() || access.Token != s.Token {
			t.Fatalf("left for the commands: %s, %v", data, err)
		}
		if info, _ := os.Stat(cli.ClientFile(f.DataDir)); info.Mode().Perm() != 0o600 {
			t.Fatalf("client.json has mode %v", info.Mode())
		}
		cancel()
		if err := s.Wait(); err != nil {
			t.Fatalf("a clean stop: %v", err)
		}
	}
}

func TestAFailedStartLeavesNothing(t *testing.T) {
	f := load(t)
	taken := load(t)
	taken.DataDir = f.DataDir
	s, err := compose.Start(t.Context(), compose.Config{File: f, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := compose.Start(t.Context(), compose.Config{File: taken, Secrets: secrets}); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second start on the same directory: %v", err)
	}
	taken.DataDir = t.TempDir()
	taken.Listen.Console = strings.TrimPrefix(s.URL(), "http://")
	if _, err := compose.Start(t.Context(), compose.Config{File: taken, Secrets: secrets}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second start on the same address: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestBadFilesGetOneClearError(t *testing.T) {
	good, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"misspelt key":      {"dataDir:", "datadir:", `unknown field "datadir"`},
		"misspelt own key":  {"  listen: 127.0.0.1:8790", "  liste: 127.0.0.1:8790", `unknown field "liste"`},
		"a secret in clear": {"env:FERTIG_CLIENT_SECRET_EU\n    refresh", "amzn1.oa2-cs.v1.abc\n    refresh", "must be a reference"},
		"a wrong zone":      {"Europe/Berlin", "Europe/Bärlin", "schedule.zone"},
	} {
		text := strings.Replace(string(good), c.old, c.new, 1)
		if text == string(good) {
			t.Errorf("%s: the example has no %q", name, c.old)
		}
		path := filepath.Join(t.TempDir(), "fertig.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := compose.Load(path); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), ".abc") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
