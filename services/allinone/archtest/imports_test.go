package archtest

import (
	"slices"
	"strings"
	"testing"
)

// policy packages decide and know nothing else: no clock, no network, no files, no log.
var policy = []string{
	"shared/shipment", "shared/fault", "shared/outcome",
	"services/dispatcher/internal/plan",
	"services/scheduler/internal/slot",
	"services/carrierimport/internal/table", "services/carrierimport/internal/profile",
}

// impure are the standard packages a policy package has no use for.
var impure = []string{"net", "os", "log", "io/fs", "database/sql", "syscall"}

func TestPolicyIsPure(t *testing.T) {
	root, files := tree(t)
	for _, p := range policy {
		if !exists(root + "/" + p) {
			t.Errorf("policy package %s is gone: take it off the list", p)
		}
	}
	for _, f := range files {
		if f.test || !slices.Contains(policy, f.pkg) {
			continue
		}
		for _, i := range f.imports {
			if within(i, impure...) {
				t.Errorf("%s imports %s: policy packages are given what they need", f.path, i)
			}
		}
		if c := f.calls("time", "Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker"); c != "" {
			t.Errorf("%s calls %s: the time is an argument", f.path, c)
		}
		if f.pkg == "shared/shipment" {
			for _, i := range f.imports {
				if strings.Contains(i, ".") || strings.HasPrefix(i, "shared/") {
					t.Errorf("%s imports %s: the domain uses the standard library only", f.path, i)
				}
			}
		}
	}
}

// doors are the packages of a service that another module may import.
func door(pkg string) bool {
	return strings.Count(pkg, "/") == 1 || pkg == "services/console/cli" || pkg == "services/console/client"
}

func TestImportsRunOneWay(t *testing.T) {
	_, files := tree(t)
	for _, f := range files {
		from := service(f.pkg)
		for _, i := range f.imports {
			to := service(i)
			switch {
			case to == "" || to == from:
			case from == "":
				t.Errorf("%s imports %s: shared knows no service", f.path, i)
			case from == "allinone":
				if !door(i) {
					t.Errorf("%s imports %s: only a service's root package is a door", f.path, i)
				}
			case f.test && to == "amazonsim" && door(i): // Amazon's side in a service's tests
			default:
				t.Errorf("%s imports %s: services do not know each other", f.path, i)
			}
		}
	}
}

// TestNeighboursAreStrangers keeps use cases and adapters of a service apart: they meet in its root package. A package
// may use policy packages and what lies below itself.
func TestNeighboursAreStrangers(t *testing.T) {
	_, files := tree(t)
	for _, f := range files {
		if f.test || !strings.Contains(f.pkg, "/internal/") {
			continue
		}
		for _, i := range f.imports {
			if !strings.Contains(i, "/internal/") || service(i) != service(f.pkg) || slices.Contains(policy, i) {
				continue
			}
			if part(i) != part(f.pkg) && !slices.Contains(vocabulary, i) && !slices.Contains(layers[above(f.pkg)], i) {
				t.Errorf("%s imports %s: let it declare the port it needs, and join them in the root package", f.path, i)
			}
		}
	}
}

// part is the name below internal: "run" for services/dispatcher/internal/run/progress.
func part(pkg string) string {
	_, rest, _ := strings.Cut(pkg, "/internal/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// above is the package directly below internal that pkg belongs to.
func above(pkg string) string {
	before, _, _ := strings.Cut(pkg, "/internal/")
	return before + "/internal/" + part(pkg)
}

// layers are packages that stand on a neighbour, and why.
var layers = map[string][]string{
	"services/dispatcher/internal/run": {"services/dispatcher/internal/attempt"}, // a run is attempts in an order
	"services/console/internal/api":    {"services/console/internal/auth"},       // who asks comes with every request
	"services/console/internal/web":    {"services/console/internal/auth"},       // as above
}

// vocabulary are packages of types and pure functions that several parts of one service speak in.
var vocabulary = []string{
	"services/amazonsim/internal/wire",  // the simulator's bodies, shared by its operations
	"services/console/internal/message", // what a maintenance message is, and the book of them
	"services/console/internal/ops",     // what operators can do: its doors (API, pages) call it, what it needs speaks its words
}

func TestDriversHaveTheirPlace(t *testing.T) {
	_, files := tree(t)
	places := []struct {
		what    []string
		allowed []string
		why     string
	}{
		{[]string{"github.com/redis/go-redis"}, []string{"shared/view", "shared/redistest", "shared/connect/connectredis", "services/allinone/embedded"},
			"Redis is a view: ask shared/view"},
		{[]string{"github.com/nats-io/nats-server", "github.com/alicebob/miniredis"}, []string{"shared/natstest", "shared/redistest", "services/allinone/embedded"},
			"servers are embedded by allinone only"},
	}
	for _, f := range files {
		// Tests and benches bring real servers along; a root package and a main open or pass on connections.
		if f.test || strings.Contains(f.pkg, "/cmd/") || within(f.pkg, "services/allinone/bench") {
			continue
		}
		for _, p := range places {
			for _, i := range f.imports {
				if within(i, p.what...) && !within(f.pkg, p.allowed...) && !(door(f.pkg) && p.what[0] == "github.com/redis/go-redis") && !within(f.pkg, "services/allinone/compose") {
					t.Errorf("%s imports %s: %s", f.path, i, p.why)
				}
			}
		}
	}
}

func TestTheEnvironmentIsReadUnderCmdOnly(t *testing.T) {
	_, files := tree(t)
	for _, f := range files {
		if f.test || strings.Contains(f.pkg, "/cmd/") || within(f.pkg, "shared/natstest", "shared/redistest", "services/allinone/bench") { // bench is a command of its own
			continue
		}
		if c := f.calls("os", "Getenv", "LookupEnv", "Environ", "Args", "Exit"); c != "" {
			t.Errorf("%s uses %s: environment and arguments are read under cmd only", f.path, c)
		}
	}
}

func TestTestsNeitherSleepNorSkip(t *testing.T) {
	_, files := tree(t)
	for _, f := range files {
		if !f.test {
			continue
		}
		if c := f.calls("time", "Sleep"); c != "" && !slices.Contains(f.imports, "testing/synctest") {
			t.Errorf("%s calls %s: wait for a signal, or use testing/synctest", f.path, c)
		}
		for _, v := range []string{"t", "b", "tb", "f"} {
			if c := f.calls(v, "Skip", "Skipf", "SkipNow"); c != "" {
				t.Errorf("%s calls %s: a test that cannot run fails and says what is missing", f.path, c)
			}
		}
	}
}
