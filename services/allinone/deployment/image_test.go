package deployment

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/moby/patternmatcher"
)

// program is what the image of one service contains.
type program struct{ service, cmd string }

func (p program) String() string { return p.service + "/" + p.cmd }

// programs are all that the compose files build.
var programs = []program{{"dispatcher", "dispatcher"}, {"scheduler", "scheduler"}, {"carrierimport", "carrierimport"},
	{"console", "console"}, {"amazonsim", "amazonsim"}, {"allinone", "fertig"}}

const version = "v1.2.3-image"

// instruction is one of a Dockerfile.
type instruction struct{ name, args string }

// dockerfile reads the stages of the image, comments left out and continued lines joined.
func dockerfile() (build, final []instruction, err error) {
	data, err := os.ReadFile(filepath.Join(root, "deployments", "Dockerfile"))
	if err != nil {
		return nil, nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = append(lines, line)
		}
	}
	from := 0
	for line := range strings.Lines(strings.ReplaceAll(strings.Join(lines, ""), "\\\n", " ")) {
		name, args, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		if name == "FROM" {
			from++
		}
		if i := (instruction{name, strings.TrimSpace(args)}); from < 2 {
			build = append(build, i)
		} else {
			final = append(final, i)
		}
	}
	if from != 2 {
		return nil, nil, fmt.Errorf("the Dockerfile has %d stages: one that builds and a final one are expected", from)
	}
	return build, final, nil
}

// built makes every program once for all tests, each in a folder of its own with nothing in it but what COPY puts there.
var built = sync.OnceValues(func() (map[program]string, error) {
	steps, _, err := dockerfile()
	if err != nil {
		return nil, err
	}
	out := map[program]string{}
	for _, p := range programs {
		path, err := replay(steps, filepath.Join(workshop, p.cmd), p)
		if err != nil {
			return nil, fmt.Errorf("image of %s: %w", p, err)
		}
		out[p] = path
	}
	return out, nil
})

// binary is the path of a program as the image has it.
func binary(t testing.TB, p program) string {
	t.Helper()
	all, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return all[p]
}

var mount = regexp.MustCompile(`--mount=\S+\s+`)

// replay does what the build stage says, in dir, and returns the program. Modules are not downloaded anew: the build itself
// fails if one is missing.
func replay(steps []instruction, dir string, p program) (string, error) {
	src := filepath.Join(dir, "src")
	env := map[string]string{"SERVICE": p.service, "CMD": p.cmd, "VERSION": version}
	if err := os.MkdirAll(src, 0o755); err != nil {
		return "", err
	}
	for _, i := range steps {
		switch i.name {
		case "COPY":
			if err := copied(strings.Fields(i.args), src); err != nil {
				return "", err
			}
		case "ENV":
			for _, kv := range strings.Fields(i.args) {
				if k, v, _ := strings.Cut(kv, "="); k != "GOCACHE" { // the image's own; here the build cache at hand serves
					env[k] = v
				}
			}
		case "RUN":
			script := strings.ReplaceAll(mount.ReplaceAllString(i.args, ""), "/out/", dir+"/out/")
			if strings.HasSuffix(script, " mod download") {
				continue
			}
			cmd := exec.Command("sh", "-c", script)
			cmd.Dir = src
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GOTOOLCHAIN=local"}
			for _, k := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS", "GONOSUMDB", "GOSUMDB", "TMPDIR"} {
				if v := os.Getenv(k); v != "" {
					cmd.Env = append(cmd.Env, k+"="+v)
				}
			}
			for k, v := range env {
				cmd.Env = append(cmd.Env, k+"="+v)
			}
			if out, err := cmd.CombinedOutput(); err != nil {
				return "", fmt.Errorf("%s: %w\n%s", script, err, out)
			}
		}
	}
	return filepath.Join(dir, "out", "service"), nil
}

// copied does one COPY from the build context, which .dockerignore thins out.
func copied(args []string, src string) error {
	ignore, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		return err
	}
	var patterns []string
	for line := range strings.Lines(string(ignore)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		return err
	}
	from, to := args[:len(args)-1], filepath.Join(src, args[len(args)-1])
	for _, name := range from {
		if strings.HasPrefix(name, "--") {
			return fmt.Errorf("the replay does not know COPY %s", name)
		}
		base := filepath.Join(root, name)
		info, err := os.Stat(base)
		if err != nil {
			return err
		}
		err = filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			if skip, err := ignored.MatchesOrParentMatches(rel); err != nil || skip {
				return err
			}
			target := filepath.Join(to, filepath.Base(path))
			if info.IsDir() {
				within, _ := filepath.Rel(base, path)
				target = filepath.Join(to, within)
			}
			return put(path, target)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func put(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func TestTheImageIsSmallAndRunsAsNobody(t *testing.T) {
	build, final, err := dockerfile()
	if err != nil {
		t.Fatal(err)
	}
	has := func(name, args string) bool { return slices.Contains(final, instruction{name, args}) }
	for _, want := range []instruction{{"FROM", "scratch"}, {"USER", "65532:65532"}, {"ENTRYPOINT", `["/service"]`},
		{"COPY", "--from=build /out/service /service"}} {
		if !has(want.name, want.args) {
			t.Errorf("the final stage has no %s %s", want.name, want.args)
		}
	}
	health := slices.IndexFunc(final, func(i instruction) bool { return i.name == "HEALTHCHECK" })
	if health < 0 || !strings.HasSuffix(final[health].args, `CMD ["/service", "health"]`) {
		t.Error("the image has no health check that works without a shell")
	}
	if from, _, _ := strings.Cut(build[0].args, "-"); from != "golang:"+strings.TrimPrefix(runtime.Version(), "go") {
		t.Errorf("the image is built with %s, the tests with %s: they should be one version", from, runtime.Version())
	}
}

func TestEveryProgramIsBuiltFromItsImagesStepsAlone(t *testing.T) {
	for _, p := range programs {
		path := binary(t, p)
		f, err := elf.Open(path)
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		for _, part := range f.Progs {
			if part.Type == elf.PT_INTERP {
				t.Errorf("%s is linked dynamically: it cannot run in an image without a C library", p)
			}
		}
		_ = f.Close()
		cmd := exec.Command(path, "--version")
		if p.service == "allinone" {
			cmd = exec.Command(path, "version", "--output", "json")
		}
		cmd.Env = []string{"HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), version) {
			t.Errorf("%s --version: %v, %s", p, err, out)
		}
	}
}
