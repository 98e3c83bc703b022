package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/shipment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends says in which state each part of the story must end.
var ends = map[string]struct {
	state shipment.State
	kind  shipment.Kind
}{
	"cancelled at Amazon":                          {shipment.Closed, shipment.Cancelled},
	"already shipped at Amazon":                    {shipment.Confirmed, shipment.Elsewhere},
	"time-out after the commit":                    {shipment.Confirmed, ""},
	"internal error after the commit":              {shipment.Confirmed, ""},
	"connection reset before the commit":           {shipment.Confirmed, ""},
	"label bought from Amazon":                     {shipment.NotRequired, ""},
	"Ship+ order":                                  {shipment.NotRequired, ""},
	"Prime order decided by a rule":                {shipment.NotRequired, ""},
	"shipped eight days ago":                       {shipment.Expired, ""},
	"excluded by an operator":                      {shipment.Confirmed, shipment.Elsewhere}, // who reported it by hand
	"accepted without effect":                      {shipment.Confirmed, ""},
	"reported twice, the same":                     {shipment.Confirmed, ""},
	"reported twice, with another tracking number": {shipment.Confirmed, ""},
	"without a tracking number":                    {shipment.Deferred, shipment.Incomplete},
	"tracking number of another form":              {shipment.Deferred, shipment.Rejected},
	"throttled until the run gives up":             {shipment.Confirmed, ""},
}

func TestTheWholeStory(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	s, err := Start(ctx, Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	got, err := s.Tell(ctx)
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	got.ElapsedS = 0
	want := audit.Accounts{Accepted: 329, Confirmed: 320, Deferred: 4, Expired: 1, NotRequired: 3, Closed: 1,
		Invalid: 3, Differs: 2, AlreadyKnown: 2, ResentIdentical: 1}
	if got != want || !got.Sound() {
		t.Errorf("accounts\ngot  %+v\nwant %+v\n%s", got, want, &out)
	}
	for role, end := range ends {
		for _, p := range s.sample.role(role) {
			e, err := s.system.Ledger.Last(ctx, p.key(s.sample.Settings))
			if err != nil || e.After.State != end.state || end.kind != "" && e.After.Kind != end.kind {
				t.Errorf("%s ends as %s (%s), %v", role, e.After.State, e.After.Kind, err)
			}
		}
	}
	corrected, refused := 0, 0
	for _, p := range s.sample.role(roleUnknownCarrier) {
		e, err := s.system.Ledger.Last(ctx, p.key(s.sample.Settings))
		switch {
		case err == nil && e.After.State == shipment.Confirmed && e.After.Data.Carrier == "GLS":
			corrected++
		case err == nil && e.After.State == shipment.Deferred && e.After.Kind == shipment.Rejected:
			refused++
		}
	}
	if corrected != 1 || refused != 2 {
		t.Errorf("of the unknown carrier's %d were corrected and sent, %d are still refused", corrected, refused)
	}
	s.seen(ctx, t)
	if !strings.Contains(out.String(), "InvalidCarrier") {
		t.Errorf("what is printed does not name the refusal:\n%s", &out)
	}
	if gap := s.pause("DEMOSELLERUK"); gap < 2500*time.Millisecond {
		t.Errorf("the burst of 503 opened no breaker: the longest pause is %s", gap)
	}
	line, err := json.Marshal(got)
	if err != nil || !json.Valid(line) {
		t.Fatal(err)
	}
}

// pause is the longest time between two confirmations of a seller.
func (s *Story) pause(seller string) time.Duration {
	var longest time.Duration
	var last time.Time
	for _, c := range s.system.Simulator.Record() {
		if c.Seller != seller || c.Operation != amazonsim.OpConfirmShipment {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, c.Time.Sub(last))
		}
		last = c.Time
	}
	return longest
}

// seen checks that every state occurred at some time.
func (s *Story) seen(ctx context.Context, t *testing.T) {
	t.Helper()
	ever := map[shipment.State]bool{}
	if err := s.system.Ledger.All(ctx, func(e shipment.Entry) error { ever[e.After.State] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, state := range shipment.States {
		if !ever[state] {
			t.Errorf("no shipment was ever %s", state)
		}
	}
}
