package credentials_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/allinone/credentials"
)

const rules = "user default off\nuser dispatcher on #{dispatcher} +@all\nuser console on #{console} +@read\n"

func deployments(t *testing.T, rules string) (dir string, read func(string) string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "redis"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "redis", "users.acl"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func(name string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, credentials.Secrets, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

func TestSecretsAreMadeOnceAndFilesFollowTheRules(t *testing.T) {
	dir, read := deployments(t, rules)
	made, err := credentials.Make(dir)
	if err != nil || len(made) != 13 {
		t.Fatalf("made %v, %v", made, err)
	}
	before := map[string]string{}
	for _, name := range made {
		before[name] = read(name)
	}
	conf := read("nats-keys.conf")
	if err := os.WriteFile(filepath.Join(dir, "redis", "users.acl"), []byte(rules+"user health on nopass +ping\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := credentials.Make(dir); err != nil || len(again) != 0 {
		t.Errorf("the second time made %v, %v", again, err)
	}
	for name, text := range before {
		if read(name) != text {
			t.Errorf("%s was changed", name)
		}
	}
	if read("nats-keys.conf") != conf {
		t.Error("the keys changed though the seeds did not")
	}
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.TrimSpace(before["redis-console.password"]))))
	if acl := read("redis-users.acl"); !strings.Contains(acl, "user console on #"+hash+" +@read\n") || !strings.HasSuffix(acl, "user health on nopass +ping\n") {
		t.Errorf("the file does not follow the rules:\n%s", acl)
	}
	if info, err := os.Stat(filepath.Join(dir, credentials.Secrets)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of secrets is open to others: %v %v", info.Mode(), err)
	}
}

func TestWhatCannotBeUsedIsRefused(t *testing.T) {
	dir, _ := deployments(t, rules)
	if _, err := credentials.Make(filepath.Join(dir, "redis")); err == nil || !strings.Contains(err.Error(), "name the folder that holds nats and redis") {
		t.Errorf("a wrong folder: %v", err)
	}
	dir, _ = deployments(t, "user stranger on #{stranger}\n")
	if _, err := credentials.Make(dir); err == nil || !strings.Contains(err.Error(), "user stranger") {
		t.Errorf("a user without a password: %v", err)
	}
	for seed, want := range map[string]string{"hunter2\n": "no seed", "SAAOAHD2DLR6WIFLIMHIMVNG5MX4JTJXQJ6FBJKS7VZFNNXX5F3XG6IIPM\n": "seed"} {
		dir, _ = deployments(t, rules)
		if err := os.MkdirAll(filepath.Join(dir, credentials.Secrets), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, credentials.Secrets, "nats-console.seed"), []byte(seed), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := credentials.Make(dir); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), strings.TrimSpace(seed)) {
			t.Errorf("%q: %v", seed, err)
		}
	}
}
