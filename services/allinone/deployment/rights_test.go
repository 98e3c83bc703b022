package deployment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/allinone/credentials"
	"github.com/fertig-project/fertig/shared/connect"
	"github.com/fertig-project/fertig/shared/connect/connectredis"
	"github.com/fertig-project/fertig/shared/natstest"
)

// as signs in to NATS as a service does and returns the connection and what was refused.
func as(t *testing.T, urls []string, secrets, user string) (*nats.Conn, <-chan string) {
	t.Helper()
	nc, err := connect.OpenNATS(t.Context(), connect.NATS{URLs: urls, Service: user, NkeyFile: filepath.Join(secrets, "nats-"+user+".seed")})
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan string, 64)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		if errors.Is(err, nats.ErrPermissionViolation) {
			refused <- err.Error()
		}
	})
	t.Cleanup(nc.Close)
	return nc, refused
}

// everybody are the users of NATS.
var everybody = []string{"setup", "sender", "scheduler", "carrierimport", "dispatcher", "console"}

// streams are all streams, with those under the buckets.
var streams = []string{"FERTIG_SHIPPED", "FERTIG_LEDGER", "FERTIG_RUNS", "FERTIG_INVALID", "FERTIG_MESSAGES", "FERTIG_ORDERS", "FERTIG_EVENTS", "KV_FERTIG_LEASES", "KV_FERTIG_CONFIG"}

// forbidden are publishes that users are refused beyond what everybody is.
func forbidden(user string) []string {
	var out []string
	for _, s := range streams { // nobody takes anything away
		out = append(out, "$JS.API.STREAM.DELETE."+s, "$JS.API.STREAM.PURGE."+s, "$JS.API.STREAM.MSG.DELETE."+s, "$JS.API.STREAM.SNAPSHOT."+s,
			"$JS.API.STREAM.RESTORE."+s, "$JS.API.META.LEADER.STEPDOWN", "$JS.API.ACCOUNT.PURGE.$G")
		if user != "setup" {
			out = append(out, "$JS.API.STREAM.CREATE."+s, "$JS.API.STREAM.UPDATE."+s)
		}
	}
	event := map[string]string{"ledger": "fertig.ledger.EU.302-1.1", "shipped": "fertig.shipped.EU", "trigger": "fertig.run.trigger.EU.x", "log": "fertig.run.log.EU.x",
		"message": "fertig.message.a.b", "invalid": "fertig.invalid.api", "progress": "fertig.progress.EU", "settings": "$KV.FERTIG_CONFIG.connection.EU",
		"order": "fertig.order.known.EU.302-1", "sweep": "fertig.order.sweep.EU", "event": "fertig.event.EU.DE", "lease": "$KV.FERTIG_LEASES.projector", "ask": "fertig.ctl.EU.status", "delete consumer": "$JS.API.CONSUMER.DELETE.FERTIG_SHIPPED.intake",
		"inbox": "$JS.API.CONSUMER.CREATE.FERTIG_SHIPPED.other", "take": "$JS.API.CONSUMER.MSG.NEXT.FERTIG_SHIPPED.intake", "answer": "_INBOX.sender.x"}
	may := map[string][]string{
		"sender":        {"shipped"},
		"scheduler":     {"trigger", "log"},
		"carrierimport": {"shipped", "invalid"},
		"dispatcher":    {"ledger", "trigger", "log", "progress", "invalid", "lease", "take", "order", "sweep", "event"},
		"console":       {"ledger", "shipped", "trigger", "message", "invalid", "settings", "ask"},
	}
	for _, allowed := range may[user] {
		delete(event, allowed)
	}
	for _, subject := range event {
		out = append(out, subject)
	}
	return out
}

// TestNobodyMayDoMoreThanItsWork asks the servers for everything that is not listed.
func TestNobodyMayDoMoreThanItsWork(t *testing.T) {
	deployments := madeSecrets(t)
	secrets := filepath.Join(deployments, credentials.Secrets)
	urls, _ := startNATS(t, load(t, secrets, layouts["one node"].files...))
	if _, err := nats.Connect(urls[0]); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("without a key: %v", err)
	}
	for _, user := range everybody {
		nc, refused := as(t, urls, secrets, user)
		subjects := map[string]bool{}
		for _, s := range forbidden(user) {
			subjects[s] = true
			if err := nc.Publish(s, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}
		listen := map[string]bool{">": true, "fertig.>": true, "$JS.>": true, "_INBOX.>": true}
		for _, other := range everybody {
			listen["_INBOX."+other+".>"] = other != user
		}
		for s, no := range listen {
			if _, err := nc.ChanSubscribe(s, make(chan *nats.Msg, 1)); err == nil && no {
				subjects[s] = true
			}
		}
		late := time.After(20 * time.Second)
		for len(subjects) > 0 {
			select {
			case text := <-refused:
				for s := range subjects {
					if strings.Contains(text, fmt.Sprintf("%q", s)) {
						delete(subjects, s)
					}
				}
			case <-late:
				for s := range subjects {
					t.Errorf("%s is not refused %s", user, s)
				}
				subjects = nil
			}
		}
	}
}

func TestRedisUsersKeepToTheView(t *testing.T) {
	deployments := madeSecrets(t)
	secrets := filepath.Join(deployments, credentials.Secrets)
	addr := startRedis(t, load(t, secrets, "docker-compose.yml"))
	client := func(user string) redis.UniversalClient {
		password, err := os.ReadFile(filepath.Join(secrets, "redis-"+user+".password"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := connectredis.Open(t.Context(), connectredis.Options{URL: "redis://" + addr, User: user, Password: strings.TrimSpace(string(password))})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ctx := context.Background()
	dispatcher, console := client("dispatcher"), client("console")
	const key = "fertig:{view}:cursor"
	for what, cmd := range map[string]redis.Cmder{
		"dispatcher writes": dispatcher.HSet(ctx, key, "seq", 1), "dispatcher reads": dispatcher.HGetAll(ctx, key),
		"dispatcher runs a script": dispatcher.Eval(ctx, "return redis.call('HGET', KEYS[1], 'seq')", []string{key}),
		"console reads":            console.HMGet(ctx, key, "seq"), "console asks": console.Info(ctx, "server"),
	} {
		if cmd.Err() != nil {
			t.Errorf("%s: %v", what, cmd.Err())
		}
	}
	stranger := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = stranger.Close() }()
	for what, cmd := range map[string]redis.Cmder{
		"console writes": console.HSet(ctx, key, "seq", 2), "console deletes": console.Del(ctx, key), "console flushes": console.FlushAll(ctx),
		"console runs a script": console.Eval(ctx, "return redis.call('DEL', KEYS[1])", []string{key}),
		"console reads others":  console.Get(ctx, "other"), "console lists all keys": console.Keys(ctx, "*"), "console configures": console.ConfigGet(ctx, "*"),
		"console listens": console.Do(ctx, "PSUBSCRIBE", "*"), "dispatcher flushes": dispatcher.FlushAll(ctx), "dispatcher writes others": dispatcher.Set(ctx, "other", 1, 0),
		"dispatcher lists all keys": dispatcher.Keys(ctx, "*"), "dispatcher configures": dispatcher.ConfigSet(ctx, "maxmemory-policy", "allkeys-lru"),
		"dispatcher changes users":      dispatcher.Do(ctx, "ACL", "SETUSER", "x", "on"),
		"dispatcher flushes in scripts": dispatcher.Eval(ctx, "return redis.call('FLUSHALL')", []string{key}),
		"dispatcher shuts down":         dispatcher.Do(ctx, "SHUTDOWN", "NOSAVE"), "a stranger reads": stranger.Get(ctx, key), "a stranger asks": stranger.Info(ctx),
	} {
		if err := cmd.Err(); err == nil || !strings.Contains(err.Error(), "NOPERM") && !strings.Contains(err.Error(), "NOAUTH") && !strings.Contains(err.Error(), "can't run this command") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if seq, err := dispatcher.HGet(ctx, key, "seq").Result(); err != nil || seq != "1" {
		t.Errorf("the view was changed: %s, %v", seq, err)
	}
	for what, want := range map[string]string{"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"} {
		data, err := os.ReadFile(filepath.Join(root, "deployments", "redis", "redis.conf"))
		if err != nil || !strings.Contains(string(data), "\n"+what+" "+want+"\n") {
			t.Errorf("redis.conf does not say %s %s", what, want)
		}
	}
	natstest.Until(t, time.Second, "it still answers", func() bool { return dispatcher.Ping(ctx).Err() == nil })
}
