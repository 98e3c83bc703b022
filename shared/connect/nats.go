package connect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/shared/config"
	"github.com/fertig-project/fertig/shared/fault"
)

// startWithin is how long a start waits for servers that do not answer yet: processes of an installation start in any
// order. tryEvery is the pause between looks.
const (
	startWithin = 30 * time.Second
	tryEvery    = 250 * time.Millisecond
)

// NATS says where NATS is and as whom to sign in.
type NATS struct {
	URLs     []string // of any number of servers of one cluster
	Service  string   // names the connection, and the inboxes: _INBOX.<service>.>
	Creds    string   // file with JWT and seed; empty: none
	NkeyFile string   // file with an nkey's seed; empty: none
	CAFile   string   // file with the certificates of who signed the servers'; empty: the system's
	Within   time.Duration
	Logger   *slog.Logger
}

// natsFlags registers what NATS needs to be told.
func natsFlags(r *config.Reader, service string) func() NATS {
	urls := r.URLs("nats", "nats://127.0.0.1:4222", "where NATS is; several servers of a cluster with commas between", "nats", "tls")
	creds := r.Text("nats-creds", "", "file with NATS credentials (JWT and seed)")
	nkey := r.Text("nats-nkey-file", "", "file with the seed of this service's nkey")
	ca := r.Text("nats-ca-file", "", "file with the certificates that NATS servers' are signed by")
	return func() NATS {
		return NATS{URLs: *urls, Service: service, Creds: *creds, NkeyFile: *nkey, CAFile: *ca}
	}
}

// OpenNATS connects and stays connected: a connection that breaks is made again for ever, also after a refusal, because
// rights and keys may be on their way. It waits at most Within (30 s) for the first server that answers. What the server refuses
// later is logged with its remedy. Inboxes have the service's own prefix, so that no service can read another's answers.
func OpenNATS(ctx context.Context, o NATS) (*nats.Conn, error) {
	opts, err := o.options()
	if err != nil {
		return nil, err
	}
	if o.Within == 0 {
		o.Within = startWithin
	}
	within, cancel := context.WithTimeout(ctx, o.Within)
	defer cancel()
	for {
		nc, err := nats.Connect(strings.Join(o.URLs, ","), opts...)
		switch {
		case err == nil:
			return nc, nil
		case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
			return nil, fault.Wrap(fault.Forbidden, err,
				"connect to NATS (--nats): the server does not know this key: give --nats-nkey-file or --nats-creds, and enter the public key there")
		}
		select {
		case <-within.Done():
			return nil, fault.Wrap(fault.Unavailable, err, "connect to NATS (--nats)")
		case <-time.After(tryEvery):
		}
	}
}

func (o NATS) options() ([]nats.Option, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &watcher{log: o.Logger}
	opts := []nats.Option{
		nats.Name("fertig " + o.Service), nats.CustomInboxPrefix("_INBOX." + o.Service),
		nats.MaxReconnects(-1), nats.ReconnectWait(tryEvery), nats.IgnoreAuthErrorAbort(),
		nats.PermissionErrOnSubscribe(true), nats.ErrorHandler(w.failed),
		nats.DisconnectErrHandler(w.lost), nats.ReconnectHandler(w.back),
	}
	if o.Creds != "" && o.NkeyFile != "" {
		return nil, fault.New(fault.Invalid, "connect to NATS: give --nats-creds or --nats-nkey-file, not both")
	}
	for _, f := range []struct{ flag, path string }{{"--nats-creds", o.Creds}, {"--nats-nkey-file", o.NkeyFile}, {"--nats-ca-file", o.CAFile}} {
		if f.path == "" {
			continue
		}
		if _, err := os.Stat(f.path); err != nil { // the client says so only when it connects
			return nil, fault.Field(f.flag, "%v", err)
		}
	}
	if o.Creds != "" {
		opts = append(opts, nats.UserCredentials(o.Creds))
	}
	if o.NkeyFile != "" {
		key, err := nats.NkeyOptionFromSeed(o.NkeyFile)
		if err != nil {
			return nil, fault.Field("--nats-nkey-file", "%s holds no seed of a user (it begins with SU): %v", o.NkeyFile, err)
		}
		opts = append(opts, key)
	}
	if o.CAFile != "" {
		opts = append(opts, nats.RootCAs(o.CAFile))
	}
	return opts, nil
}

// natsReady reports a connection that is down to who asks for readiness.
func natsReady(nc *nats.Conn) func(context.Context) error {
	return func(context.Context) error {
		if !nc.IsConnected() {
			return fmt.Errorf("not connected: %s", nc.Status())
		}
		return nil
	}
}
