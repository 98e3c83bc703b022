package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fertig-project/fertig/services/allinone/audit"
	"github.com/fertig-project/fertig/services/amazonsim"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/shipment"
)

var (
	key = shipment.Key{Connection: "EU", Order: "302-0000001-0000001", Package: "1"}
	t0  = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
)

func at(s int) time.Time { return t0.Add(time.Duration(s) * time.Second) }

// entry is a ledger entry of key.
func entry(id string, typ shipment.Type, state shipment.State, second int, change ...func(*shipment.Entry)) shipment.Entry {
	e := shipment.Entry{ID: id, Type: typ, At: at(second), After: shipment.Shipment{Key: key, Account: "DE", State: state}}
	for _, c := range change {
		c(&e)
	}
	return e
}

func confirm(seq uint64, second int, change ...func(*amazonsim.Call)) amazonsim.Call {
	c := amazonsim.Call{Seq: seq, Time: at(second), Operation: amazonsim.OpConfirmShipment, OrderID: key.Order,
		PackageReferenceID: "1", Status: 204, Committed: true}
	for _, f := range change {
		f(&c)
	}
	return c
}

func read(seq uint64, second int, shown ...string) amazonsim.Call {
	return amazonsim.Call{Seq: seq, Time: at(second), Operation: amazonsim.OpGetOrder, OrderID: key.Order, Status: 200, ShownPackages: shown}
}

func order(references ...string) amazonsim.Order {
	o := amazonsim.Order{ID: key.Order}
	for _, r := range references {
		o.Packages = append(o.Packages, amazonsim.Package{Reference: r, Origin: amazonsim.OriginCall})
	}
	return o
}

// sound is the simplest true story: reported once, confirmed once, there.
func sound() audit.Books {
	return audit.Books{
		Journal: []audit.Line{{Door: "api", Key: key, EventID: "a", Told: door.Accepted}},
		Ledger: []shipment.Entry{entry("a", shipment.Accepted, shipment.Pending, 0), entry("b", shipment.Attempted, shipment.Transmitting, 1),
			entry("c", shipment.Outcome, shipment.Confirmed, 2)},
		Calls:  []amazonsim.Call{confirm(1, 1)},
		Orders: []amazonsim.Order{order("1")},
	}
}

func TestSettle(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*audit.Books)
		want   func(*audit.Accounts)
		sound  bool
		why    string
	}{
		"sound": {func(*audit.Books) {}, func(*audit.Accounts) {}, true, ""},
		"told accepted and gone": {
			func(b *audit.Books) { b.Ledger = nil; b.Calls = nil; b.Orders = nil },
			func(a *audit.Accounts) { a.Confirmed, a.Lost = 0, 1 }, false, "the ledger does not know it"},
		"stored on the stream and gone": {
			func(b *audit.Books) { b.Journal[0].Told = audit.Stored; b.Ledger = nil; b.Calls = nil; b.Orders = nil },
			func(a *audit.Accounts) { a.Confirmed, a.Lost = 0, 1 }, false, `was told "stored"`},
		"stored on the stream and refused": {
			func(b *audit.Books) {
				*b = audit.Books{Journal: []audit.Line{{Key: key, EventID: "a", Told: audit.Stored}}, Rejected: []door.Rejected{{Key: key.String(), Reason: door.Refused}}}
			},
			func(a *audit.Accounts) { a.Accepted, a.Confirmed, a.Invalid = 0, 0, 1 }, true, ""},
		"stored on the stream and refused by its place": {
			func(b *audit.Books) {
				*b = audit.Books{Journal: []audit.Line{{Key: key, EventID: "a", Told: audit.Stored, Place: "FERTIG_SHIPPED/7"}}, Rejected: []door.Rejected{{Original: "FERTIG_SHIPPED/7", Reason: door.Refused}}}
			},
			func(a *audit.Accounts) { a.Accepted, a.Confirmed, a.Invalid = 0, 0, 1 }, true, ""},
		"known to the ledger, reported by nobody": {
			func(b *audit.Books) { b.Journal = nil }, func(a *audit.Accounts) { a.Accepted = 0 }, false, ""},
		"confirmed, and Amazon lacks the package": {
			func(b *audit.Books) { b.Orders = []amazonsim.Order{order()} },
			func(a *audit.Accounts) { a.Lost = 1 }, false, "Amazon has no such package"},
		"confirmed, and Amazon was told to drop it": {
			func(b *audit.Books) {
				b.Orders = []amazonsim.Order{order()}
				b.Calls[0].Fault, b.Calls[0].Committed = amazonsim.FaultSilentDrop, false
			}, func(*audit.Accounts) {}, true, ""},
		"confirmed elsewhere needs no package of ours": {
			func(b *audit.Books) { b.Ledger[2].After.Kind = shipment.Elsewhere; b.Orders = nil; b.Calls = nil },
			func(*audit.Accounts) {}, true, ""},
		"two confirmations": {
			func(b *audit.Books) { b.Calls = append(b.Calls, confirm(2, 5)) },
			func(a *audit.Accounts) { a.ConfirmedTwice = 1 }, false, "calls 1 and 2"},
		"two confirmations, the first one's answer lost": {
			func(b *audit.Books) { b.Calls[0].Status = 0; b.Calls = append(b.Calls, confirm(2, 5)) },
			func(a *audit.Accounts) { a.ConfirmedTwice = 1 }, false, "calls 1 and 2"},
		"two confirmations, a reading between them saw the package": {
			func(b *audit.Books) { b.Calls = append(b.Calls, read(2, 3, "1"), confirm(3, 5)) },
			func(a *audit.Accounts) { a.ConfirmedTwice = 1 }, false, "calls 1 and 3"},
		"two confirmations, a reading between them did not": {
			func(b *audit.Books) { b.Calls = append(b.Calls, read(2, 3), confirm(3, 5)) }, func(*audit.Accounts) {}, true, ""},
		"a reading excuses one repetition only": {
			func(b *audit.Books) { b.Calls = append(b.Calls, read(2, 3), confirm(3, 5), confirm(4, 6)) },
			func(a *audit.Accounts) { a.ConfirmedTwice = 1 }, false, "calls 3 and 4"},
		"a failed reading excuses nothing": {
			func(b *audit.Books) { r := read(2, 3); r.Status = 503; b.Calls = append(b.Calls, r, confirm(3, 5)) },
			func(a *audit.Accounts) { a.ConfirmedTwice = 1 }, false, "calls 1 and 3"},
		"corrected in between": {
			func(b *audit.Books) {
				b.Ledger = append(b.Ledger, entry("d", shipment.Attempted, shipment.Transmitting, 4, func(e *shipment.Entry) {
					e.After.Attempt = &shipment.Attempt{Correction: true}
				}), entry("e", shipment.Outcome, shipment.Confirmed, 6))
				b.Calls = append(b.Calls, confirm(2, 5))
			}, func(*audit.Accounts) {}, true, ""},
		"reopened in between": {
			func(b *audit.Books) {
				b.Ledger = append(b.Ledger, entry("d", shipment.Found, shipment.Deferred, 4), entry("e", shipment.Outcome, shipment.Confirmed, 6))
				b.Calls = append(b.Calls, confirm(2, 5))
			}, func(*audit.Accounts) {}, true, ""},
		"a refused repetition is none": {
			func(b *audit.Books) {
				b.Calls = append(b.Calls, confirm(2, 5, func(c *amazonsim.Call) { c.Status, c.Committed = 503, false }))
			}, func(*audit.Accounts) {}, true, ""},
		"a package nobody asked for": {
			func(b *audit.Books) { b.Orders = []amazonsim.Order{order("1", "2")} },
			func(a *audit.Accounts) { a.ConfirmedTwice = 1 }, false, "never asked for"},
		"repeats at both kinds of doors": {
			func(b *audit.Books) {
				b.Journal = append(b.Journal, audit.Line{Key: key, EventID: "x", Told: door.AlreadyKnown}, audit.Line{Key: key, EventID: "y", Told: audit.Stored})
			}, func(a *audit.Accounts) { a.AlreadyKnown = 2 }, true, ""},
		"a differing report at both kinds of doors": {
			func(b *audit.Books) {
				b.Journal = append(b.Journal, audit.Line{Key: key, EventID: "x", Told: door.Differs}, audit.Line{Key: key, EventID: "y", Told: audit.Stored})
				b.Rejected = []door.Rejected{{Key: key.String(), Reason: door.Differs}, {Key: key.String(), Reason: door.Differs}}
			}, func(a *audit.Accounts) { a.Differs = 2 }, true, ""},
		"the recorded body again": {
			func(b *audit.Books) { b.Ledger[1].After.Attempt = &shipment.Attempt{Resend: true} },
			func(a *audit.Accounts) { a.ResentIdentical = 1 }, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := sound()
			c.change(&b)
			want := audit.Accounts{Accepted: 1, Confirmed: 1}
			c.want(&want)
			got, why := audit.Settle(b)
			if got != want {
				t.Errorf("got  %+v\nwant %+v\n%v", got, want, why)
			}
			if got.Sound() != c.sound {
				t.Errorf("sound is %t", got.Sound())
			}
			if (c.why == "") != (len(why) == 0) || len(why) > 0 && !strings.Contains(why[0].String(), c.why) {
				t.Errorf("findings %v, want %q", why, c.why)
			}
		})
	}
}

func TestEveryStateIsCounted(t *testing.T) {
	var b audit.Books
	for i, s := range shipment.States {
		e := entry("e", shipment.Accepted, s, i)
		e.After.Key.Package = string(rune('1' + i))
		e.After.Kind = shipment.Elsewhere
		b.Ledger = append(b.Ledger, e)
		b.Journal = append(b.Journal, audit.Line{Key: e.After.Key, Told: door.Accepted})
	}
	got, _ := audit.Settle(b)
	if got.States() != len(shipment.States) || !got.Sound() {
		t.Fatalf("%+v", got)
	}
}

func TestTheLastLineHasExactlyTheAgreedKeys(t *testing.T) {
	data, err := json.Marshal(audit.Accounts{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for part := range strings.SplitSeq(string(data), ",") {
		got = append(got, strings.Split(part, `"`)[1])
	}
	want := "accepted pending transmitting deferred doubt confirmed expired excluded not_required closed invalid differs already_known lost confirmed_twice resent_identical elapsed_s"
	if strings.Join(got, " ") != want {
		t.Fatalf("keys %v", got)
	}
}
