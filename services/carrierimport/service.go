package carrierimport

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fertig-project/fertig/services/carrierimport/internal/folder"
	"github.com/fertig-project/fertig/services/carrierimport/internal/intake"
	"github.com/fertig-project/fertig/services/carrierimport/internal/orderlist"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/lifecycle"
	"github.com/fertig-project/fertig/shared/orders"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
)

// stopWithin is the deadline of a clean stop: the time for the batch of a file that is under way.
const stopWithin = 15 * time.Second

// The report of one file, as the API and the CLI show it.
type (
	Report  = intake.Report
	Row     = intake.Row
	Outcome = intake.Outcome
)

// Outcomes of rows beside the door's results.
const (
	Unusable = intake.Unusable
	Waiting  = intake.Waiting
	Further  = intake.Further
	Repeated = intake.Repeated
)

// Service imports carriers' files. Import is safe for concurrent use, also while Run runs.
type Service struct {
	cfg      Config
	settings *stream.Settings
	door     intake.Door
	known    *orders.Book
}

// New checks the configuration, opens the door and prepares the folders. Nothing is watched until Run.
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("carrier import: %w", err)
	}
	for _, imp := range cfg.Imports {
		if imp.Folder == "" {
			continue
		}
		if err := folder.Prepare(imp.Folder); err != nil {
			return nil, fmt.Errorf("carrier import of %s: %w", imp.Account, err)
		}
	}
	js, err := jetstream.New(cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("carrier import: %w", err)
	}
	set, err := stream.OpenSettings(ctx, js)
	if err != nil {
		return nil, fmt.Errorf("carrier import: %w", err)
	}
	l, err := ledger.Open(ctx, cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("carrier import: %w", err)
	}
	d, err := door.Open(cfg.NATS, l, set, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("carrier import: %w", err)
	}
	known, err := orders.Open(cfg.NATS)
	if err != nil {
		return nil, fmt.Errorf("carrier import: %w", err)
	}
	return &Service{cfg: cfg, settings: set, door: d, known: known}, nil
}

// Run watches the folders until ctx ends, then returns nil. A file under way is finished or left claimed for the next start.
func (s *Service) Run(ctx context.Context) error {
	g := lifecycle.New(ctx, stopWithin)
	g.Go("settings", s.settings.Run)
	for _, imp := range s.cfg.Imports {
		if imp.Folder != "" {
			w := &watcher{Service: s, imp: imp, log: s.cfg.Logger.With("account", imp.Account, "folder", imp.Folder)}
			g.Go("folder "+imp.Folder, w.run)
		}
	}
	return g.Wait()
}

// Import takes one file now, the way a watched one goes: its rows are handed in, and original, result and quarantine are
// kept in the account's folder if it has one. The report says what became of every row. fault.NotFound: the account has no
// import; fault.Unavailable: nothing is decided, hand the file in again later (that is always safe).
func (s *Service) Import(ctx context.Context, account, fileName string, r io.Reader) (Report, error) {
	content, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return Report{}, fault.Wrap(fault.Invalid, err, "read %s", folder.Clean(fileName))
	}
	imp, err := s.choose(shipment.AccountID(account), content)
	if err != nil {
		return Report{}, err
	}
	report, err := s.take(ctx, imp, folder.Clean(fileName), content, false)
	if err != nil || imp.Folder == "" {
		return report, err
	}
	if err := folder.Keep(imp.Folder, fileName, content, kept(report)); err != nil {
		return report, fault.Wrap(fault.Internal, err, "the rows are handed in, but the file could not be kept")
	}
	return report, nil
}

// choose finds the import for an upload: the account's first whose profile can read the file, else its first.
func (s *Service) choose(account shipment.AccountID, content []byte) (Import, error) {
	var of []Import
	for _, imp := range s.cfg.Imports {
		if imp.Account == account {
			of = append(of, imp)
		}
	}
	if len(of) == 0 {
		return Import{}, fault.New(fault.NotFound, "account %s has no import: describe one under imports in the configuration", account)
	}
	i := slices.IndexFunc(of, func(imp Import) bool {
		p, err := imp.profile()
		if err == nil {
			_, err = p.Read(content, time.UTC)
		}
		return err == nil
	})
	return of[max(i, 0)], nil
}

// take is the one way of every file.
func (s *Service) take(ctx context.Context, imp Import, name string, content []byte, again bool) (Report, error) {
	conn, account, ok := s.settings.Current().Account(imp.Account)
	if !ok {
		return Report{}, fault.Field("account", "%q is not configured: see the list of accounts", imp.Account)
	}
	p, err := imp.profile()
	if err != nil {
		return Report{}, err
	}
	in := intake.Intake{Account: imp.Account, Profile: p, Zone: account.Schedule.Location(), Door: s.door, Now: s.cfg.Now, Again: again}
	find := finder{ctx: ctx, book: s.known, connection: conn.ID}
	var warnings []string
	if imp.OrderList != "" {
		list, err := readOrders(imp.OrderList)
		if err != nil {
			return Report{}, err
		}
		find.list, warnings = &list, list.Warnings
	}
	in.Orders = find
	report, err := in.Take(ctx, name, content)
	report.Warnings = append(report.Warnings, warnings...)
	return report, err
}

// tooLarge is what becomes of a file that is not even read.
func (s *Service) tooLarge(ctx context.Context, imp Import, c folder.Claimed) (Report, error) {
	in := intake.Intake{Account: imp.Account, Door: s.door, Now: s.cfg.Now}
	r := Report{Account: string(imp.Account), File: c.Name, Hash: hex.EncodeToString(fmt.Appendf(nil, "%06d", c.Size%1e6)), At: s.cfg.Now().UTC()}
	return in.Refuse(ctx, r, fmt.Sprintf("the file has %d bytes, at most %d are allowed: split it", c.Size, MaxBytes))
}

// readOrders reads the order list anew for every file, because the merchant's system writes it at any time. A list that
// cannot be read now is waited for rather than taken as empty.
func readOrders(path string) (orderlist.List, error) {
	st, err := os.Stat(path)
	if err != nil {
		return orderlist.List{}, fault.Wrap(fault.Unavailable, err, "read order list: the file waits until it is there")
	}
	if st.Size() == 0 {
		return orderlist.List{}, nil
	}
	if st.Size() > MaxBytes {
		return orderlist.List{}, fault.New(fault.Unavailable, "order list %s has %d bytes, at most %d are allowed", path, st.Size(), MaxBytes)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return orderlist.List{}, fault.Wrap(fault.Unavailable, err, "read order list: the file waits until it can be read")
	}
	list, err := orderlist.Parse(content)
	if err != nil {
		return orderlist.List{}, fault.Wrap(fault.Unavailable, err, "read order list %s", path)
	}
	return list, nil
}

func kept(r Report) folder.Outcome {
	return folder.Outcome{At: r.At, Hash: r.Hash, Refused: r.Refused != "", Result: r.ResultFile(), Held: r.QuarantineFile(), Waits: r.Waits()}
}
