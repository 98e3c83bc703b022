// Package credentials makes what the services of an installation sign in with: an nkey for each at NATS, a password for
// each at Redis, the password of the cluster's routes, the console's session key and its first token. It guarantees that what
// is there stays as it is, so that it may be run again at any time, that the servers' files always follow from the secrets
// and the rules beside them, and that no secret is printed. It does not know what a service may do: that is said in
// deployments/nats and deployments/redis.
package credentials

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/fertig-project/fertig/shared/fault"
)

// The folder is closed to other people of the machine. What lies in it is readable, because a container's user is not ours
// and sees the one file it is given.
const (
	folderMode = 0o700
	fileMode   = 0o644
)

// Secrets is the folder of the secrets below that of the deployments.
const Secrets = "secrets"

// natsUsers are who signs in to NATS; each has a variable of its name in the servers' configuration.
var natsUsers = []string{"setup", "sender", "scheduler", "carrierimport", "dispatcher", "console"}

// generated are the secrets that are random text.
var generated = []string{"redis-dispatcher.password", "redis-console.password", "nats-cluster.password", "console-session.key", "console-support.token"}

// simulated are the credentials at Amazon, which nobody can make: the simulator's, to be replaced before going live.
var simulated = map[string]string{"amazon-client-secret": "amzn1.oa2-cs.v1.amazonsim", "amazon-refresh-token": "Atzr|amazonsim"}

// Make makes what is missing in the folder of secrets below deployments and writes the files of NATS and Redis anew. It
// returns the files it made, without those.
func Make(deployments string) (made []string, err error) {
	k := keeper{dir: filepath.Join(deployments, Secrets)}
	if err := os.MkdirAll(k.dir, folderMode); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "make the folder of secrets")
	}
	public := make([]string, 0, len(natsUsers))
	for _, user := range natsUsers {
		key, err := k.nkey("nats-" + user + ".seed")
		if err != nil {
			return k.made, err
		}
		public = append(public, fmt.Sprintf("KEY_%s: %s", strings.ToUpper(user), key))
	}
	secret := map[string]string{}
	for _, name := range generated {
		if secret[name], err = k.keep(name, rand.Text); err != nil {
			return k.made, err
		}
	}
	for name, text := range simulated {
		if _, err := k.keep(name, func() string { return text }); err != nil {
			return k.made, err
		}
	}
	rules, err := os.ReadFile(filepath.Join(deployments, "redis", "users.acl"))
	if err != nil {
		return k.made, fault.Wrap(fault.Invalid, err, "read the rules of Redis: name the folder that holds nats and redis")
	}
	users, err := acl(string(rules), secret)
	if err != nil {
		return k.made, err
	}
	return k.made, errors.Join(k.write("nats-keys.conf", derived+strings.Join(public, "\n")+"\n"),
		k.write("nats-routes.conf", derived+routes(secret["nats-cluster.password"])), k.write("redis-users.acl", users))
}

const derived = "# Made by fertig keys from the secrets beside it; what is changed here is lost.\n"

// routes gives cluster.conf its variables.
func routes(password string) string {
	to := make([]string, 3)
	for i := range to {
		to[i] = fmt.Sprintf("%q", fmt.Sprintf("nats://cluster:%s@nats-%d:6222", password, i+1))
	}
	return fmt.Sprintf("ROUTE_PASSWORD: %q\nROUTES: [%s]\n", password, strings.Join(to, ", "))
}

var placeholder = regexp.MustCompile(`#\{([a-z]+)\}`)

// acl puts the hashes of the users' passwords into the rules of Redis.
func acl(rules string, secret map[string]string) (string, error) {
	var unknown []error
	out := placeholder.ReplaceAllStringFunc(rules, func(m string) string {
		user := placeholder.FindStringSubmatch(m)[1]
		password, ok := secret["redis-"+user+".password"]
		if !ok {
			unknown = append(unknown, fault.New(fault.Invalid, "the rules of Redis name user %s, who has no password here", user))
		}
		return fmt.Sprintf("#%x", sha256.Sum256([]byte(password)))
	})
	return out, errors.Join(unknown...)
}

// keeper reads and makes the files of one folder.
type keeper struct {
	dir  string
	made []string
}

// keep returns a secret, made if it is not there.
func (k *keeper) keep(name string, fresh func() string) (string, error) {
	data, err := os.ReadFile(filepath.Join(k.dir, name))
	if text := strings.TrimSpace(string(data)); err == nil && text != "" {
		return text, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fault.Wrap(fault.Invalid, err, "read secret %s", name)
	}
	text := fresh()
	if err := k.write(name, text+"\n"); err != nil {
		return "", err
	}
	k.made = append(k.made, name)
	return text, nil
}

// nkey returns the public key of a user whose seed is kept.
func (k *keeper) nkey(name string) (string, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", fmt.Errorf("make nkey: %w", err)
	}
	fresh, err := pair.Seed()
	if err != nil {
		return "", fmt.Errorf("make nkey: %w", err)
	}
	seed, err := k.keep(name, func() string { return string(fresh) })
	if err != nil {
		return "", err
	}
	if pair, err = nkeys.FromSeed([]byte(seed)); err != nil {
		return "", fault.New(fault.Invalid, "secret %s is no seed of an nkey: remove it, and it is made anew", name)
	}
	public, err := pair.PublicKey()
	if err != nil || !nkeys.IsValidPublicUserKey(public) {
		return "", fault.New(fault.Invalid, "secret %s is no user's seed: remove it, and it is made anew", name)
	}
	return public, nil
}

// write replaces a file, whole or not at all.
func (k *keeper) write(name, text string) error {
	path := filepath.Join(k.dir, name)
	if err := os.WriteFile(path+".new", []byte(text), fileMode); err != nil {
		return fault.Wrap(fault.Invalid, err, "write %s", name)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fault.Wrap(fault.Invalid, err, "write %s", name)
	}
	return nil
}
