package contract

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/allinone/embedded"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/services/console"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/services/dispatcher"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

const (
	marketplace = "A1PA6795UKMFR9"
	operator    = "contract-operator-token"

	// nobodys is the order that a client asks for to find out whether it is let in.
	nobodys = "000-0000000-0000000"
)

// bed is everything of Fertig in this process, and Amazon's side behind a watch. Each row has a connection, an account and a
// seller of its own, so that no row's trouble is another's.
type bed struct {
	nats   *embedded.NATS
	redis  *embedded.Redis
	nc     *nats.Conn
	ledger *ledger.Ledger
	door   *door.Door
	board  *job.Board
	sim    *amazonsim.Simulator
	watch  *watch
	api    client.ClientInterface
	web    net.Listener

	life context.Context
	end  context.CancelFunc
	over []<-chan error
}

func names(i int) (shipment.ConnectionID, shipment.AccountID) {
	return shipment.ConnectionID(fmt.Sprintf("C%02d", i)), shipment.AccountID(fmt.Sprintf("A%02d", i))
}

func seller(i int) amazonsim.Account {
	return amazonsim.Account{Seller: fmt.Sprintf("SELLER%02d", i), ClientID: "amzn1.application-oa2-client.contract", ClientSecret: "secret", RefreshToken: fmt.Sprintf("Atzr|%02d", i)}
}

func orderID(i int) string { return fmt.Sprintf("302-%07d-0000001", i) }

func open(ctx context.Context, dir string, rows []row) (*bed, error) {
	b := &bed{}
	var failed error
	try := func(err error) bool { failed = errors.Join(failed, err); return err == nil }
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if b.nats, err = embedded.StartNATS(ctx, embedded.NATSOptions{Dir: filepath.Join(dir, "nats"), Logger: quiet}); err != nil {
		return b, err
	}
	if b.nc, err = b.nats.Connect("contract"); err != nil {
		return b, err
	}
	if b.redis, err = embedded.OpenRedis(ctx, "", quiet); err != nil {
		return b, err
	}
	js, err := jetstream.New(b.nc)
	if err != nil || !try(stream.Ensure(ctx, js, stream.Options{Replicas: 1})) {
		return b, errors.Join(err, failed)
	}
	url, err := b.amazon(rows)
	if err != nil {
		return b, err
	}
	conf, err := stream.OpenSettings(ctx, js)
	if err != nil || !try(conf.Seed(ctx, settings.Set{Connections: connections(url, rows)})) {
		return b, errors.Join(err, failed)
	}
	if b.ledger, err = ledger.Open(ctx, b.nc); err != nil {
		return b, err
	}
	if b.board, err = job.Open(b.nc); err != nil {
		return b, err
	}
	if b.door, err = door.Open(b.nc, b.ledger, conf, time.Now); err != nil {
		return b, err
	}
	return b, b.services(ctx, quiet)
}

// amazon starts the simulator behind the watch.
func (b *bed) amazon(rows []row) (url string, err error) {
	sc := amazonsim.Scenario{BlockedTracking: []string{blockedNumber}}
	for _, op := range []string{confirm, read, amazonsim.OpSearchOrders} {
		sc.Quotas = append(sc.Quotas, amazonsim.Quota{Operation: op, Rate: 1000, Burst: 1000})
	}
	for i, r := range rows {
		sc.Accounts = append(sc.Accounts, seller(i))
		o := amazonsim.Order{ID: orderID(i), Seller: seller(i).Seller, MarketplaceID: marketplace, Items: []amazonsim.Item{{ID: item(i), Quantity: 1}}}
		if r.order != nil {
			r.order(&o)
		}
		if !r.gone {
			sc.Orders = append(sc.Orders, o)
		}
		if r.fault != nil {
			f := *r.fault
			f.ID, f.Seller = r.rule, seller(i).Seller
			sc.Faults = append(sc.Faults, f)
		}
	}
	if b.sim, err = amazonsim.New(amazonsim.Options{Scenario: sc}); err != nil {
		return "", err
	}
	model, err := LoadModel()
	if err != nil {
		return "", err
	}
	b.watch = &watch{model: model, next: b.sim, operations: map[string]int{}, scripted: scripted(rows)}
	if b.web, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return "", err
	}
	server := &http.Server{Handler: b.watch, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	b.start(func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		_ = server.Serve(b.web)
		return nil
	})
	return "http://" + b.web.Addr().String(), nil
}

// scripted tells the answers that a row prescribes: they are held to nothing, as some are not Amazon's.
func scripted(rows []row) func(op string, body []byte, path string) bool {
	return func(op string, body []byte, path string) bool {
		for i, r := range rows {
			if r.fault == nil || r.fault.Kind != amazonsim.FaultAnswer || r.fault.Operation != op && (r.fault.Operation != anything || op == token) {
				continue
			}
			if r.fault.Operation == anything && strings.Contains(path, nobodys) { // whose question it is cannot be told
				return true
			}
			if strings.Contains(path, orderID(i)) || op == token && strings.Contains(string(body), strings.ReplaceAll(seller(i).RefreshToken, "|", "%7C")) {
				return true
			}
		}
		return false
	}
}

func connections(url string, rows []row) []settings.Connection {
	var out []settings.Connection
	for i, r := range rows {
		c, a := names(i)
		endpoint := url
		if r.dead {
			endpoint = "http://127.0.0.1:1"
		}
		secret := "env:" + seller(i).ClientSecret
		if r.bare {
			secret = "env:none"
		}
		after := settings.Duration(time.Hour)
		if i == 0 { // one connection is compared with Amazon at once
			after = settings.Duration(500 * time.Millisecond)
		}
		out = append(out, settings.Connection{ID: c, Region: "eu", Mode: settings.ModeSimulator, Endpoint: endpoint, TokenEndpoint: url + "/auth/o2/token", ClientID: seller(i).ClientID,
			ClientSecret: secret, RefreshToken: "env:" + seller(i).RefreshToken,
			Limits: settings.Limits{ConfirmRate: 100, ConfirmBurst: 100, ReadRate: 100, ReadBurst: 100, SearchRate: 100, SearchBurst: 100, ReconcileAfter: after, InFlight: 2, RequestTimeout: settings.Duration(time.Second),
				DoubtAfter: settings.Duration(300 * time.Millisecond), DoubtAgain: settings.Duration(300 * time.Millisecond)},
			Accounts: []settings.Account{{ID: a, Marketplace: marketplace, Schedule: settings.Schedule{Off: true}}}}.WithDefaults())
	}
	return out
}

func secrets(ref string) (string, error) {
	if ref == "env:none" {
		return "", errors.New("secret env:none is empty")
	}
	return strings.TrimPrefix(ref, "env:"), nil
}

// services starts dispatcher and console.
func (b *bed) services(ctx context.Context, log *slog.Logger) error {
	d, err := dispatcher.New(ctx, dispatcher.Config{NATS: b.nc, Redis: b.redis.Client, Secrets: secrets, Name: "contract", WarmQuota: true, Logger: log})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := console.New(ctx, console.Config{NATS: b.nc, Redis: b.redis.Client, Listener: l, Tokens: []console.Token{{Name: "contract", Role: "operator", Token: operator}}, Logger: log})
	if err != nil {
		return err
	}
	b.start(d.Run)
	b.start(c.Run)
	api, err := client.Open("http://"+l.Addr().String(), operator, http.DefaultClient)
	if err != nil {
		return err
	}
	b.api = api.ClientInterface
	return nil
}

// start runs a part until close.
func (b *bed) start(run func(context.Context) error) {
	if b.end == nil {
		var ctx context.Context
		ctx, b.end = context.WithCancel(context.Background())
		b.life = ctx
	}
	over := make(chan error, 1)
	b.over = append(b.over, over)
	go func() { over <- run(b.life) }()
}

func (b *bed) close(dir string) error {
	var errs []error
	if b.end != nil {
		b.end()
	}
	for _, o := range b.over {
		errs = append(errs, <-o)
	}
	http.DefaultClient.CloseIdleConnections()
	if b.nc != nil {
		b.nc.Close()
	}
	if b.redis != nil {
		errs = append(errs, b.redis.Close())
	}
	if b.nats != nil {
		errs = append(errs, b.nats.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}
