package spapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/dispatcher/internal/spapi/quota"
)

// Credentials let an application act for one seller. They never leave this package but in the request to Amazon.
type Credentials struct {
	ClientID     string
	ClientSecret string
	NextSecret   string // while a secret is being replaced: what is tried when the other one is refused; may be empty
	RefreshToken string
}

// String hides the secrets from every log and error.
func (c Credentials) String() string { return "credentials(" + c.ClientID + ")" }

// GoString hides the secrets from %#v, too.
func (c Credentials) GoString() string { return c.String() }

// LogValue hides the secrets from structured logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c Credentials) missing() string {
	switch {
	case c.ClientID == "":
		return "client id"
	case c.ClientSecret == "":
		return "client secret"
	case c.RefreshToken == "":
		return "refresh token"
	default:
		return ""
	}
}

// Limits are the usage plans of the operations.
type Limits struct {
	Confirm quota.Limits
	Order   quota.Limits
	Search  quota.Limits
}

// DefaultLimits are Amazon's default usage plans with about a tenth of each burst left unused, so that requests sent
// evenly here may arrive a little bunched there. Sources: the usage plans of confirmShipment (2 per second, burst 10),
// getOrder (0.5 per second, burst 30) and searchOrders (0.0056 per second, burst 20) at
// https://developer-docs.amazon.com/sp-api/docs/orders-api
func DefaultLimits() Limits {
	return Limits{Confirm: quota.Limits{Rate: 2, Burst: 9}, Order: quota.Limits{Rate: 0.5, Burst: 27}, Search: quota.Limits{Rate: 0.0056, Burst: 18}}
}

// BreakerSettings say when a breaker opens and for how long. Zero fields take the default.
type BreakerSettings struct {
	Window      time.Duration // over which requests are counted, in six steps; default 1 min
	MinRequests uint32        // answers needed before the share counts; default 10
	FailureRate float64       // share of failures that opens it; default 0.5
	Consecutive uint32        // failures in a row that open it; default 5
	OpenFor     time.Duration // until the next probe; default 60 s
}

// Config describes a connection's client. Zero fields take the default where one is named.
type Config struct {
	Connection    string // id, for logs
	Region        Region
	Marketplaces  []string // the accounts' marketplaces; each must belong to Region
	Endpoint      string   // default: the region's
	TokenEndpoint string   // default: TokenEndpoint

	// OtherRegion is where another region is asked whether it lets the connection in that this one refuses; default Amazon's
	// endpoints, and none when Endpoint is not Amazon's.
	OtherRegion func(Region) string

	// Credentials is asked before every token request, so rotated secrets are used at once. It must be quick and safe
	// for concurrent use, and its errors must not contain secrets.
	Credentials func() (Credentials, error)

	AppName, AppVersion string // for the user-agent Amazon demands; default Fertig/dev

	Limits         Limits
	StartEmpty     bool // after a takeover the predecessor may have spent the burst
	Breaker        BreakerSettings
	RequestTimeout time.Duration // of one request including its answer; default 10 s
	InFlight       int           // requests at once that find a connection waiting; default 16

	// Transport carries the requests; default one of its own. It must speak HTTP/1.1 and must not repeat POSTs.
	Transport http.RoundTripper

	// OnBreaker is told of every change of a breaker, one call at a time, from a goroutine of the client. Changes that
	// come faster than it takes them are dropped; Status always has the latest.
	OnBreaker func(BreakerStatus)

	Logger *slog.Logger // default: discards
}

func (c Config) withDefaults() Config {
	def := DefaultLimits()
	setDefault(&c.Endpoint, c.Region.Endpoint())
	if c.OtherRegion == nil {
		c.OtherRegion = func(r Region) string {
			if c.Endpoint != c.Region.Endpoint() {
				return ""
			}
			return r.Endpoint()
		}
	}
	setDefault(&c.TokenEndpoint, TokenEndpoint)
	setDefault(&c.AppName, "Fertig")
	setDefault(&c.AppVersion, "dev")
	setDefault(&c.Limits.Confirm, def.Confirm)
	setDefault(&c.Limits.Order, def.Order)
	setDefault(&c.Limits.Search, def.Search)
	setDefault(&c.RequestTimeout, 10*time.Second)
	setDefault(&c.InFlight, 16)
	setDefault(&c.Breaker.Window, time.Minute)
	setDefault(&c.Breaker.MinRequests, 10)
	setDefault(&c.Breaker.FailureRate, 0.5)
	setDefault(&c.Breaker.Consecutive, 5)
	setDefault(&c.Breaker.OpenFor, time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Logger = c.Logger.With("connection", c.Connection)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports every problem at once, naming the field.
func (c Config) validate() error {
	var problems []error
	if c.Region.Endpoint() == "" {
		problems = append(problems, fmt.Errorf("region %q is unknown: use na, eu or fe", c.Region))
	} else {
		for _, id := range c.Marketplaces {
			if err := c.Region.Serves(id); err != nil {
				problems = append(problems, fmt.Errorf("marketplaceId %w", err))
			}
		}
	}
	problems = append(problems, checkURL("endpoint", c.Endpoint), checkURL("tokenEndpoint", c.TokenEndpoint))
	if c.Credentials == nil {
		problems = append(problems, errors.New("credentials: no source is given"))
	}
	if len(c.userAgent()) >= 500 {
		problems = append(problems, errors.New("appName, appVersion: the user-agent must stay below 500 characters"))
	}
	if c.RequestTimeout < 0 || c.Breaker.Window < 0 || c.Breaker.OpenFor < 0 {
		problems = append(problems, errors.New("requestTimeout, breaker: durations must be positive"))
	}
	return errors.Join(problems...)
}

func checkURL(field, value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("%s must be a plain http(s) address without query or user", field)
	}
	return nil
}

// userAgent has the form Amazon demands: https://developer-docs.amazon.com/sp-api/docs/include-a-user-agent-header-in-all-requests
func (c Config) userAgent() string {
	clean := strings.NewReplacer("/", "-", "(", "", ")", "", ";", "", "\r", "", "\n", "")
	return fmt.Sprintf("%s/%s (Language=Go/%s; Platform=%s)", clean.Replace(c.AppName), clean.Replace(c.AppVersion),
		strings.TrimPrefix(runtime.Version(), "go"), runtime.GOOS)
}
