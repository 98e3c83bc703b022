package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// TestEverySiblingIsReplaced: a replace directive does not reach through another module, so each go.mod needs its own for
// every sibling, direct or not. Otherwise the module proxy is asked for a path nobody publishes.
func TestEverySiblingIsReplaced(t *testing.T) {
	root, _ := tree(t)
	mods, err := filepath.Glob(filepath.Join(root, "services", "*", "go.mod"))
	if err != nil || len(mods) < 6 {
		t.Fatalf("go.mod files found: %v %v", mods, err)
	}
	for _, path := range append(mods, filepath.Join(root, "shared", "go.mod")) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := modfile.Parse(path, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		replaced := map[string]string{}
		for _, r := range f.Replace {
			replaced[r.Old.Path] = r.New.Path
		}
		for _, r := range f.Require {
			sibling, ours := strings.CutPrefix(r.Mod.Path, module)
			if !ours {
				continue
			}
			if r.Mod.Version != "v0.0.0" {
				t.Errorf("%s requires %s %s: siblings are v0.0.0", path, sibling, r.Mod.Version)
			}
			if got := filepath.Join(filepath.Dir(path), replaced[r.Mod.Path]); got != filepath.Join(root, sibling) {
				t.Errorf("%s requires %s without a replace to its directory", path, sibling)
			}
		}
	}
}

// TestBinariesLinkNoTestCode keeps servers for tests and the testing package out of what is shipped.
func TestBinariesLinkNoTestCode(t *testing.T) {
	root, _ := tree(t)
	mains, err := filepath.Glob(filepath.Join(root, "services", "*", "cmd", "*"))
	if err != nil || len(mains) == 0 {
		t.Fatalf("no commands found: %v", err)
	}
	for _, dir := range mains {
		rel, _ := filepath.Rel(root, dir)
		cmd := exec.Command("go", "list", "-deps", "./"+filepath.ToSlash(rel))
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go list %s: %v\n%s", rel, err, out)
		}
		for dep := range strings.Lines(string(out)) {
			dep = strings.TrimSpace(dep)
			test := dep == "testing" || strings.HasSuffix(dep, "/natstest") || strings.HasSuffix(dep, "/redistest")
			server := strings.HasPrefix(dep, "github.com/nats-io/nats-server") || strings.HasPrefix(dep, "github.com/alicebob/miniredis")
			sim := strings.HasPrefix(dep, module+"services/amazonsim")
			if test || server && !within(rel, "services/allinone") || sim && !within(rel, "services/allinone", "services/amazonsim") {
				t.Errorf("%s links %s", rel, dep)
			}
		}
	}
}

var treeLine = regexp.MustCompile(`(?m)^([a-zA-Z./_-]+)\s{2,}\S`)

// TestTheReadmeKnowsTheTree compares the tree drawn in the README with the disk.
func TestTheReadmeKnowsTheTree(t *testing.T) {
	root, _ := tree(t)
	data, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "<!-- tree -->")
	drawn, _, end := strings.Cut(rest, "<!-- /tree -->")
	if !ok || !end {
		t.Fatal("README.md has no tree between <!-- tree --> and <!-- /tree -->")
	}
	named := map[string]bool{}
	for _, m := range treeLine.FindAllStringSubmatch(drawn, -1) {
		named[strings.TrimSuffix(m[1], "/")] = true
		if !exists(filepath.Join(root, m[1])) {
			t.Errorf("README.md draws %s, which is not there", m[1])
		}
	}
	for _, pattern := range []string{"shared/*", "services/*"} {
		dirs, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, d := range dirs {
			rel, _ := filepath.Rel(root, d)
			if info, err := os.Stat(d); err == nil && info.IsDir() && !named[filepath.ToSlash(rel)] {
				t.Errorf("README.md does not draw %s", rel)
			}
		}
	}
}
