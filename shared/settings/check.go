package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/robfig/cron/v3"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

// Defaults of a schedule and of the age limit.
const (
	DefaultCron    = "0 12,15,18 * * *"
	DefaultZone    = "Europe/Berlin"
	DefaultAgeDays = 7
	DefaultGrace   = Duration(2 * time.Hour)
)

// Duration is a time.Duration written as text such as "90s" or "2m".
type Duration time.Duration

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("a duration is text such as \"90s\"")
	}
	return d.parse(s)
}

// MarshalYAML writes the duration as text.
func (d Duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

// UnmarshalYAML reads text such as 90s.
func (d *Duration) UnmarshalYAML(b []byte) error {
	var s string
	if err := yaml.Unmarshal(b, &s); err != nil {
		return err
	}
	return d.parse(s)
}

func (d *Duration) parse(s string) error {
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a duration: write 90s, 5m or 2h", s)
	}
	*d = Duration(v)
	return nil
}

// WithDefaults fills what was left out.
func (c Connection) WithDefaults() Connection {
	l := &c.Limits
	def(&l.ConfirmRate, 2)
	def(&l.ConfirmBurst, 10)
	def(&l.InFlight, 32)
	def(&l.RequestTimeout, Duration(10*time.Second))
	def(&l.RunBudget, Duration(3*time.Hour))
	def(&l.DoubtAfter, Duration(2*time.Minute))
	def(&l.DoubtAgain, Duration(5*time.Minute))
	def(&l.BreakerPause, Duration(time.Minute))
	def(&l.ReadRate, 0.5)
	def(&l.ReadBurst, 30)
	def(&l.SearchRate, 0.0056)
	def(&l.SearchBurst, 20)
	def(&l.ReconcileAfter, Duration(10*time.Minute))
	def(&l.ReconcileEvery, Duration(24*time.Hour))
	def(&c.Mode, ModeSimulator)
	def(&c.Name, string(c.ID))
	accounts := make([]Account, len(c.Accounts))
	for i, a := range c.Accounts {
		def(&a.Name, string(a.ID))
		def(&a.Schedule.Cron, DefaultCron)
		def(&a.Schedule.Zone, DefaultZone)
		def(&a.Schedule.Grace, DefaultGrace)
		def(&a.AgeLimitDays, DefaultAgeDays)
		def(&a.RejectedOrder, shipment.RejectedLast)
		accounts[i] = a
	}
	c.Accounts = accounts
	return c
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Check reports everything wrong with the set, joined; nil when it is usable. Defaults must have been filled in.
func (s Set) Check() error {
	var errs []error
	if len(s.Connections) == 0 {
		errs = append(errs, fault.Field("connections", "there is none: describe at least one"))
	}
	conns, accounts := map[shipment.ConnectionID]bool{}, map[shipment.AccountID]bool{}
	for i, c := range s.Connections {
		at := fmt.Sprintf("connections[%d]", i)
		if conns[c.ID] {
			errs = append(errs, fault.Field(at+".id", "%q is used twice", c.ID))
		}
		conns[c.ID] = true
		errs = append(errs, c.check(at))
		for j, a := range c.Accounts {
			at := fmt.Sprintf("%s.accounts[%d]", at, j)
			if accounts[a.ID] {
				errs = append(errs, fault.Field(at+".id", "%q is used twice: account ids are unique over all connections", a.ID))
			}
			accounts[a.ID] = true
			errs = append(errs, a.check(at, c.Region))
		}
	}
	return errors.Join(errs...)
}

func (c Connection) check(at string) error {
	var errs []error
	bad := func(f, format string, args ...any) { errs = append(errs, fault.Field(at+"."+f, format, args...)) }
	if !shipment.ValidID(string(c.ID)) {
		bad("id", "%q must be capital letters, digits, _ and - only", c.ID)
	}
	if !slices.Contains(regions, c.Region) {
		bad("region", "%q must be eu, na or fe", c.Region)
	}
	if c.Mode != ModeSimulator && c.Mode != ModeShadow && c.Mode != ModeLive {
		bad("mode", "%q must be simulator, shadow or live", c.Mode)
	}
	for _, u := range []struct{ f, v string }{{"endpoint", c.Endpoint}, {"tokenEndpoint", c.TokenEndpoint}} {
		if p, err := url.Parse(u.v); u.v != "" && (err != nil || p.Host == "" || p.Scheme != "http" && p.Scheme != "https") {
			bad(u.f, "%q is not a URL such as https://sellingpartnerapi-eu.amazon.com", u.v)
		}
	}
	if c.Mode == ModeSimulator && (c.Endpoint == "" || c.TokenEndpoint == "") {
		bad("endpoint", "a simulator connection needs endpoint and tokenEndpoint: without them it would talk to Amazon")
	}
	for _, d := range []struct{ f, v string }{{"authorisedOn", c.AuthorisedOn}, {"secretIssuedOn", c.SecretIssuedOn}} {
		if _, err := time.Parse(time.DateOnly, d.v); d.v != "" && err != nil {
			bad(d.f, "%q is not a day such as 2026-11-20", d.v)
		}
	}
	for _, s := range []struct{ f, v string }{{"clientSecret", c.ClientSecret}, {"refreshToken", c.RefreshToken}, {"clientSecretNext", c.ClientSecretNext}} {
		if s.f == "clientSecretNext" && s.v == "" {
			continue
		}
		if kind, name, _ := strings.Cut(s.v, ":"); kind != "env" && kind != "file" || name == "" {
			bad(s.f, "must be a reference, env:NAME or file:PATH: the secret itself does not belong here")
		}
	}
	if c.ClientID == "" {
		bad("clientId", "is missing")
	}
	errs = append(errs, c.Limits.check(at+".limits"))
	if len(c.Accounts) == 0 {
		bad("accounts", "there is none: describe at least one")
	}
	return errors.Join(errs...)
}

func (l Limits) check(at string) error {
	var errs []error
	bad := func(f, format string, args ...any) { errs = append(errs, fault.Field(at+"."+f, format, args...)) }
	for _, q := range []struct {
		f     string
		rate  float64
		burst int
	}{{"confirm", l.ConfirmRate, l.ConfirmBurst}, {"read", l.ReadRate, l.ReadBurst}, {"search", l.SearchRate, l.SearchBurst}} {
		if !(q.rate >= 0.0001 && q.rate <= 100_000) {
			bad(q.f+"Rate", "%v must lie between 0.0001 and 100000 requests a second", q.rate)
		}
		if q.burst < 1 || q.burst > 1000 {
			bad(q.f+"Burst", "%d must lie between 1 and 1000", q.burst)
		}
	}
	if l.InFlight < 1 || l.InFlight > 1024 {
		bad("inFlight", "%d must lie between 1 and 1024", l.InFlight)
	}
	if t := time.Duration(l.RequestTimeout); t < time.Second || t > 20*time.Second {
		bad("requestTimeout", "%s must lie between 1s and 20s: the lease of a connection lasts 30s", t)
	}
	for _, d := range []struct {
		f string
		v Duration
	}{{"runBudget", l.RunBudget}, {"doubtAfter", l.DoubtAfter}, {"doubtAgain", l.DoubtAgain}, {"breakerPause", l.BreakerPause},
		{"reconcileAfter", l.ReconcileAfter}, {"reconcileEvery", l.ReconcileEvery}} {
		if d.v <= 0 {
			bad(d.f, "%s must be positive", time.Duration(d.v))
		}
	}
	return errors.Join(errs...)
}

func (a Account) check(at, region string) error {
	var errs []error
	bad := func(f, format string, args ...any) { errs = append(errs, fault.Field(at+"."+f, format, args...)) }
	if !shipment.ValidID(string(a.ID)) {
		bad("id", "%q must be capital letters, digits, _ and - only", a.ID)
	}
	if err := Serves(region, a.Marketplace); err != nil {
		bad("marketplace", "%v", err)
	}
	// The machine's own zone would make the schedule depend on where a process runs.
	if _, err := time.LoadLocation(a.Schedule.Zone); err != nil || a.Schedule.Zone == "" || a.Schedule.Zone == "Local" {
		bad("schedule.zone", "%q is not an IANA time zone such as Europe/Berlin", a.Schedule.Zone)
	}
	if err := fiveFields(a.Schedule.Cron); err != nil {
		bad("schedule.cron", "%q is not a cron expression of five fields such as \"0 12,15,18 * * *\": %v", a.Schedule.Cron, err)
	}
	if g := time.Duration(a.Schedule.Grace); g < time.Minute || g > 24*time.Hour {
		bad("schedule.grace", "%s must lie between 1m and 24h: how late may a missed run still begin?", g)
	}
	if a.AgeLimitDays < 1 || a.AgeLimitDays > 365 {
		bad("ageLimitDays", "%d must lie between 1 and 365", a.AgeLimitDays)
	}
	switch a.RejectedOrder {
	case shipment.RejectedFirst, shipment.RejectedLast, shipment.RejectedAfterCorrection:
	default:
		bad("rejectedOrder", "%q must be first, last or after_correction", a.RejectedOrder)
	}
	for k, r := range a.Mapping.Rules {
		if r.Carrier == "" || r.CarrierCode == "" {
			bad(fmt.Sprintf("mapping.rules[%d]", k), "needs carrier and carrierCode")
		}
		if strings.EqualFold(r.CarrierCode, "Other") && r.CarrierName == "" {
			bad(fmt.Sprintf("mapping.rules[%d].carrierName", k), "is needed with carrierCode Other")
		}
	}
	a.Labels.check(func(f, format string, args ...any) { bad("labels."+f, format, args...) })
	return errors.Join(errs...)
}

// fiveFields checks a cron expression. The parser would also read a zone in front, and panics when only that is there.
func fiveFields(spec string) error {
	if n := len(strings.Fields(spec)); n != 5 || strings.Contains(spec, "=") || strings.HasPrefix(strings.TrimSpace(spec), "@") {
		return fmt.Errorf("it has %d fields", n)
	}
	_, err := cron.ParseStandard(spec)
	return err
}

// Secret resolves a reference: env:NAME through env, file:PATH through read. The value is trimmed of a final newline;
// errors name the reference, never the value.
func Secret(ref string, env func(string) string, read func(string) ([]byte, error)) (string, error) {
	kind, name, _ := strings.Cut(ref, ":")
	var v string
	switch kind {
	case "env":
		v = env(name)
	case "file":
		b, err := read(name)
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, "read secret %s", ref)
		}
		v = strings.TrimRight(string(b), "\r\n")
	default:
		return "", fault.New(fault.Invalid, "secret reference must start with env: or file:")
	}
	if v == "" {
		return "", fault.New(fault.Invalid, "secret %s is empty: set it and start again", ref)
	}
	return v, nil
}
