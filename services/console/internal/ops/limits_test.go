package ops

import (
	"context"
	"slices"
	"testing"

	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/settings"
	"github.com/fertig-project/fertig/shared/shipment"
)

// two are settings of two connections that do not change.
type two struct{ Settings }

func (two) Current() settings.Set {
	return settings.Set{Connections: []settings.Connection{
		{ID: "EU", Accounts: []settings.Account{{ID: "DE"}, {ID: "FR"}}}, {ID: "UK", Accounts: []settings.Account{{ID: "UK1"}}}}}
}

// raised are the messages there are.
type raised struct {
	Messages
	all []message.Message
}

func (r raised) Open(context.Context) ([]message.Message, error) { return r.all, nil }

func TestMessagesOfOtherConnectionsAreNotSeen(t *testing.T) {
	o := New(Config{Settings: two{}, Messages: raised{all: []message.Message{
		{ID: "halted EU", Kind: message.Halted, Connection: "EU"}, {ID: "halted UK", Kind: message.Halted, Connection: "UK"},
		{ID: "halted gone", Kind: message.Halted, Connection: "US"}, {ID: "DE", Kind: message.Expired, Connection: "EU", Account: "DE"},
		{ID: "FR", Kind: message.Expired, Connection: "EU", Account: "FR"}, {ID: "general", Kind: message.ImportRows}}}})
	for _, c := range []struct {
		accounts []shipment.AccountID
		want     []string
	}{
		{nil, []string{"halted EU", "halted UK", "halted gone", "DE", "FR", "general"}},
		{[]shipment.AccountID{"FR"}, []string{"halted EU", "FR", "general"}},
		{[]shipment.AccountID{"UK1"}, []string{"halted UK", "general"}},
	} {
		ms, err := o.Messages(t.Context(), Actor{Name: "fleur", Role: Viewer, Accounts: c.accounts})
		var got []string
		for _, m := range ms {
			got = append(got, m.ID)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("who works on %v sees %q, %v, want %q", c.accounts, got, err, c.want)
		}
	}
}

// ran is a board of one connection's runs.
type ran struct {
	Board
	logs []job.Log
}

func (b ran) Recent(_ context.Context, c shipment.ConnectionID, _ int) ([]job.Log, error) {
	return slices.DeleteFunc(slices.Clone(b.logs), func(l job.Log) bool { return l.Connection != c }), nil
}

func (b ran) Last(_ context.Context, c shipment.ConnectionID, run string) (job.Log, error) {
	for _, l := range b.logs {
		if l.Connection == c && l.RunID == run {
			return l, nil
		}
	}
	return job.Log{}, fault.New(fault.NotFound, "no run %s", run)
}

func (b ran) Asked(ctx context.Context, c shipment.ConnectionID, run string) (job.Trigger, error) {
	l, err := b.Last(ctx, c, run)
	return l.Trigger, err
}

// told is progress that is heard at once.
type told []job.Progress

func (p told) Listen(ctx context.Context, _ shipment.ConnectionID, hear func(job.Progress)) error {
	for _, x := range p {
		hear(x)
	}
	<-ctx.Done()
	return ctx.Err()
}

func run(id string, by map[shipment.AccountID]job.Counts, accounts ...shipment.AccountID) job.Log {
	l := job.Log{RunID: id, Connection: "EU", Phase: job.Finished, ByAccount: by, Left: map[string]int{"held": 7},
		Trigger: job.Trigger{RunID: id, Connection: "EU", Accounts: accounts}}
	for _, c := range by {
		l.Counts = plus(l.Counts, c)
	}
	return l
}

func TestARunCountsWhatTheActorSees(t *testing.T) {
	de := job.Counts{Attempts: 5, Confirmed: 4, Deferred: 1}
	fr := job.Counts{Attempts: 1, Confirmed: 2, Deferred: 3, Doubt: 4, NotRequired: 5, Closed: 6, Expired: 7, Released: 8, Skipped: 9, Throttled: 10}
	sum := job.Counts{Attempts: 6, Confirmed: 6, Deferred: 4, Doubt: 4, NotRequired: 5, Closed: 6, Expired: 7, Released: 8, Skipped: 9, Throttled: 10}
	board := ran{logs: []job.Log{run("r", map[shipment.AccountID]job.Counts{"DE": de, "FR": fr})}}
	o := New(Config{Settings: two{}, Board: board, Progress: told{}})
	for _, c := range []struct {
		accounts []shipment.AccountID
		want     job.Counts
		left     int
	}{{nil, sum, 1}, {[]shipment.AccountID{"FR"}, fr, 0}, {[]shipment.AccountID{"DE", "FR"}, sum, 0}} {
		a := Actor{Name: "fleur", Role: Viewer, Accounts: c.accounts}
		one, err := o.Run(t.Context(), a, "r")
		if err != nil || one.Log.Counts != c.want || len(one.Log.Left) != c.left {
			t.Errorf("%v: %+v, %v", c.accounts, one.Log, err)
		}
		all, err := o.Runs(t.Context(), a, 0)
		if err != nil || len(all) != 1 || all[0].Log.Counts != c.want || len(all[0].Log.Left) != c.left {
			t.Errorf("%v: %+v, %v", c.accounts, all, err)
		}
		var last job.Progress
		if err := o.Progress(t.Context(), a, "r", func(p job.Progress) { last = p }); err != nil || !last.Ended || last.Done != c.want.Attempts || last.Confirmed != c.want.Confirmed {
			t.Errorf("%v: the last progress is %+v, %v", c.accounts, last, err)
		}
	}
}

func TestProgressOfOtherAccountsIsNotHeard(t *testing.T) {
	board := ran{logs: []job.Log{run("all", nil), run("german", nil, "DE"), run("both", nil, "DE", "FR"), run("french", nil, "FR")}}
	var heard told
	for _, id := range []string{"all", "german", "german", "unknown", "both", "french"} {
		heard = append(heard, job.Progress{RunID: id, Connection: "EU"})
	}
	heard = append(heard, job.Progress{RunID: "british", Connection: "UK"}, job.Progress{RunID: "all", Connection: "EU", Ended: true})
	o := New(Config{Settings: two{}, Board: board, Progress: heard})
	for _, c := range []struct {
		accounts []shipment.AccountID
		want     []string
	}{
		{nil, []string{"all", "german", "german", "unknown", "both", "french", "british", "all"}},
		{[]shipment.AccountID{"FR"}, []string{"all", "both", "french", "all"}},
	} {
		ctx, stop := context.WithCancel(t.Context())
		var got []string
		err := o.Progress(ctx, Actor{Name: "fleur", Role: Viewer, Accounts: c.accounts}, "", func(p job.Progress) {
			if got = append(got, p.RunID); p.Ended {
				stop()
			}
		})
		if stop(); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("who works on %v hears %q, %v, want %q", c.accounts, got, err, c.want)
		}
	}
}
