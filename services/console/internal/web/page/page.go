// Package page is what the console looks like: one plain struct per page, the templates that draw it, the style sheet
// and the small script, all embedded. It guarantees that every page reads and works without a script, that nothing a
// sender chose reaches a page unescaped, and that a page needs no backend to be drawn, so that each state it can be in has
// an example in package storybook. It reads no request, decides nothing and knows no clock: the moment comes with the Frame.
package page

import (
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/i18n"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/outcome"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Role is what a visitor may do: a viewer sees, an operator acts, support configures.
type Role string

// The roles.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Support  Role = "support"
)

// Acts reports whether the role may change shipments and start runs.
func (r Role) Acts() bool { return r == Operator || r == Support }

// Configures reports whether the role may change settings.
func (r Role) Configures() bool { return r == Support }

// Frame is what surrounds every page's content.
type Frame struct {
	User  string // empty: nobody is signed in
	Role  Role
	Lang  i18n.Lang
	Theme string // "", "light" or "dark"
	URL   string // path and query of the page, for the way back after a form

	Now     time.Time
	Zone    *time.Location // of times that belong to no account
	Notices []Notice       // what the last action led to
	Stale   time.Time      // set when the figures are older than a few seconds: they are from then

	Deferred int // badges of the navigation
	Messages int
}

// Tone colours a notice; words carry the meaning.
type Tone string

// The tones.
const (
	Good Tone = "good"
	Warn Tone = "warn"
	Bad  Tone = "bad"
)

// Sentence is a catalogue key with its arguments (name, value, ...).
type Sentence struct {
	Key  string
	Args []any
}

// Say makes a sentence.
func Say(key string, args ...any) Sentence { return Sentence{Key: key, Args: args} }

// Notice tells the result of an action, with what went wrong per shipment.
type Notice struct {
	Tone Tone
	Sentence
	Lines []Line
}

// Line is one shipment's part of a notice.
type Line struct {
	Label string
	URL   string
	Text  string
}

// Action is a button. It stays visible when it cannot be used and says why.
type Action struct {
	ID      string // stable; also the data-test attribute
	Label   string // catalogue key
	URL     string // where the form is posted, or the link leads when Link is set
	Link    bool
	Main    bool     // the one that is usually right
	Comment bool     // asks for a mandatory comment
	Why     Sentence // disabled because of this; empty key: usable
}

// Enabled reports whether the button can be used.
func (a Action) Enabled() bool { return a.Why.Key == "" }

// Option is a choice of a select field.
type Option struct {
	Value    string
	Text     string // as it is
	Label    string // or a catalogue key
	Selected bool
}

// Count tells orders and shipments apart.
type Count struct{ Orders, Shipments int }

// Login is the page that asks for a token.
type Login struct {
	Frame
	Next    string
	Problem string // catalogue key
}

// Failure is the page of an error: not found, forbidden, unavailable, unexpected.
type Failure struct {
	Frame
	Status int
	Key    string // error.<key>.title and error.<key>.text exist
	Detail string // the error's own words, for support
}

// Help lists the keys.
type Help struct{ Frame }

// Overview is the first page.
type Overview struct {
	Frame
	Accounts    []AccountLine
	States      []StateCount
	Flagged     Count
	FlaggedURL  string
	Messages    []Message
	Connections []Health
	RunNow      Action
}

// AccountLine is the sentence about one account.
type AccountLine struct {
	ID, Name    string
	Connection  string
	Zone        *time.Location
	Running     *job.Progress
	RunURL      string // of the running or last run
	Last        *LastRun
	Next        time.Time
	Off         bool // has no schedule
	PausedUntil time.Time
	Halted      string // reason; empty: not halted
	Missed      time.Time
	RunNow      Action
}

// LastRun is the result of an account's last run.
type LastRun struct {
	At                                time.Time
	Confirmed, Deferred, Doubt, Other int
	Left                              int
	URL                               string
}

// Tried reports whether the run sent anything.
func (l LastRun) Tried() bool { return l.Confirmed+l.Deferred+l.Doubt+l.Other > 0 }

// StateCount is one figure of the overview.
type StateCount struct {
	State  shipment.State
	N      int
	URL    string
	Active bool
}

// Health is what is known about a connection's way to Amazon.
type Health struct {
	ID, Name  string
	Mode      settings.Mode
	Region    string
	Known     bool
	Breaker   string // closed, open, half-open
	Reason    string
	Since     time.Time
	NextProbe time.Time
	Rate      float64 // requests per second allowed
	Used      int     // percent of the quota in use
	Waiting   int
	ETA       time.Time
	Zone      *time.Location
}

// Filter is what an order list is narrowed by.
type Filter struct {
	Account, State, Kind, Query, Message string
	Flag                                 bool
}

// Chip is one active filter with the way to remove it.
type Chip struct {
	Label Sentence
	URL   string
}

// Row is a shipment in a list.
type Row struct {
	shipment.Shipment
	Zone    *time.Location
	URL     string
	AgeDays int
	Lead    string       // catalogue key of the remedy's own words, when the remedy is ours
	Remedy  outcome.Text // what to do, from the outcome catalogue
	Due     string       // "late", "soon" or empty
}

// Paging says which part of a list is shown.
type Paging struct {
	From, To   int
	Prev, Next string
}

// List is the order list and, with Deferred set, the list of what could not be sent.
type List struct {
	Frame
	Deferred bool
	Filter   Filter
	Chips    []Chip
	Tabs     []StateCount // states with counts; State "" is all
	Kinds    []Option
	Accounts []Option
	Rows     []Row
	Total    Count
	Page     Paging
	Message  *Message // the list is what this message is about
	Problem  *Sentence
	Bulk     []Action
	Empty    string // catalogue key: why nothing is shown
}

// Order is one shipment's page.
type Order struct {
	Frame
	Row
	AccountName string
	ConnName    string
	Explain     []Sentence
	Packages    []Row    // the order's other packages
	Field       string   // name of the form field to correct
	Missing     Sentence // what an incomplete shipment lacks
	Form        ShipForm
	Editable    Sentence // why the data cannot be corrected now; empty key: they can
	Problems    map[string]string
	Actions     []Action
	Mapped      *settings.Mapped
	MappedRule  bool
	MapURL      string
	Steps       []Step
}

// Step is one entry of a shipment's story.
type Step struct {
	At      time.Time
	Tone    Tone
	What    Sentence
	Actor   string
	Comment string
	Run     string
	RunURL  string
	Attempt *shipment.Attempt
	Answer  *shipment.Answer
	Remedy  outcome.Text
	Changes []shipment.Change
	Waiver  bool
	State   shipment.State
	Moved   bool // the state is another than before
}

// ShipForm is what a person types about a parcel.
type ShipForm struct {
	Account, Order, Package, Carrier, Service, Tracking, ShippedAt, Items, Reference, Label, Comment string
}

// Ship is the page to mark an order as shipped by hand.
type Ship struct {
	Frame
	Accounts []Option
	Form     ShipForm
	Op       string            // makes a form sent twice one report
	Problems map[string]string // field -> sentence in the visitor's language
	Warnings []string
	Result   *Verdict
	Why      Sentence // why the form cannot be used
}

// Verdict is what became of a report.
type Verdict struct {
	Result  string // as door.Result
	Order   string
	URL     string
	State   shipment.State
	Days    int
	Changes []shipment.Change
	Texts   []string
}

// Messages is the maintenance centre.
type Messages struct {
	Frame
	Open    []Message
	Cleared []Message
}

// Message is a maintenance message.
type Message struct {
	ID        string
	Kind      string // message.<kind> exists in the catalogue
	Account   string
	Zone      *time.Location
	N         int // orders
	Shipments int
	RaisedAt  time.Time
	ClearedAt time.Time
	Groups    []Group // what Amazon said, most frequent first
	OrdersURL string
	Update    Action
	Busy      bool // a run about it is under way
	RunURL    string
	Detail    string    // file, or why a connection is halted
	Slot      time.Time // the slot that did not run
	Slots     int       // how many did not since the last run
	Held      int       // how many more wait for the same reason
}

// Slim reports whether the message is only a line: it lists nothing and has no button.
func (m Message) Slim() bool { return len(m.Groups) == 0 && m.Update.ID == "" }

// Group is equal failures of a message.
type Group struct {
	N      int
	Text   string       // Amazon's words
	Ours   *Sentence    // or ours, when nothing was sent
	Lead   string       // catalogue key of our remedy
	Remedy outcome.Text // or the outcome catalogue's
	URL    string
}

// Runs is the page of the job.
type Runs struct {
	Frame
	Schedules []Schedule
	Change    Action
	Running   []RunRow
	History   []RunRow
}

// Schedule is when an account's job runs.
type Schedule struct {
	Account, Name string
	Cron, ZoneID  string
	Zone          *time.Location
	Off           bool
	PausedUntil   time.Time
	Next          []time.Time
	Clashes       []job.Clash // times that meet a change of clocks
	RunNow        Action
}

// RunRow is one execution.
type RunRow struct {
	ID         string
	Connection string
	Accounts   string
	Kind       job.Kind
	Actor      string
	Reason     string
	Zone       *time.Location
	Started    time.Time
	Ended      time.Time
	Phase      job.Phase
	Progress   *job.Progress
	Counts     job.Counts
	Left       []Left
	URL        string
	JoinedTo   string
	JoinedURL  string
}

// Left is why some shipments were not tried.
type Left struct {
	Why string
	N   int
}

// LeftTotal adds up what a run did not try.
func (r RunRow) LeftTotal() int {
	n := 0
	for _, l := range r.Left {
		n += l.N
	}
	return n
}

// Took is the run's duration, up to now for a running one.
func (r RunRow) Took(now time.Time) time.Duration {
	if r.Started.IsZero() {
		return 0
	}
	if r.Ended.IsZero() {
		return now.Sub(r.Started)
	}
	return r.Ended.Sub(r.Started)
}

// Run is one execution's page.
type Run struct {
	Frame
	RunRow
	ByAccount []AccountCounts
	Cancel    Action
	OrdersURL string
}

// AccountCounts is a run's result for one account.
type AccountCounts struct {
	Account string
	job.Counts
}

// RunNew is the page that warns before a run by hand.
type RunNew struct {
	Frame
	Connection string
	Account    string // empty: the whole connection
	Targets    []Option
	N          int
	ETA        time.Time
	Minutes    int // since the last run; negative: there was none
	Known      bool
	Busy       string // URL of the run under way
	Start      Action
	Reason     string
	ZoneName   string
}

// Accounts is the page of connections, accounts and carrier mappings.
type Accounts struct {
	Frame
	Connections []Connection
	Map         *MapForm
}

// Connection is one authorisation with its accounts.
type Connection struct {
	Health
	Endpoint string
	Halted   string
	Test     Action
	Accounts []Account
}

// Account is one marketplace.
type Account struct {
	settings.Account
	Zone     *time.Location
	Unmapped []Unmapped
	MapURL   string
}

// Unmapped is a carrier name that waits in the queue without a rule.
type Unmapped struct {
	Carrier, Service string
	N                int
}

// MapForm is the form that adds a rule to an account's mapping.
type MapForm struct {
	Account  string
	Accounts []Option
	Rule     settings.MapRule
	Comment  string
	Problems map[string]string
	Why      Sentence
}
