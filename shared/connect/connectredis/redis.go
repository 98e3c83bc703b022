// Package connectredis opens the connection to Redis: to one server, or through Sentinel to whichever is the primary. It
// owns the forms of an address and the flags that carry it, and guarantees that a start waits a bounded time for a server
// that is not there yet, that a refusal names its remedy, and that no password shows in an error. It does not know what
// is kept there, and does not speak Redis Cluster.
package connectredis

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/fault"
)

// Bounds of the start.
const (
	startWithin = 30 * time.Second
	tryEvery    = 250 * time.Millisecond
)

// sentinelScheme begins an address of the form redis-sentinel://host:port,host:port/PRIMARY[/DATABASE].
const sentinelScheme = "redis-sentinel://"

// Options say where Redis is and as whom to sign in.
type Options struct {
	URL              string // redis://, rediss://, unix:// or redis-sentinel://
	User, Password   string // they win over those of the URL
	SentinelPassword string
	Within           time.Duration // wait for the first answer; 0: 30 s
}

// Flags registers what Redis needs to be told. Call the function after Parse.
func Flags(r *config.Reader) func() Options {
	address := r.Checked("redis", "redis://127.0.0.1:6379",
		"where Redis is: redis://HOST:PORT/DB, rediss:// with TLS, or redis-sentinel://HOST:PORT,HOST:PORT/PRIMARY", check)
	user := r.Text("redis-user", "", "user at Redis")
	password := r.Secret("redis-password", "", "password at Redis")
	sentinel := r.Secret("redis-sentinel-password", "", "password at the Sentinels")
	return func() Options {
		return Options{URL: *address, User: *user, Password: password.Reveal(), SentinelPassword: sentinel.Reveal()}
	}
}

// Open connects and waits for the first answer. The caller closes the client.
func Open(ctx context.Context, o Options) (redis.UniversalClient, error) {
	if o.Within == 0 {
		o.Within = startWithin
	}
	within, cancel := context.WithTimeout(ctx, o.Within)
	defer cancel()
	for {
		c, err := o.client()
		if err != nil {
			return nil, err
		}
		if err = c.Ping(within).Err(); err == nil {
			return c, nil
		}
		_ = c.Close() // a pool that has failed a while goes on trying on its own, also after its end
		if refused(err) {
			return nil, fault.Wrap(fault.Forbidden, err, "connect to Redis (--redis): give --redis-user and --redis-password as its ACL has them")
		}
		select {
		case <-within.Done():
			return nil, fault.Wrap(fault.Unavailable, err, "connect to Redis (--redis)")
		case <-time.After(tryEvery):
		}
	}
}

// refused reports whether the server answered and does not let us in.
func refused(err error) bool {
	for _, code := range []string{"NOAUTH", "WRONGPASS", "NOPERM"} {
		if strings.HasPrefix(err.Error(), code) {
			return true
		}
	}
	return false
}

func (o Options) client() (redis.UniversalClient, error) {
	if strings.HasPrefix(o.URL, sentinelScheme) {
		f, err := sentinel(o.URL)
		if err != nil {
			return nil, fault.Field("--redis", "%v", err)
		}
		f.Username, f.Password, f.SentinelPassword = o.User, o.Password, o.SentinelPassword
		return redis.NewFailoverClient(f), nil
	}
	opts, err := redis.ParseURL(o.URL)
	if err != nil {
		return nil, fault.Field("--redis", "%v", errShape)
	}
	if o.User != "" {
		opts.Username = o.User
	}
	if o.Password != "" {
		opts.Password = o.Password
	}
	return redis.NewClient(opts), nil
}

var errShape = errors.New("must be a URL such as redis://127.0.0.1:6379/0, or redis-sentinel://10.0.0.1:26379,10.0.0.2:26379/PRIMARY")

// check refuses an address that cannot be one.
func check(s string) (string, error) {
	if strings.HasPrefix(s, sentinelScheme) {
		_, err := sentinel(s)
		return s, err
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "unix" && u.Host == "" {
		return "", errShape
	}
	if _, err := redis.ParseURL(s); err != nil {
		return "", errShape
	}
	return s, nil
}

// sentinel takes the Sentinel form apart. A password has no place in it.
func sentinel(s string) (*redis.FailoverOptions, error) {
	hosts, path, _ := strings.Cut(strings.TrimPrefix(s, sentinelScheme), "/")
	primary, db, _ := strings.Cut(path, "/")
	if hosts == "" || primary == "" {
		return nil, errShape
	}
	if strings.Contains(hosts, "@") {
		return nil, errors.New("holds a password: give it with --redis-password instead")
	}
	f := &redis.FailoverOptions{MasterName: primary, SentinelAddrs: strings.Split(hosts, ",")}
	for _, h := range f.SentinelAddrs {
		if host, port, ok := strings.Cut(h, ":"); !ok || host == "" || port == "" {
			return nil, errShape
		}
	}
	if db != "" {
		n, err := strconv.Atoi(db)
		if err != nil || n < 0 {
			return nil, errShape
		}
		f.DB = n
	}
	return f, nil
}
