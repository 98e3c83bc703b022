package deployment

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"golang.org/x/mod/modfile"

	"github.com/fertig-project/fertig/services/allinone/compose"
	"github.com/fertig-project/fertig/services/allinone/credentials"
)

// layouts are the ways to start an installation: their files and the number of NATS servers.
var layouts = map[string]struct {
	files []string
	nodes int
}{
	"three nodes": {[]string{"docker-compose.yml"}, 3},
	"one node":    {[]string{"docker-compose.yml", "docker-compose.single.yml"}, 1},
}

// load reads compose files as the engine would, with secrets from a folder.
func load(t testing.TB, secrets string, files ...string) *types.Project {
	t.Helper()
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = filepath.Join(root, f)
	}
	o, err := cli.NewProjectOptions(paths, cli.WithWorkingDirectory(root), cli.WithProfiles([]string{"simulator"}),
		cli.WithEnv([]string{"FERTIG_SECRETS=" + secrets}))
	if err != nil {
		t.Fatal(err)
	}
	p, err := o.LoadProject(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// madeSecrets is a folder of deployments with everything that `fertig keys` makes.
func madeSecrets(t testing.TB) (deployments string) {
	t.Helper()
	deployments = t.TempDir()
	if err := os.CopyFS(filepath.Join(deployments, "redis"), os.DirFS(filepath.Join(root, "deployments", "redis"))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t, program{"allinone", "fertig"}), "keys", "--deployments", deployments)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "secrets made") {
		t.Fatalf("fertig keys: %v %s", err, out)
	}
	return deployments
}

// runs is the program of a service, from its build arguments.
func runs(s types.ServiceConfig) (program, bool) {
	if s.Build == nil {
		return program{}, false
	}
	p := program{}
	if v := s.Build.Args["SERVICE"]; v != nil {
		p = program{*v, *v}
	}
	if v := s.Build.Args["CMD"]; v != nil {
		p.cmd = *v
	}
	return p, true
}

var variable = regexp.MustCompile(`\(or (FERTIG_[A-Z_]+)\)`)

// settingsOf are the variables a program knows, as its help tells them.
func settingsOf(t testing.TB, p program) map[string]bool {
	t.Helper()
	args := []string{"--help"}
	if p.cmd == "fertig" {
		args = []string{"setup", "--help"}
	}
	out, _ := exec.Command(binary(t, p), args...).CombinedOutput()
	known := map[string]bool{}
	for _, m := range variable.FindAllStringSubmatch(string(out), -1) {
		known[m[1]] = true
	}
	return known
}

// byHand are paths that the way to a running installation makes (docs/deployment.md), with what they are made from.
var byHand = map[string]string{"fertig.yaml": "deployments/fertig.compose.yaml", "import": ""}

func TestComposeFilesNameWhatThereIs(t *testing.T) {
	for name, layout := range layouts {
		t.Run(name, func(t *testing.T) {
			deployments := madeSecrets(t)
			p := load(t, filepath.Join(deployments, credentials.Secrets), layout.files...)
			var nodes, ours int
			for _, s := range p.Services {
				if strings.HasPrefix(s.Name, "nats-") {
					nodes++
				}
				if prog, ok := runs(s); ok {
					ours++
					checkProgram(t, s, prog)
				} else if _, tag, _ := strings.Cut(s.Image, ":"); !regexp.MustCompile(`^\d+\.\d+\.\d+-`).MatchString(tag) {
					t.Errorf("%s: image %s has no pinned version", s.Name, s.Image)
				}
				checkMounts(t, s)
				checkOrder(t, p, s)
				checkPorts(t, s)
			}
			if nodes != layout.nodes || ours != len(programs) {
				t.Errorf("%d NATS servers and %d services of ours, want %d and %d", nodes, ours, layout.nodes, len(programs))
			}
			checkSecrets(t, p)
			checkWalls(t, p)
		})
	}
}

// checkProgram compares the variables a service is given with those its program knows.
func checkProgram(t *testing.T, s types.ServiceConfig, p program) {
	t.Helper()
	if !slices.Contains(programs, p) {
		t.Fatalf("%s is built from %s, which no test builds", s.Name, p)
	}
	known := settingsOf(t, p)
	for v := range s.Environment {
		if !known[v] {
			t.Errorf("%s: %s does not know %s", s.Name, p, v)
		}
	}
	if s.Build.Context != root || s.Build.Dockerfile != "deployments/Dockerfile" {
		t.Errorf("%s is built from %s in %s", s.Name, s.Build.Dockerfile, s.Build.Context)
	}
	if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.User != "" {
		t.Errorf("%s: is to run read-only, without capabilities, as the image's own user", s.Name)
	}
	for k, v := range s.Environment {
		if file, ok := strings.CutPrefix(*v, "file:"); (ok || strings.HasSuffix(k, "_FILE")) && !given(s, strings.TrimPrefix(file, "file:")) {
			t.Errorf("%s: %s is %s, which no secret of the service puts there", s.Name, k, *v)
		}
		if regexp.MustCompile(`(?i)(password|secret|token|key)$`).MatchString(k) && !strings.HasPrefix(*v, "file:") {
			t.Errorf("%s: %s is given in the clear", s.Name, k)
		}
	}
}

// given reports whether a path in the container is one of the service's secrets.
func given(s types.ServiceConfig, path string) bool {
	return slices.ContainsFunc(s.Secrets, func(x types.ServiceSecretConfig) bool { return inside(x) == path })
}

// inside is where a secret is found in the container.
func inside(s types.ServiceSecretConfig) string {
	switch {
	case s.Target == "":
		return "/run/secrets/" + s.Source
	case filepath.IsAbs(s.Target):
		return s.Target
	}
	return "/run/secrets/" + s.Target
}

func checkMounts(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		rel, _ := filepath.Rel(root, v.Source)
		from, made := byHand[rel]
		if made && from != "" {
			rel = from
		}
		if _, err := os.Stat(filepath.Join(root, rel)); err != nil && !(made && from == "") {
			t.Errorf("%s mounts %v", s.Name, err)
		}
		if !v.ReadOnly && rel != "import" {
			t.Errorf("%s may write %s", s.Name, rel)
		}
	}
	if durable := strings.HasPrefix(s.Name, "nats-") || s.Name == "redis"; durable && !slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && v.Target == "/data" && v.Source == s.Name
	}) {
		t.Errorf("%s keeps its data in no volume of its own", s.Name)
	}
}

// checkOrder makes sure that what a service waits for exists and can come true.
func checkOrder(t *testing.T, p *types.Project, s types.ServiceConfig) {
	t.Helper()
	for name, d := range s.DependsOn {
		other, ok := p.Services[name]
		switch {
		case !ok:
			t.Errorf("%s waits for %s, which is not there", s.Name, name)
		case d.Condition == types.ServiceConditionHealthy && other.HealthCheck == nil:
			t.Errorf("%s waits for the health of %s, which has no check", s.Name, name)
		case d.Condition == types.ServiceConditionCompletedSuccessfully && other.Restart == types.RestartPolicyUnlessStopped:
			t.Errorf("%s waits for the end of %s, which never ends", s.Name, name)
		}
	}
	if p, ok := runs(s); ok && p.service != "allinone" && p.service != "amazonsim" && len(s.DependsOn) == 0 {
		t.Errorf("%s does not wait for setup", s.Name)
	}
}

func checkPorts(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	for _, port := range s.Ports {
		if s.Name != "console" || port.HostIP != "127.0.0.1" {
			t.Errorf("%s publishes %s:%s: only the console is reached from outside, on loopback", s.Name, port.HostIP, port.Published)
		}
	}
}

// checkSecrets makes sure that every secret is made by `fertig keys` and given to somebody.
func checkSecrets(t *testing.T, p *types.Project) {
	t.Helper()
	for name, secret := range p.Secrets {
		if _, err := os.Stat(secret.File); err != nil {
			t.Errorf("secret %s: fertig keys does not make it: %v", name, err)
		}
	}
	used := map[string][]string{}
	for _, s := range p.Services {
		for _, x := range s.Secrets {
			used[x.Source] = append(used[x.Source], s.Name)
		}
	}
	for name := range p.Secrets {
		if len(used[name]) == 0 {
			t.Errorf("nobody is given secret %s", name)
		}
		if strings.HasSuffix(name, ".seed") && len(used[name]) != 1 {
			t.Errorf("%v share the key %s", used[name], name)
		}
	}
	f, err := compose.Load(filepath.Join(root, "deployments", "fertig.compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string][]string{"console": {f.Tokens[0].Secret}, "dispatcher": {f.Connections[0].ClientSecret, f.Connections[0].RefreshToken}}
	for service, refs := range needs {
		for _, ref := range refs {
			if !given(p.Services[service], strings.TrimPrefix(ref, "file:")) {
				t.Errorf("%s is not given %s, which fertig.compose.yaml refers to", service, ref)
			}
		}
	}
}

// checkWalls keeps servers away from outside and from who has no business with them.
func checkWalls(t *testing.T, p *types.Project) {
	t.Helper()
	members := map[string][]string{}
	for _, s := range p.Services {
		for n := range s.Networks {
			members[n] = append(members[n], s.Name)
		}
	}
	slices.Sort(members["view"])
	if got := fmt.Sprint(members["view"]); got != "[console dispatcher redis]" {
		t.Errorf("beside Redis are %s", got)
	}
	for _, n := range []string{"bus", "view"} {
		if !p.Networks[n].Internal {
			t.Errorf("network %s reaches outside", n)
		}
	}
	for _, s := range p.Services {
		if s.Build == nil && slices.ContainsFunc(s.NetworksByPriority(), func(n string) bool { return !p.Networks[n].Internal }) {
			t.Errorf("%s is in a network that reaches outside", s.Name)
		}
	}
}

// TestServersAreTheVersionsThatAreTested: the client was tested against the embedded server of go.mod.
func TestServersAreTheVersionsThatAreTested(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root, "services", "allinone", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if r.Mod.Path != "github.com/nats-io/nats-server/v2" {
			continue
		}
		if got, want := load(t, t.TempDir(), "docker-compose.yml").Services["nats-1"].Image, "nats:"+strings.TrimPrefix(r.Mod.Version, "v")+"-alpine"; got != want {
			t.Errorf("the image is %s, the tests run %s", got, want)
		}
	}
}
