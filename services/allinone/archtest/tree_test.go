package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/fertig-project/fertig/"

// file is one Go source file of the tree.
type file struct {
	path    string // from the root, with slashes
	pkg     string // directory from the root: "shared/ledger"
	test    bool
	imports []string // ours without the module's prefix
	ast     *ast.File
}

// tree reads all Go files once.
func tree(t *testing.T) (root string, files []file) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(root, "go.work")) {
		if root == filepath.Dir(root) {
			t.Fatal("no go.work above the test")
		}
		root = filepath.Dir(root)
	}
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (strings.HasPrefix(name, ".") && path != root || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, describe(filepath.ToSlash(rel), f))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files found under %s", len(files), root)
	}
	return root, files
}

func describe(path string, f *ast.File) file {
	out := file{path: path, pkg: path[:strings.LastIndex(path, "/")], test: strings.HasSuffix(path, "_test.go"), ast: f}
	for _, i := range f.Imports {
		name, _ := strconv.Unquote(i.Path.Value)
		out.imports = append(out.imports, strings.TrimPrefix(name, module))
	}
	return out
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// within reports whether pkg is one of the packages or lies below one of them.
func within(pkg string, these ...string) bool {
	for _, p := range these {
		if pkg == p || strings.HasPrefix(pkg, p+"/") {
			return true
		}
	}
	return false
}

// service returns "dispatcher" for services/dispatcher/internal/run, "" outside services.
func service(pkg string) string {
	rest, ok := strings.CutPrefix(pkg, "services/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// calls reports whether the file uses one of the names of a standard package, such as time.Now.
func (f file) calls(pkg string, names ...string) string {
	found := ""
	ast.Inspect(f.ast, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg {
			for _, name := range names {
				if s.Sel.Name == name {
					found = pkg + "." + name
				}
			}
		}
		return true
	})
	return found
}
