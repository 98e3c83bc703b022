package config_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func env(kv ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return func(k string) string { return m[k] }
}

func TestFlagBeatsEnvironmentBeatsDefault(t *testing.T) {
	r := config.NewReader("x", []string{"--nats", "nats://flag:1"}, env("FERTIG_NATS", "nats://env:1", "FERTIG_STOP_WITHIN", "90s"), io.Discard)
	nats := r.URL("nats", "nats://127.0.0.1:4222", "where NATS is", "nats", "tls")
	stop := r.Duration("stop-within", 10*time.Second, "time to stop")
	n := r.Int("workers", 4, 1, 8, "workers")
	dry := r.Bool("dry", true, "do nothing")
	if err := r.Parse(); err != nil {
		t.Fatal(err)
	}
	if *nats != "nats://flag:1" || *stop != 90*time.Second || *n != 4 || !*dry {
		t.Errorf("got %s, %s, %d, %v", *nats, *stop, *n, *dry)
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	r := config.NewReader("x", []string{"--listen", "nowhere", "--workers=many"}, env("FERTIG_NATS", "http://user:hunter2@h", "FERTIG_TOKEN", "env:MISSING"), io.Discard)
	r.URL("nats", "nats://127.0.0.1:4222", "where NATS is", "nats", "tls")
	r.Address("listen", "127.0.0.1:0", "address")
	r.Int("workers", 4, 1, 8, "workers")
	r.Secret("token", "", "token")
	r.Need("name", "", "name")
	err := r.Parse()
	if err == nil {
		t.Fatal("five problems must be reported")
	}
	for _, want := range []string{"--nats or FERTIG_NATS: must be a URL that begins with nats:// or tls://", "--listen or FERTIG_LISTEN: \"nowhere\" must be host:port",
		"--workers or FERTIG_WORKERS", "secret env:MISSING is empty", "--name or FERTIG_NAME: is missing"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("a password is in the error")
	}
}

func TestUnknownFlagsAndStrayWords(t *testing.T) {
	for _, args := range [][]string{{"--nonsense", "1"}, {"stray"}} {
		r := config.NewReader("x", args, env(), io.Discard)
		r.Text("name", "", "name")
		if err := r.Parse(); err == nil {
			t.Errorf("%v must be refused", args)
		}
	}
	r := config.NewReader("x", []string{"--help"}, env(), io.Discard)
	if err := r.Parse(); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v", err)
	}
}

func TestSecretsAreMaskedEverywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := config.NewReader("x", nil, env("FERTIG_TOKEN", "file:"+path), io.Discard)
	s := r.Secret("token", "", "token")
	if err := r.Parse(); err != nil {
		t.Fatal(err)
	}
	if s.Reveal() != "hunter2" {
		t.Fatalf("read %q", s.Reveal())
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", *s)
	j, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(*s), fmt.Sprintf("%#v", *s), fmt.Sprintf("%+v", *s), fmt.Sprintf("%q", *s), log.String(), string(j)} {
		if strings.Contains(shown, "hunter2") || !strings.Contains(shown, "***") {
			t.Errorf("not masked: %s", shown)
		}
	}
}

const good = `# an installation
dataDir: /var/lib/fertig
listen:
  console: 127.0.0.1:9000
tokens:
  - {name: lena, role: operator, accounts: [DE], token: "env:LENA"}
connections:
  - id: EU
    region: eu
    mode: simulator
    endpoint: http://127.0.0.1:8790
    tokenEndpoint: http://127.0.0.1:8790/auth/o2/token
    clientId: c
    clientSecret: env:SECRET
    refreshToken: file:/run/secrets/refresh
    limits: {requestTimeout: 5s}
    accounts:
      - id: DE
        marketplace: A1PA6795UKMFR9
        pausedUntil: 2026-11-20T12:00:00Z
        mapping:
          version: 2
          rules:
            - {carrier: "DHL*", carrierCode: DHL}
`

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fertig.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadFile(t *testing.T) {
	f, err := config.LoadFile(write(t, good))
	if err != nil {
		t.Fatal(err)
	}
	c := f.Connections[0]
	a := c.Accounts[0]
	if f.DataDir != "/var/lib/fertig" || f.Listen.Console != "127.0.0.1:9000" || f.Tokens[0].Secret != "env:LENA" {
		t.Errorf("file %+v", f)
	}
	if time.Duration(c.Limits.RequestTimeout) != 5*time.Second || c.Limits.ConfirmRate != 2 || a.Schedule.Cron != "0 12,15,18 * * *" || a.AgeLimitDays != 7 {
		t.Errorf("connection %+v", c)
	}
	if a.Mapping.Rules[0].CarrierCode != "DHL" || !a.PausedUntil.Equal(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("account %+v", a)
	}
}

func TestLoadFileRefuses(t *testing.T) {
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in the sample", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":         {swap("dataDir:", "datadir:"), `fertig.yaml:2: unknown field "datadir"`},
		"unknown nested key":  {swap("    clientId:", "    clientID:"), `fertig.yaml:13: unknown field "clientID"`},
		"unknown key in rule": {swap("carrierCode: DHL", "code: DHL"), `unknown field "code"`},
		"key twice":           {good + "dataDir: /other\n", `fertig.yaml:25: `},
		"wrong kind":          {swap("accounts:\n", "accounts: 5\n        #"), "fertig.yaml:"},
		"bad duration":        {swap("5s", "five"), `"five" is not a duration`},
		"secret in the clear": {swap("env:SECRET", "amzn1.oa2-cs.v1.hunter2"), "connections[0].clientSecret: must be a reference"},
		"token in the clear":  {swap("\"env:LENA\"", "hunter2"), "tokens[0].token: must be a reference"},
		"foreign account":     {swap("[DE]", "[FR]"), `tokens[0].accounts: "FR" is not an account`},
		"bad role":            {swap("operator", "boss"), `tokens[0].role: "boss" must be`},
		"bad address":         {swap("127.0.0.1:9000", "localhost"), `listen.console: "localhost" must be host:port`},
		"bad zone":            {swap("mapping:", "schedule: {zone: Mars/North}\n        mapping:"), "accounts[0].schedule.zone"},
		"empty":               {"  \n", "is empty"},
		"no YAML":             {"a: [1", "fertig.yaml"},
		"nothing configured":  {"dataDir: /x\n", "connections: there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.LoadFile(write(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("want %q in: %v", c.want, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is in the error: %v", err)
			}
		})
	}
	if _, err := config.LoadFile(filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a missing file must be refused")
	}
}

func TestFileReportsAllChecksAtOnce(t *testing.T) {
	text := strings.NewReplacer("region: eu", "region: mars", "operator", "boss").Replace(good)
	_, err := config.LoadFile(write(t, text))
	if err == nil || !strings.Contains(err.Error(), "region") || !strings.Contains(err.Error(), "role") {
		t.Fatalf("both problems must be named: %v", err)
	}
}

// A command may know more than File: what it embeds is read as strictly.
func TestReadAWiderFile(t *testing.T) {
	type wider struct {
		config.File `yaml:",inline"`
		Imports     []struct {
			Folder string `yaml:"folder"`
		} `yaml:"imports"`
	}
	var w wider
	if err := config.Read(write(t, good+"imports:\n  - folder: /in\n"), &w); err != nil {
		t.Fatal(err)
	}
	if len(w.Imports) != 1 || w.Imports[0].Folder != "/in" || len(w.Connections) != 1 {
		t.Errorf("got %+v", w)
	}
	err := config.Read(write(t, good+"imports:\n  - foldr: /in\n"), &w)
	if err == nil || !strings.Contains(err.Error(), `:26: unknown field "foldr"`) {
		t.Errorf("got %v", err)
	}
	err = config.Read(write(t, strings.Replace(good, "dataDir", "dataDri", 1)), &w)
	if err == nil || !strings.Contains(err.Error(), `:2: unknown field "dataDri"`) {
		t.Errorf("got %v", err)
	}
}
