package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fertig-project/fertig/shared/config"
)

// TestTheComposeFileNamesWhatThereIs: no engine runs here, so at least the form holds and every build names a service.
func TestTheComposeFileNamesWhatThereIs(t *testing.T) {
	data, err := os.ReadFile("../../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Build struct {
				Dockerfile string
				Args       map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	built := 0
	for name, s := range file.Services {
		service := s.Build.Args["SERVICE"]
		if service == "" {
			continue
		}
		built++
		if _, err := os.Stat("../../../" + s.Build.Dockerfile); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat("../../" + service + "/cmd/" + service + "/main.go"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if built != 5 {
		t.Errorf("%d services are built, want the five", built)
	}
}

// One file serves a whole installation, also when its services run apart: then a connection names its endpoints itself.
func TestExampleServesTheSeparateServices(t *testing.T) {
	data, err := os.ReadFile("../../../deployments/fertig.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	apart := strings.NewReplacer("# endpoint:", "endpoint:", "# tokenEndpoint:", "tokenEndpoint:").Replace(string(data))
	file := filepath.Join(t.TempDir(), "fertig.yaml")
	if err := os.WriteFile(file, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.LoadFile(file); err != nil {
		t.Error(err)
	}
}
