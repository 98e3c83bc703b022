package settings

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/shipment"
)

func sound() Set {
	return Set{Connections: []Connection{
		Connection{ID: "EU", Region: "eu", Mode: ModeSimulator, Endpoint: "http://127.0.0.1:1", TokenEndpoint: "http://127.0.0.1:1",
			ClientID: "app", ClientSecret: "env:SECRET", RefreshToken: "file:/run/token",
			Accounts: []Account{{ID: "DE", Marketplace: "A1PA6795UKMFR9"}, {ID: "FR", Marketplace: "A13V1IB3VIYZZH"}}}.WithDefaults(),
		Connection{ID: "US", Region: "na", Mode: ModeLive, ClientID: "app", ClientSecret: "env:SECRET", RefreshToken: "env:TOKEN",
			Accounts: []Account{{ID: "COM", Marketplace: "ATVPDKIKX0DER", Schedule: Schedule{Zone: "America/Los_Angeles"}}}}.WithDefaults(),
	}}
}

func fields(err error) []string {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var out []string
		for _, e := range j.Unwrap() {
			out = append(out, fields(e)...)
		}
		return out
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return []string{f.Field}
	}
	return []string{"not a fault"}
}

func TestDefaults(t *testing.T) {
	c := sound().Connections[0]
	want := Limits{ConfirmRate: 2, ConfirmBurst: 10, InFlight: 32, RequestTimeout: Duration(10 * time.Second), RunBudget: Duration(3 * time.Hour),
		DoubtAfter: Duration(2 * time.Minute), DoubtAgain: Duration(5 * time.Minute), BreakerPause: Duration(time.Minute),
		ReadRate: 0.5, ReadBurst: 30, SearchRate: 0.0056, SearchBurst: 20, ReconcileAfter: Duration(10 * time.Minute), ReconcileEvery: Duration(24 * time.Hour)}
	if c.Limits != want || c.Name != "EU" {
		t.Errorf("%+v", c)
	}
	a := c.Accounts[0]
	if a.Schedule.Cron != "0 12,15,18 * * *" || a.Schedule.Zone != "Europe/Berlin" || a.AgeLimitDays != 7 || a.RejectedOrder != shipment.RejectedLast || a.Name != "DE" {
		t.Errorf("%+v", a)
	}
	if a.AgeLimit() != 168*time.Hour || a.Schedule.Location().String() != "Europe/Berlin" {
		t.Errorf("age limit %s, zone %s", a.AgeLimit(), a.Schedule.Location())
	}
	raw := Connection{Accounts: []Account{{ID: "DE"}}}
	raw.WithDefaults()
	if raw.Accounts[0].Name != "" {
		t.Error("filling in defaults changed the original")
	}
	if (Connection{}).WithDefaults().Mode != ModeSimulator {
		t.Error("a connection without a mode must not reach Amazon")
	}
}

func TestCheck(t *testing.T) {
	if err := sound().Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field string
		edit  func(c *Connection, a *Account)
	}{
		{"connections[0].id", func(c *Connection, _ *Account) { c.ID = "eu" }},
		{"connections[1].id", func(c *Connection, _ *Account) { c.ID = "US" }},
		{"connections[0].region", func(c *Connection, _ *Account) { c.Region = "europe" }},
		{"connections[0].mode", func(c *Connection, _ *Account) { c.Mode = "test" }},
		{"connections[0].endpoint", func(c *Connection, _ *Account) { c.Endpoint = "127.0.0.1:8080" }},
		{"connections[0].endpoint", func(c *Connection, _ *Account) { c.Endpoint = "" }},
		{"connections[0].endpoint", func(c *Connection, _ *Account) { c.TokenEndpoint = "" }},
		{"connections[0].tokenEndpoint", func(c *Connection, _ *Account) { c.TokenEndpoint = "ftp://x" }},
		{"connections[0].clientId", func(c *Connection, _ *Account) { c.ClientID = "" }},
		{"connections[0].clientSecret", func(c *Connection, _ *Account) { c.ClientSecret = "amzn1.oa2-cs.v1.secret" }},
		{"connections[0].clientSecret", func(c *Connection, _ *Account) { c.ClientSecret = "env:" }},
		{"connections[0].refreshToken", func(c *Connection, _ *Account) { c.RefreshToken = "" }},
		{"connections[0].limits.confirmRate", func(c *Connection, _ *Account) { c.Limits.ConfirmRate = -1 }},
		{"connections[0].limits.confirmBurst", func(c *Connection, _ *Account) { c.Limits.ConfirmBurst = -1 }},
		{"connections[0].limits.inFlight", func(c *Connection, _ *Account) { c.Limits.InFlight = 2000 }},
		{"connections[0].limits.requestTimeout", func(c *Connection, _ *Account) { c.Limits.RequestTimeout = Duration(time.Minute) }},
		{"connections[0].limits.runBudget", func(c *Connection, _ *Account) { c.Limits.RunBudget = -1 }},
		{"connections[0].limits.doubtAfter", func(c *Connection, _ *Account) { c.Limits.DoubtAfter = -1 }},
		{"connections[0].limits.doubtAgain", func(c *Connection, _ *Account) { c.Limits.DoubtAgain = -1 }},
		{"connections[0].limits.breakerPause", func(c *Connection, _ *Account) { c.Limits.BreakerPause = -1 }},
		{"connections[0].authorisedOn", func(c *Connection, _ *Account) { c.AuthorisedOn = "01.02.2026" }},
		{"connections[0].secretIssuedOn", func(c *Connection, _ *Account) { c.SecretIssuedOn = "soon" }},
		{"connections[0].clientSecretNext", func(c *Connection, _ *Account) { c.ClientSecretNext = "the secret itself" }},
		{"connections[0].limits.readRate", func(c *Connection, _ *Account) { c.Limits.ReadRate = -1 }},
		{"connections[0].limits.readBurst", func(c *Connection, _ *Account) { c.Limits.ReadBurst = 2000 }},
		{"connections[0].limits.searchRate", func(c *Connection, _ *Account) { c.Limits.SearchRate = -1 }},
		{"connections[0].limits.searchBurst", func(c *Connection, _ *Account) { c.Limits.SearchBurst = -1 }},
		{"connections[0].limits.reconcileAfter", func(c *Connection, _ *Account) { c.Limits.ReconcileAfter = -1 }},
		{"connections[0].limits.reconcileEvery", func(c *Connection, _ *Account) { c.Limits.ReconcileEvery = -1 }},
		{"connections[0].accounts", func(c *Connection, _ *Account) { c.Accounts = nil }},
		{"connections[0].accounts[0].id", func(_ *Connection, a *Account) { a.ID = "de" }},
		{"connections[0].accounts[1].id", func(_ *Connection, a *Account) { a.ID = "FR" }},
		{"connections[1].accounts[0].id", func(_ *Connection, a *Account) { a.ID = "COM" }},
		{"connections[0].accounts[0].marketplace", func(_ *Connection, a *Account) { a.Marketplace = "" }},
		{"connections[0].accounts[0].schedule.zone", func(_ *Connection, a *Account) { a.Schedule.Zone = "Mars/Olympus" }},
		{"connections[0].accounts[0].schedule.zone", func(_ *Connection, a *Account) { a.Schedule.Zone = "Local" }},
		{"connections[0].accounts[0].schedule.cron", func(_ *Connection, a *Account) { a.Schedule.Cron = "12:00" }},
		{"connections[0].accounts[0].schedule.cron", func(_ *Connection, a *Account) { a.Schedule.Cron = "0 0 12 * * *" }},
		{"connections[0].accounts[0].schedule.cron", func(_ *Connection, a *Account) { a.Schedule.Cron = "0 25 * * *" }},
		{"connections[0].accounts[0].schedule.cron", func(_ *Connection, a *Account) { a.Schedule.Cron = "@hourly" }},
		{"connections[0].accounts[0].schedule.cron", func(_ *Connection, a *Account) { a.Schedule.Cron = "TZ=0" }}, // the parser would panic
		{"connections[0].accounts[0].schedule.cron", func(_ *Connection, a *Account) { a.Schedule.Cron = "TZ=UTC 0 12 * *" }},
		{"connections[0].accounts[0].ageLimitDays", func(_ *Connection, a *Account) { a.AgeLimitDays = 366 }},
		{"connections[0].accounts[0].rejectedOrder", func(_ *Connection, a *Account) { a.RejectedOrder = "never" }},
		{"connections[0].accounts[0].mapping.rules[0]", func(_ *Connection, a *Account) { a.Mapping.Rules = []MapRule{{Carrier: "DHL"}} }},
		{"connections[0].accounts[0].mapping.rules[0].carrierName", func(_ *Connection, a *Account) {
			a.Mapping.Rules = []MapRule{{Carrier: "X", CarrierCode: "other"}}
		}},
	} {
		s := sound()
		c.edit(&s.Connections[0], &s.Connections[0].Accounts[0])
		err := s.Check()
		if got := fields(err); !slices.Equal(got, []string{c.field}) {
			t.Errorf("blamed %v, want %s: %v", got, c.field, err)
			continue
		}
		if !fault.Is(errorsOf(err)[0], fault.Invalid) || strings.Contains(err.Error(), "amzn1.oa2") {
			t.Errorf("%s: %v", c.field, err)
		}
	}
	if got := fields((Set{}).Check()); !slices.Equal(got, []string{"connections"}) {
		t.Errorf("an empty set: %v", got)
	}
	bad := sound()
	bad.Connections[0].Region, bad.Connections[1].ClientID, bad.Connections[1].Accounts[0].Marketplace = "", "", ""
	if got := fields(bad.Check()); len(got) != 3 {
		t.Errorf("not everything at once: %v", got)
	}
}

func errorsOf(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return errorsOf(j.Unwrap()[0])
	}
	return []error{err}
}

func TestLookups(t *testing.T) {
	s := sound()
	if c, a, ok := s.Account("COM"); !ok || c.ID != "US" || a.ID != "COM" {
		t.Errorf("%v %v %v", c.ID, a.ID, ok)
	}
	if _, _, ok := s.Account("XX"); ok {
		t.Error("found an account that is not there")
	}
	if _, ok := s.Connection("EU"); !ok {
		t.Error("connection not found")
	}
	if _, ok := s.Connection("XX"); ok {
		t.Error("found a connection that is not there")
	}
	if (Schedule{Zone: "nowhere"}).Location() != time.UTC {
		t.Error("an unknown zone stands for UTC")
	}
}

func TestRoundTrips(t *testing.T) {
	s := sound()
	s.Connections[0].Accounts[0].PausedUntil = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s.Connections[0].Accounts[0].Mapping = Mapping{Version: 3, Rules: []MapRule{{Carrier: "DHL*", Service: "Paket", Country: "DE", CarrierCode: "DHL", ShippingMethod: "Paket"}}}
	for name, codec := range map[string]struct {
		write func(any) ([]byte, error)
		read  func([]byte, any) error
	}{
		"json": {json.Marshal, json.Unmarshal},
		"yaml": {yaml.Marshal, func(b []byte, v any) error { return yaml.UnmarshalWithOptions(b, v, yaml.Strict()) }},
	} {
		b, err := codec.write(s)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var back Set
		if err := codec.read(b, &back); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, b)
		}
		if !reflect.DeepEqual(back, s) {
			t.Errorf("%s: got %+v\nwant %+v\n%s", name, back, s, b)
		}
		if !strings.Contains(string(b), "2m0s") {
			t.Errorf("%s: durations are not text: %s", name, b)
		}
		if err := codec.read([]byte(`{"connections":[{"limits":{"runBudget":"soon"}}]}`), &back); err == nil || !strings.Contains(err.Error(), "90s, 5m or 2h") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMapping(t *testing.T) {
	m := Mapping{Rules: []MapRule{
		{Carrier: "DHL", Service: "Paket*", Country: "DE", CarrierCode: "DHL", ShippingMethod: "DHL Paket"},
		{Carrier: "DHL", Service: "*express*", CarrierCode: "DHL Express"},
		{Carrier: "DHL*", CarrierCode: "DHL"},
		{Carrier: "*post*", CarrierCode: "Other", CarrierName: "Post"},
		{Carrier: "a*b*b", CarrierCode: "AB"},
	}}
	for _, c := range []struct {
		carrier, service, country string
		want                      Mapped
		ok                        bool
	}{
		{"DHL", "Paket", "DE", Mapped{"DHL", "", "DHL Paket"}, true},
		{"dhl", "PAKET International", "de", Mapped{"DHL", "", "DHL Paket"}, true},
		{"DHL", "Paket", "FR", Mapped{"DHL", "", "Paket"}, true},
		{"DHL", "12h Express Europe", "FR", Mapped{"DHL Express", "", "12h Express Europe"}, true},
		{"DHL Freight", "", "DE", Mapped{"DHL", "", ""}, true},
		{"Deutsche Post AG", "Brief", "DE", Mapped{"Other", "Post", "Brief"}, true},
		{"UPS", "Standard", "DE", Mapped{"UPS", "", "Standard"}, false},
		{"", "", "", Mapped{}, false},
		{"ab", "", "", Mapped{CarrierCode: "ab"}, false}, // both b of the pattern need one of their own
		{"axbxb", "", "", Mapped{CarrierCode: "AB"}, true},
	} {
		if got, ok := m.Map(c.carrier, c.service, c.country); got != c.want || ok != c.ok {
			t.Errorf("%s/%s/%s: %+v %v, want %+v %v", c.carrier, c.service, c.country, got, ok, c.want, c.ok)
		}
	}
}

func TestSecret(t *testing.T) {
	env := func(name string) string { return map[string]string{"SECRET": "s3cret "}[name] }
	read := func(name string) ([]byte, error) {
		switch name {
		case "/token":
			return []byte("t0ken\r\n"), nil
		case "/empty":
			return []byte("\n"), nil
		}
		return nil, errors.New("no such file")
	}
	for ref, want := range map[string]string{"env:SECRET": "s3cret ", "file:/token": "t0ken"} {
		if got, err := Secret(ref, env, read); got != want || err != nil {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
	}
	for ref, text := range map[string]string{"env:NONE": "env:NONE is empty", "file:/empty": "file:/empty is empty", "file:/gone": "read secret file:/gone", "": "must start with"} {
		if got, err := Secret(ref, env, read); got != "" || !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %q, %v", ref, got, err)
		}
	}
	if _, err := Secret("amzn1.secret", env, read); err == nil || strings.Contains(err.Error(), "amzn1") {
		t.Errorf("the error shows what may be the secret itself: %v", err)
	}
}
