package main

import (
	"os"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/shared/outcome"
)

// The page in the tree is the catalogue's.
func TestThePageIsTheCatalogue(t *testing.T) {
	stored, err := os.ReadFile("../../../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	want := string(page(outcome.All()))
	if string(stored) != want {
		t.Fatal("docs/outcomes.md is not what the catalogue says: run make generate")
	}
	for _, r := range outcome.All() {
		if n := strings.Count(want, "\n| "+string(r.Class)+" | "); n != 1 || effects[r.Breaker] == "" {
			t.Errorf("%s: class %q is explained %d times, effect %q as %q", r.ID, r.Class, n, r.Breaker, effects[r.Breaker])
		}
		if n := strings.Count(want, "| `"+r.ID+"` |"); n != 1 {
			t.Errorf("%s stands %d times on the page", r.ID, n)
		}
	}
}
