package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/allinone/compose"
	"github.com/fertig-project/fertig/services/console/cli"
	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/config"
)

// Config is what Run needs.
type Config struct {
	Once    bool // end after the accounts
	DataDir string
	Listen  string // of the console
	Version string
	Out     io.Writer
	Logger  *slog.Logger
	Now     func() time.Time // nil: time.Now
}

// Deadlines of the story's parts. Together they stay far below what the demo may take.
const (
	intakeWithin = 20 * time.Second
	runWithin    = 60 * time.Second
	doubtWithin  = 25 * time.Second
)

// Story is the running demo.
type Story struct {
	cfg     Config
	system  *compose.System
	sample  Sample
	senders *senders
	api     *client.ClientWithResponses
	began   time.Time
}

// Run tells the story from beginning to end and then stays up until ctx ends, unless it was to be told once. It fails
// with *cli.Failed when the accounts do not balance.
func Run(ctx context.Context, cfg Config) error {
	began := time.Now()
	s, err := Start(ctx, cfg)
	if err != nil {
		return err
	}
	s.began = began
	accounts, err := s.Tell(ctx)
	if err == nil && !cfg.Once {
		s.invite()
		return s.system.Wait()
	}
	err = errors.Join(err, s.Stop())
	line, jerr := json.Marshal(accounts)
	if jerr != nil {
		return errors.Join(err, jerr)
	}
	fmt.Fprintf(cfg.Out, "%s\n", line)
	if err != nil {
		return err
	}
	if !accounts.Sound() {
		return &cli.Failed{Text: "the accounts do not balance: see above"}
	}
	return nil
}

// Start starts the whole system on the sample data.
func Start(ctx context.Context, cfg Config) (*Story, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	sample, err := Load(cfg.Now())
	if err != nil {
		return nil, err
	}
	s := &Story{cfg: cfg, sample: sample, began: time.Now()}
	s.say("Starting: NATS, Redis, the services, and a simulated Amazon with %d orders.", len(sample.Scenario.Orders))
	imports := filepath.Join(cfg.DataDir, "import")
	file := compose.File{File: config.File{DataDir: cfg.DataDir, Set: sample.Settings,
		Listen: config.Listen{Console: cfg.Listen, NATS: "127.0.0.1:0"}}, Imports: folders(imports)}
	s.system, err = compose.Start(ctx, compose.Config{File: file, Scenario: &sample.Scenario, Version: cfg.Version,
		Logger: cfg.Logger, Now: cfg.Now, Secrets: secret, WarmQuota: true})
	if err != nil {
		return nil, err
	}
	if err := s.connect(imports); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Story) connect(imports string) error {
	js, err := jetstream.New(s.system.NATS)
	if err != nil {
		return err
	}
	if s.api, err = client.Open(s.system.URL(), s.system.Token, nil); err != nil {
		return err
	}
	s.senders = &senders{sample: s.sample, js: js, api: s.api, dir: imports, now: s.cfg.Now}
	return nil
}

// System is the installation the story plays in.
func (s *Story) System() *compose.System { return s.system }

// Stop stops the system.
func (s *Story) Stop() error { return s.system.Stop() }

// Tell plays the whole story and returns the accounts.
func (s *Story) Tell(ctx context.Context) (audit.Accounts, error) {
	var told error
	for _, part := range []func(context.Context) error{s.report, s.exclude, s.run, s.deferred, s.correct, s.press, s.settle, s.reconcile} {
		if told = part(ctx); told != nil {
			break // the accounts are done all the same: they say where things stand
		}
	}
	accounts, err := s.account(ctx)
	return accounts, errors.Join(told, err)
}

// account does the accounts and prints them.
func (s *Story) account(ctx context.Context) (audit.Accounts, error) {
	books := audit.Books{Journal: s.senders.journal, Calls: s.system.Simulator.Record(), Orders: s.system.Simulator.Orders()}
	if err := books.Read(ctx, s.senders.js, s.system.Ledger); err != nil {
		return audit.Accounts{}, err
	}
	accounts, findings := audit.Settle(books)
	accounts.ElapsedS = float64(time.Since(s.began).Milliseconds()) / 1000
	s.table(books, accounts)
	for _, f := range findings {
		s.say("!! %s", f)
	}
	return accounts, nil
}

func (s *Story) say(format string, args ...any) { fmt.Fprintf(s.cfg.Out, format+"\n", args...) }

func (s *Story) invite() {
	s.say("\nThe console:  %s", s.system.URL())
	s.say("Sign in with: %s", s.system.Token)
	s.say("Or try:       bin/fertig --data-dir %s orders list --flagged", s.cfg.DataDir)
	s.say("JetStream:    %s with the token in %s", s.system.NATSURL, filepath.Join(s.cfg.DataDir, "nats.token"))
	s.say("It stays up until you press Ctrl-C.")
}
