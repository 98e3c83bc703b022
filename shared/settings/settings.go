// Package settings is what people configure: connections, their accounts, schedules, carrier mappings and limits. It
// owns the types, their defaults and their checks, reads them from YAML, and guarantees that a problem is reported with
// its field and that all problems are reported at once. Secrets appear only as references (env:NAME, file:PATH); the
// values never enter a settings document. Distribution through the configuration bucket lives in package stream.
package settings

import (
	"sync"
	"time"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Mode says how far a connection goes.
type Mode string

// The modes. A simulator connection talks to the simulator, a shadow one reads Amazon but sends nothing, a live one sends.
const (
	ModeSimulator Mode = "simulator"
	ModeShadow    Mode = "shadow"
	ModeLive      Mode = "live"
)

// Connection is one seller's authorisation of one application in one region.
type Connection struct {
	ID            shipment.ConnectionID `json:"id" yaml:"id"`
	Name          string                `json:"name,omitempty" yaml:"name,omitempty"`
	Region        string                `json:"region" yaml:"region"` // eu, na or fe
	Mode          Mode                  `json:"mode" yaml:"mode"`
	Endpoint      string                `json:"endpoint,omitempty" yaml:"endpoint,omitempty"`           // default: Amazon's for the region
	TokenEndpoint string                `json:"tokenEndpoint,omitempty" yaml:"tokenEndpoint,omitempty"` // default: Amazon's
	ClientID      string                `json:"clientId" yaml:"clientId"`
	ClientSecret  string                `json:"clientSecret" yaml:"clientSecret"` // a reference: env:NAME or file:PATH
	RefreshToken  string                `json:"refreshToken" yaml:"refreshToken"` // a reference

	// ClientSecretNext is a reference to the secret that is to take the other one's place: both are tried while it is there.
	ClientSecretNext string `json:"clientSecretNext,omitempty" yaml:"clientSecretNext,omitempty"`
	// Days as 2026-11-20; what they begin ends after 365 days (Amazon: authorisations) and 180 days (client secrets).
	AuthorisedOn   string `json:"authorisedOn,omitempty" yaml:"authorisedOn,omitempty"`
	SecretIssuedOn string `json:"secretIssuedOn,omitempty" yaml:"secretIssuedOn,omitempty"`

	Limits   Limits    `json:"limits,omitzero" yaml:"limits,omitempty"`
	Accounts []Account `json:"accounts" yaml:"accounts"`
}

// Limits are a connection's bounds; zero fields take the defaults of Amazon's published usage plans.
type Limits struct {
	ConfirmRate    float64  `json:"confirmRate,omitempty" yaml:"confirmRate,omitempty"`       // requests per second, default 2
	ConfirmBurst   int      `json:"confirmBurst,omitempty" yaml:"confirmBurst,omitempty"`     // default 10
	InFlight       int      `json:"inFlight,omitempty" yaml:"inFlight,omitempty"`             // requests on their way to Amazon at once, default 32
	RequestTimeout Duration `json:"requestTimeout,omitempty" yaml:"requestTimeout,omitempty"` // default 10s
	RunBudget      Duration `json:"runBudget,omitempty" yaml:"runBudget,omitempty"`           // default 3h
	DoubtAfter     Duration `json:"doubtAfter,omitempty" yaml:"doubtAfter,omitempty"`         // ask Amazon no earlier, default 2m
	DoubtAgain     Duration `json:"doubtAgain,omitempty" yaml:"doubtAgain,omitempty"`         // between two readings, default 5m
	BreakerPause   Duration `json:"breakerPause,omitempty" yaml:"breakerPause,omitempty"`     // open to next probe, default 1m
	ReadRate       float64  `json:"readRate,omitempty" yaml:"readRate,omitempty"`             // orders read one by one per second, default 0.5
	ReadBurst      int      `json:"readBurst,omitempty" yaml:"readBurst,omitempty"`           // default 30
	SearchRate     float64  `json:"searchRate,omitempty" yaml:"searchRate,omitempty"`         // pages of orders per second, default 0.0056
	SearchBurst    int      `json:"searchBurst,omitempty" yaml:"searchBurst,omitempty"`       // default 20
	ReconcileAfter Duration `json:"reconcileAfter,omitempty" yaml:"reconcileAfter,omitempty"` // from a run to the look at what came of it, default 10m
	ReconcileEvery Duration `json:"reconcileEvery,omitempty" yaml:"reconcileEvery,omitempty"` // at the latest, default 24h
}

// Account is one marketplace of a connection.
type Account struct {
	ID            shipment.AccountID     `json:"id" yaml:"id"`
	Name          string                 `json:"name,omitempty" yaml:"name,omitempty"`
	Marketplace   string                 `json:"marketplace" yaml:"marketplace"` // Amazon's marketplace id
	Schedule      Schedule               `json:"schedule" yaml:"schedule"`
	AgeLimitDays  int                    `json:"ageLimitDays,omitempty" yaml:"ageLimitDays,omitempty"` // default 7
	RejectedOrder shipment.RejectedOrder `json:"rejectedOrder,omitempty" yaml:"rejectedOrder,omitempty"`
	Mapping       Mapping                `json:"mapping,omitzero" yaml:"mapping,omitempty"`
	Labels        Labels                 `json:"labels,omitzero" yaml:"labels,omitempty"` // of Seller Fulfilled Prime
	PausedUntil   time.Time              `json:"pausedUntil,omitzero" yaml:"pausedUntil,omitempty"`
}

// Schedule is when the job runs, as a cron expression of five fields read in an IANA zone.
type Schedule struct {
	Cron string `json:"cron" yaml:"cron"` // default "0 12,15,18 * * *"
	Zone string `json:"zone" yaml:"zone"` // default Europe/Berlin
	Off  bool   `json:"off,omitempty" yaml:"off,omitempty"`
	// Grace is how late a run may still begin that nobody was there to start in time, default 2h.
	Grace Duration `json:"grace,omitempty" yaml:"grace,omitempty"`
}

// zones keeps loaded time zones: every reported event asks for its account's, and loading one reads a file.
var zones sync.Map // name -> *time.Location

// Location returns the schedule's zone. Check has made sure that it loads; UTC otherwise.
func (s Schedule) Location() *time.Location {
	if loc, ok := zones.Load(s.Zone); ok {
		return loc.(*time.Location)
	}
	loc, err := time.LoadLocation(s.Zone)
	if err != nil {
		return time.UTC
	}
	zones.Store(s.Zone, loc)
	return loc
}

// AgeLimit is the account's age limit as a duration of whole days of 24 hours.
func (a Account) AgeLimit() time.Duration { return time.Duration(a.AgeLimitDays) * 24 * time.Hour }

// Account finds an account of the connection.
func (c Connection) Account(id shipment.AccountID) (Account, bool) {
	for _, a := range c.Accounts {
		if a.ID == id {
			return a, true
		}
	}
	return Account{}, false
}

// Revision is what a connection's settings were from a moment on, until the next revision. Gone: there were none.
type Revision struct {
	From       time.Time
	Gone       bool
	Connection Connection
}

// Set is everything configured at one moment. It is immutable: a change makes a new Set.
type Set struct {
	Connections []Connection `json:"connections" yaml:"connections"`
}

// Connection finds a connection.
func (s Set) Connection(id shipment.ConnectionID) (Connection, bool) {
	for i := range s.Connections { // asked for every attempt: a connection is long, and copied only when it is the one
		if s.Connections[i].ID == id {
			return s.Connections[i], true
		}
	}
	return Connection{}, false
}

// Account finds an account and its connection. Account ids are unique over all connections.
func (s Set) Account(id shipment.AccountID) (Connection, Account, bool) {
	for _, c := range s.Connections {
		if a, ok := c.Account(id); ok {
			return c, a, true
		}
	}
	return Connection{}, Account{}, false
}
