package ops

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/control"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Ledger is what Ops needs of the record of everything decided.
type Ledger interface {
	LastMany(ctx context.Context, keys []shipment.Key) (map[shipment.Key]shipment.Entry, error)
	AppendAll(ctx context.Context, drafts []ledger.Draft) []ledger.Result
	Change(ctx context.Context, k shipment.Key, decide func(last shipment.Entry) (shipment.Event, error)) (shipment.Entry, error)
	History(ctx context.Context, k shipment.Key) ([]shipment.Entry, error)
}

// View answers questions about many shipments; it may be a moment behind the ledger.
type View interface {
	List(ctx context.Context, f Filter, p Paging) (Page, error)
	Counts(ctx context.Context) (map[shipment.AccountID]Counts, error)
}

// Door takes reports in.
type Door interface {
	Submit(ctx context.Context, events []event.Event) ([]door.Verdict, error)
}

// Board is where runs are asked for and their logs are read.
type Board interface {
	Ask(ctx context.Context, t job.Trigger) (bool, error)
	Asked(ctx context.Context, c shipment.ConnectionID, run string) (job.Trigger, error)
	Last(ctx context.Context, c shipment.ConnectionID, run string) (job.Log, error)
	Recent(ctx context.Context, c shipment.ConnectionID, n int) ([]job.Log, error)
}

// Listener hears the progress of runs.
type Listener interface {
	Listen(ctx context.Context, c shipment.ConnectionID, hear func(job.Progress)) error
}

// Settings is what is configured.
type Settings interface {
	Current() settings.Set
	Change(ctx context.Context, id shipment.ConnectionID, edit func(*settings.Connection) error) error
}

// Messages are the maintenance messages.
type Messages interface {
	Open(ctx context.Context) ([]message.Message, error)
	Get(ctx context.Context, id string) (message.Message, error)
}

// Control asks the dispatcher, which alone talks to Amazon and writes the view.
type Control interface {
	Status(ctx context.Context, c shipment.ConnectionID) (control.Status, error)
	Test(ctx context.Context, c shipment.ConnectionID) ([]control.Step, error)
	Rebuild(ctx context.Context) error
}

// Config is what Ops works with. Only Now and NewID have defaults.
type Config struct {
	Ledger    Ledger
	View      View
	Door      Door
	Board     Board
	Progress  Listener
	Settings  Settings
	Messages  Messages
	Control   Control
	Unshipped Unshipped
	Packages  Packages
	Logger    *slog.Logger     // every change of settings leaves a line with actor and comment
	Now       func() time.Time // nil: time.Now
	NewID     func() string    // nil: UUID version 7
}

// Ops is the use cases of people. It is safe for concurrent use and holds nothing of its own.
type Ops struct{ cfg Config }

// New joins the parts.
func New(cfg Config) *Ops {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Ops{cfg: cfg}
}

func (o *Ops) now() time.Time { return o.cfg.Now().UTC() }

// runID is the id of the n-th run an operation asks for on a connection: the same operation id gives the same runs, so
// that a repeated request starts nothing twice.
func (o *Ops) runID(a Actor, op string, c shipment.ConnectionID, n string) string {
	if op == "" {
		return o.cfg.NewID()
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("fertig\n"+a.Name+"\n"+op+"\n"+string(c)+"\n"+n)).String()
}

// audit leaves a line about a change that no shipment's history records.
func (o *Ops) audit(ctx context.Context, a Actor, action string, args ...any) {
	o.cfg.Logger.InfoContext(ctx, action, append([]any{"actor", a.Name, "role", a.Role}, args...)...)
}
