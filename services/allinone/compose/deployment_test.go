package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/shared/config"
)

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
