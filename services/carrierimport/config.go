package carrierimport

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/fertig-project/fertig/services/carrierimport/internal/profile"
	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Defaults of a configuration.
const (
	DefaultSettle = 5 * time.Second
	DefaultPoll   = time.Second
)

// The profiles.
const (
	ProfileDHL = "dhl" // ready-made, see samples/dhl-versenden.csv
	ProfileDPD = "dpd" // ready-made, see samples/dpd-export.csv
	ProfileGLS = "gls" // ready-made, see samples/gls-export.csv
	ProfileCSV = "csv" // described in CSV
)

// MaxBytes is the size of the largest file that is taken.
const MaxBytes = table.MaxBytes

// Config is what carrier import needs. NATS is required; its streams must exist (stream.Ensure).
type Config struct {
	NATS    *nats.Conn
	Logger  *slog.Logger     // nil: silent
	Now     func() time.Time // nil: time.Now
	Poll    time.Duration    // between two looks into a folder; 0 means DefaultPoll
	Imports []Import
}

// Import describes where one account's carrier files come from and how they are read.
type Import struct {
	Account   shipment.AccountID `yaml:"account"`
	Folder    string             `yaml:"folder,omitempty"`    // watched; empty: uploads only
	Profile   string             `yaml:"profile"`             // dhl, dpd, gls or csv
	CSV       CSV                `yaml:"csv,omitempty"`       // profile csv only
	OrderList string             `yaml:"orderList,omitempty"` // file with two columns: own number, Amazon order id
	Settle    settings.Duration  `yaml:"settle,omitempty"`    // a file must have been unchanged for; default 5s
}

// CSV describes a carrier's text file.
type CSV struct {
	Delimiter   string   `yaml:"delimiter,omitempty"` // one character, or tab; default ;
	Quote       string   `yaml:"quote,omitempty"`     // double (default) or none
	Encoding    string   `yaml:"encoding,omitempty"`  // utf-8 (default), cp1252 or iso-8859-1
	Header      *bool    `yaml:"header,omitempty"`    // default true; without it columns are numbers
	SkipLines   int      `yaml:"skipLines,omitempty"` // before the header
	Comment     string   `yaml:"comment,omitempty"`   // lines that begin with it are passed over
	Columns     Columns  `yaml:"columns,omitempty"`
	DateFormats []string `yaml:"dateFormats,omitempty"` // of yyyy yy MM dd HH mm ss and XXX (zone); default: ISO and German ones
	Carrier     string   `yaml:"carrier,omitempty"`     // where no column or an empty cell names one
	Service     string   `yaml:"service,omitempty"`
}

// Columns says where things stand, each by the header's name or by number from 1.
type Columns struct {
	Order     string `yaml:"order,omitempty"`     // Amazon order id
	Reference string `yaml:"reference,omitempty"` // own number, looked up in the order list
	Package   string `yaml:"package,omitempty"`   // counts the parcels of an order: 1, 2, 3 …
	Carrier   string `yaml:"carrier,omitempty"`
	Service   string `yaml:"service,omitempty"`
	Tracking  string `yaml:"tracking,omitempty"`
	ShippedAt string `yaml:"shippedAt,omitempty"`
	Item      string `yaml:"item,omitempty"`     // Amazon order item id; rows of one parcel are added up
	Quantity  string `yaml:"quantity,omitempty"` // default 1
}

// defaultDateFormats are understood where a profile names none. A date without a time is the end of that day, both in the
// account's zone.
var defaultDateFormats = [...]string{"yyyy-MM-dd", "yyyy-MM-ddTHH:mm:ssXXX", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm", "dd.MM.yyyy",
	"dd.MM.yyyy HH:mm:ss", "dd.MM.yyyy HH:mm"}

func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Poll == 0 {
		c.Poll = DefaultPoll
	}
	imports := make([]Import, len(c.Imports))
	for i, imp := range c.Imports {
		if imp.Settle == 0 {
			imp.Settle = settings.Duration(DefaultSettle)
		}
		imports[i] = imp
	}
	c.Imports = imports
	return c
}

func (c Config) check() error {
	var errs []error
	if c.NATS == nil {
		errs = append(errs, fault.Field("NATS", "is missing: carrier import needs a connection"))
	}
	if c.Poll < 0 {
		errs = append(errs, fault.Field("Poll", "%s must be positive", c.Poll))
	}
	return errors.Join(append(errs, CheckImports(c.Imports))...)
}

// CheckImports reports everything wrong with the imports, joined, each with its field as in the configuration file.
func CheckImports(imports []Import) error {
	var errs []error
	folders := map[string]int{}
	for i, imp := range imports {
		at := fmt.Sprintf("imports[%d]", i)
		if !shipment.ValidID(string(imp.Account)) {
			errs = append(errs, fault.Field(at+".account", "%q is not an account: capital letters, digits, _ and - only", imp.Account))
		}
		if other, twice := folders[imp.Folder]; twice && imp.Folder != "" {
			errs = append(errs, fault.Field(at+".folder", "is watched by imports[%d] already: give each a folder of its own", other))
		}
		folders[imp.Folder] = i
		if imp.Settle < 0 {
			errs = append(errs, fault.Field(at+".settle", "must be positive"))
		}
		if _, err := imp.profile(); err != nil {
			for _, e := range unjoin(err) {
				errs = append(errs, fault.New(fault.Invalid, "%s.%v", at, e))
			}
		}
	}
	return errors.Join(errs...)
}

func unjoin(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

// profile turns the description into a profile.
func (i Import) profile() (profile.Profile, error) {
	var ready profile.Profile
	switch i.Profile {
	case ProfileDHL:
		ready = profile.DHL()
	case ProfileDPD:
		ready = profile.DPD()
	case ProfileGLS:
		ready = profile.GLS()
	case ProfileCSV:
		return i.CSV.profile()
	default:
		return profile.Profile{}, fault.Field("profile", "%q must be dhl, dpd, gls or csv", i.Profile)
	}
	if i.CSV.described() {
		return profile.Profile{}, fault.Field("csv", "does not go with profile %s, which is ready-made: use profile csv to describe a file", i.Profile)
	}
	return ready, nil
}

func (c CSV) described() bool {
	return c.Delimiter+c.Quote+c.Encoding+c.Comment+c.Carrier+c.Service != "" || c.Header != nil || c.SkipLines != 0 ||
		c.Columns != Columns{} || len(c.DateFormats) > 0
}

func (c CSV) profile() (profile.Profile, error) {
	var errs []error
	bad := func(field, format string, args ...any) {
		errs = append(errs, fault.Field("csv."+field, format, args...))
	}
	p := profile.Profile{Columns: profile.Columns(c.Columns), Carrier: c.Carrier, Service: c.Service}
	p.Format = table.Format{Encoding: table.Encoding(strings.ToLower(c.Encoding)), Delimiter: ';', Quoted: true, Comment: c.Comment,
		SkipLines: c.SkipLines, Header: c.Header == nil || *c.Header}
	if p.Encoding == "" {
		p.Encoding = table.UTF8
	}
	if p.Encoding != table.UTF8 && p.Encoding != table.CP1252 && p.Encoding != table.Latin1 {
		bad("encoding", "%q must be utf-8, cp1252 or iso-8859-1", c.Encoding)
	}
	switch d, n := utf8.DecodeRuneInString(c.Delimiter); {
	case c.Delimiter == "tab":
		p.Delimiter = '\t'
	case c.Delimiter != "" && (n != len(c.Delimiter) || strings.ContainsRune("\"\r\n\x00\uFFFD", d)):
		bad("delimiter", "%q must be one character such as ; or the word tab", c.Delimiter)
	case c.Delimiter != "":
		p.Delimiter = d
	}
	switch c.Quote {
	case "", "double", `"`:
	case "none":
		p.Quoted = false
	default:
		bad("quote", "%q must be double or none", c.Quote)
	}
	if c.SkipLines < 0 {
		bad("skipLines", "%d must not be negative", c.SkipLines)
	}
	formats := c.DateFormats
	if len(formats) == 0 {
		formats = defaultDateFormats[:]
	}
	for _, f := range formats {
		layout, ok := layout(f)
		if !ok {
			bad("dateFormats", "%q must contain yyyy (or yy), MM and dd, for example dd.MM.yyyy HH:mm", f)
		}
		p.Layouts = append(p.Layouts, layout)
	}
	if err := p.Check(); err != nil {
		errs = append(errs, fmt.Errorf("csv.%w", err))
	}
	return p, errors.Join(errs...)
}

// layout turns yyyy-MM-dd into what package time understands.
func layout(f string) (string, bool) {
	out := strings.NewReplacer("yyyy", "2006", "yy", "06", "MM", "01", "dd", "02", "HH", "15", "mm", "04", "ss", "05", "XXX", "Z07:00").Replace(f)
	return out, strings.Contains(f, "yy") && strings.Contains(f, "MM") && strings.Contains(f, "dd") && !strings.ContainsAny(f, "0123456789")
}
