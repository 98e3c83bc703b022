package connectredis_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/connect/connectredis"
	"github.com/fertig-project/fertig/shared/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// flags reads a command line.
func flags(t *testing.T, env map[string]string, args ...string) (connectredis.Options, error) {
	t.Helper()
	r := config.NewReader("x", args, func(k string) string { return env[k] }, io.Discard)
	where := connectredis.Flags(r)
	err := r.Parse()
	return where(), err
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"redis://127.0.0.1:6379/0":                         "",
		"rediss://cache:6379":                              "",
		"unix:///run/redis.sock":                           "",
		"redis-sentinel://a:26379,b:26379,c:26379/fertig":  "",
		"redis-sentinel://a:26379/fertig/2":                "",
		"redis-sentinel://a:26379":                         "must be a URL",
		"redis-sentinel://a,b:26379/fertig":                "must be a URL",
		"redis-sentinel://a:26379/fertig/two":              "must be a URL",
		"redis-sentinel://user:hunter2@a:26379/fertig":     "--redis-password",
		"http://user:hunter2@127.0.0.1":                    "must be a URL",
		"127.0.0.1:6379":                                   "must be a URL",
		"redis://user:hunter2@127.0.0.1:6379/not-a-number": "must be a URL",
	} {
		_, err := flags(t, nil, "--redis", address)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: want %q, got %v", address, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the password shows: %v", address, err)
		}
	}
}

func TestUserAndPasswordAreShown(t *testing.T) {
	m := miniredis.RunT(t)
	m.RequireUserAuth("dispatcher", "hunter2")
	o, err := flags(t, map[string]string{"FERTIG_REDIS_USER": "dispatcher", "FERTIG_REDIS_PASSWORD": "env:PW", "PW": "hunter2"}, "--redis", "redis://"+m.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectredis.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	o.Password = "guess"
	if _, err := connectredis.Open(t.Context(), o); !fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), "--redis-password") || strings.Contains(err.Error(), "guess") {
		t.Errorf("got %v", err)
	}
}

func TestStartWaitsForRedis(t *testing.T) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	m.SetError("LOADING Redis is loading the dataset in memory")
	opened := make(chan error, 1)
	go func() {
		c, err := connectredis.Open(t.Context(), connectredis.Options{URL: "redis://" + m.Addr()})
		if err == nil {
			_ = c.Close()
		}
		opened <- err
	}()
	m.SetError("")
	if err := <-opened; err != nil {
		t.Error(err)
	}
	m.SetError("LOADING Redis is loading the dataset in memory")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := connectredis.Open(ctx, connectredis.Options{URL: "redis://" + m.Addr(), Within: 50 * time.Millisecond}); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}
