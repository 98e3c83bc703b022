package deployment

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// root is the repository, workshop a folder for what all tests share.
var (
	root, _  = filepath.Abs("../../..")
	workshop = filepath.Join(os.TempDir(), fmt.Sprintf("fertig-images-%d", os.Getpid()))
)

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(workshop)
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
