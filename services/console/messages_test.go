package console_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/services/console/internal/message"
	"github.com/fertig-project/fertig/shared/door"
	"github.com/fertig-project/fertig/shared/job"
	"github.com/fertig-project/fertig/shared/redistest"
	"github.com/fertig-project/fertig/shared/shipment"
	"github.com/fertig-project/fertig/shared/stream"
	"github.com/fertig-project/fertig/shared/view"
)

// messages are the raised ones of a kind.
func (b *bed) messages(kind client.MessageKind) []client.Message {
	b.t.Helper()
	r, err := b.api(viewer).ListMessagesWithResponse(b.ctx)
	b.must(err)
	if r.JSON200 == nil {
		b.t.Fatalf("messages: %d %s", r.StatusCode(), r.Body)
	}
	return slices.DeleteFunc(r.JSON200.Messages, func(m client.Message) bool { return m.Kind != kind })
}

// one waits until exactly one message of the kind is raised and it satisfies ok.
func (b *bed) one(kind client.MessageKind, ok func(client.Message) bool) client.Message {
	b.t.Helper()
	var m client.Message
	b.until("one message "+string(kind), func() bool {
		ms := b.messages(kind)
		if len(ms) == 1 {
			m = ms[0]
		}
		return len(ms) == 1 && ok(m)
	})
	return m
}

func (b *bed) none(kind client.MessageKind) {
	b.t.Helper()
	b.until("no message "+string(kind), func() bool { return len(b.messages(kind)) == 0 })
}

func after(run string) func(client.Message) bool {
	return func(m client.Message) bool { return val(m.Run) == run }
}

// The life of the message: raised after a run, its button for its own shipments only, raised anew when one still fails,
// cleared when the last one has succeeded. Two consoles run all the time.
func TestMessageLife(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rc redis.UniversalClient) {
		b := start(t, rc)
		b.console("console-2")
		one, two, fr := b.accept("DE", 1), b.accept("DE", 2), b.accept("FR", 3)
		b.reject(one, "r1")
		b.reject(two, "r1")
		b.confirm(fr, "r1")
		b.finish("EU", "r1", map[shipment.AccountID]job.Counts{"DE": {Attempts: 2, Deferred: 2}, "FR": {Attempts: 1, Confirmed: 1}})
		m := b.one(client.MessageKindTransmissionFailed, after("r1"))
		if m.Count != 2 || val(m.Account) != "DE" || val(m.Connection) != "EU" || !m.Button {
			t.Errorf("raised: %+v", m)
		}

		// What is deferred later is not the message's business.
		late := b.accept("DE", 4)
		b.reject(late, "r1b")
		mine, err := b.view.List(b.ctx, view.Filter{Accounts: []shipment.AccountID{"DE"}, DeferredUntil: m.At})
		b.must(err)
		if mine.Total != 2 {
			t.Errorf("the message lists %d shipments, want its own 2", mine.Total)
		}
		pressed, err := b.api(operator).SendMessageWithResponse(b.ctx, m.Id, client.SendMessageRequest{OperationId: ptr("p1")})
		b.must(err)
		if pressed.JSON202 == nil {
			t.Fatalf("button: %d %s", pressed.StatusCode(), pressed.Body)
		}
		asked, err := b.board.Asked(b.ctx, "EU", pressed.JSON202.Id)
		b.must(err)
		if asked.Kind != job.Message || asked.Scope != job.Listed || !asked.DeferredUntil.Equal(m.At) || !slices.Equal(asked.Accounts, []shipment.AccountID{"DE"}) {
			t.Errorf("trigger: %+v", asked)
		}
		if other, err := b.api(french).SendMessageWithResponse(b.ctx, m.Id, client.SendMessageRequest{}); err != nil || other.StatusCode() != http.StatusForbidden {
			t.Errorf("the button for who does not see the account: %d, %v", other.StatusCode(), err)
		}

		// One of them still fails: a new message, with new time and count.
		b.confirm(one, asked.RunID)
		b.reject(two, asked.RunID)
		b.finish("EU", asked.RunID, map[shipment.AccountID]job.Counts{"DE": {Attempts: 2, Confirmed: 1, Deferred: 1}})
		anew := b.one(client.MessageKindTransmissionFailed, after(asked.RunID))
		if anew.Count != 2 || !anew.At.After(m.At) || anew.Id == m.Id { // two and late
			t.Errorf("raised anew: %+v", anew)
		}
		if old, err := b.api(operator).SendMessageWithResponse(b.ctx, m.Id, client.SendMessageRequest{}); err != nil || old.StatusCode() != http.StatusConflict {
			t.Errorf("the button of a cleared message: %d, %v", old.StatusCode(), err)
		}

		// Success of the last one clears it, whatever sent them; exclusion counts as well.
		b.confirm(two, "r3")
		b.step(late, shipment.Event{Type: shipment.Exclude, Comment: "by hand"})
		b.none(client.MessageKindTransmissionFailed)
	})
}

// miss records a slot as missed, as a scheduler does that comes too late.
func (b *bed) miss(account shipment.AccountID, slot time.Time) job.Trigger {
	b.t.Helper()
	t := job.Trigger{RunID: "slot-" + string(account) + slot.Format("-20060102T1504Z"), Connection: "EU", Accounts: []shipment.AccountID{account}, Kind: job.Schedule,
		Scope: job.All, Slot: slot, Settled: job.Missed, Actor: "scheduler", At: time.Now().UTC()}
	_, err := b.board.Ask(b.ctx, t)
	b.must(err)
	_, err = b.board.Begin(b.ctx, job.Log{RunID: t.RunID, Connection: "EU", Phase: job.Missed, At: t.At, StartedAt: t.At, Trigger: t})
	b.must(err)
	return t
}

// A slot that did not run is a message with a button that runs the whole job; the newest one speaks for all; a run of
// everything that was begun later clears it, and nothing raises it again.
func TestMissedSlots(t *testing.T) {
	b := start(t, redistest.Mini(t))
	b.console("console-2")
	b.accept("DE", 1)
	b.accept("FR", 2)
	noon := time.Now().UTC().Truncate(time.Minute).Add(-8 * time.Hour)
	b.miss("DE", noon)
	first := b.one(client.MessageKindSlotMissed, func(m client.Message) bool { return val(m.Slots) == 1 })
	if first.Count != 1 || val(first.Account) != "DE" || !first.Slot.Equal(noon) || !first.Button {
		t.Errorf("raised: %+v", first)
	}
	second := b.miss("DE", noon.Add(3*time.Hour))
	m := b.one(client.MessageKindSlotMissed, func(m client.Message) bool { return m.Id != first.Id })
	if val(m.Slots) != 2 || val(m.Run) != second.RunID || !m.Slot.Equal(second.Slot) {
		t.Errorf("the newer one: %+v", m)
	}
	run, err := b.api(viewer).GetRunWithResponse(b.ctx, second.RunID)
	b.must(err)
	if run.JSON200 == nil || run.JSON200.Phase != client.Missed || !run.JSON200.Slot.Equal(second.Slot) {
		t.Errorf("the record: %s", run.Body)
	}

	// What ran before, or for others, or only a few, or has not ended, makes up for nothing.
	ended := func(id string, change func(*job.Log)) {
		l := job.Log{RunID: id, Connection: "EU", Phase: job.Finished, At: time.Now().UTC(), StartedAt: time.Now().UTC(),
			Trigger: job.Trigger{RunID: id, Connection: "EU", Accounts: []shipment.AccountID{"DE"}, Kind: job.Manual, Scope: job.All, At: time.Now().UTC()}}
		change(&l)
		b.must(b.board.Write(b.ctx, l))
	}
	ended("before", func(l *job.Log) { l.StartedAt = second.Slot.Add(-time.Minute) })
	ended("other", func(l *job.Log) { l.Trigger.Accounts = []shipment.AccountID{"FR"} })
	ended("few", func(l *job.Log) { l.Trigger.Scope = job.Named })
	ended("begun", func(l *job.Log) { l.Phase = job.Started })
	b.reject(b.accept("FR", 3), "other")
	ended("mark", func(l *job.Log) { // when this is seen, so were they
		l.Trigger.Accounts, l.ByAccount = []shipment.AccountID{"FR"}, map[shipment.AccountID]job.Counts{"FR": {Attempts: 1, Deferred: 1}}
	})
	b.one(client.MessageKindTransmissionFailed, after("mark"))
	_ = b.one(client.MessageKindSlotMissed, func(x client.Message) bool { return x.Id == m.Id })

	pressed, err := b.api(operator).SendMessageWithResponse(b.ctx, m.Id, client.SendMessageRequest{OperationId: ptr("p1")})
	b.must(err)
	if pressed.JSON202 == nil {
		t.Fatalf("button: %d %s", pressed.StatusCode(), pressed.Body)
	}
	asked, err := b.board.Asked(b.ctx, "EU", pressed.JSON202.Id)
	b.must(err)
	if asked.Kind != job.Message || asked.Scope != job.All || !asked.DeferredUntil.IsZero() || !slices.Equal(asked.Accounts, []shipment.AccountID{"DE"}) {
		t.Errorf("trigger: %+v", asked)
	}
	// It is taken up by a run of a few that was under way since before the slots, and whose end is the end of both.
	b.must(b.board.Write(b.ctx, job.Log{RunID: asked.RunID, Connection: "EU", Phase: job.Joined, At: time.Now().UTC(), StartedAt: time.Now().UTC(), Trigger: asked, JoinedTo: "long"}))
	ended("long", func(l *job.Log) { l.Trigger.Scope, l.StartedAt = job.Named, noon.Add(-time.Hour) })
	b.none(client.MessageKindSlotMissed)
	b.stop()
	b.console("console-3")
	b.miss("FR", noon) // "other" has made up for it
	b.miss("DE", time.Now().UTC().Truncate(time.Minute).Add(time.Minute))
	b.one(client.MessageKindSlotMissed, func(m client.Message) bool { return val(m.Account) == "DE" && val(m.Slots) == 1 })
}

// A console that was away raises what it missed, and a second start changes nothing.
func TestMessagesSurviveARestart(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.reject(k, "r1")
	b.finish("EU", "r1", map[shipment.AccountID]job.Counts{"DE": {Attempts: 1, Deferred: 1}})
	first := b.one(client.MessageKindTransmissionFailed, after("r1"))
	b.console("console-2")
	b.console("console-3")
	b.confirm(b.accept("DE", 2), "r2")
	b.finish("EU", "r2", map[shipment.AccountID]job.Counts{"DE": {Attempts: 1, Confirmed: 1}, "FR": {}})
	b.step(b.accept("FR", 3), shipment.Event{Type: shipment.Aged})
	b.one("expired", func(m client.Message) bool { return m.Count == 1 && !m.Button })
	if now := b.one(client.MessageKindTransmissionFailed, after("r1")); now.Id != first.Id || !now.At.Equal(first.At) {
		t.Errorf("a run without failures changed the message: %+v, was %+v", now, first)
	}
}

// A console that dies between raising the new message and clearing the old one leaves two; the next one clears the old.
func TestOfTwoMessagesTheOldOneGoes(t *testing.T) {
	b := start(t, redistest.Mini(t))
	b.stop()
	book, err := message.Open(b.nc)
	b.must(err)
	b.reject(b.accept("DE", 1), "r1")
	for i, run := range []string{"r1", "r2"} {
		_, err := book.Raise(b.ctx, message.Message{ID: "transmission_failed.DE." + run, Kind: message.TransmissionFailed, Connection: "EU", Account: "DE", Run: run,
			At: time.Now().Add(time.Duration(i) * time.Second).UTC(), Count: 1})
		b.must(err)
	}
	b.svc = b.console("console-2")
	b.one(client.MessageKindTransmissionFailed, after("r2"))
}

func TestExpiredAndHaltedMessages(t *testing.T) {
	b := start(t, redistest.Mini(t))
	k := b.accept("DE", 1)
	b.step(k, shipment.Event{Type: shipment.Aged})
	first := b.one("expired", func(m client.Message) bool { return val(m.Account) == "DE" && m.Count == 1 })
	more := b.accept("DE", 2)
	b.step(more, shipment.Event{Type: shipment.Aged})
	b.one("expired", func(m client.Message) bool { return m.Count == 2 && m.Id != first.Id && m.At.After(first.At) })
	b.step(more, shipment.Event{Type: shipment.Requeued, Waiver: true})
	b.step(k, shipment.Event{Type: shipment.Requeued, Waiver: true})
	b.none("expired")

	l := b.finish("EU", "r1", nil)
	l.RunID, l.At, l.Left = "r2", time.Now().UTC(), map[string]int{"halted": 3}
	b.must(b.board.Write(b.ctx, l))
	b.one("halted", func(m client.Message) bool { return val(m.Connection) == "EU" && m.Count == 3 })
	b.finish("EU", "r3", nil)
	b.none("halted")
}

// Unusable input is counted per day and per file, also by a console that starts later.
func TestInputMessages(t *testing.T) {
	b := start(t, redistest.Mini(t))
	reject := func(r door.Rejected) {
		r.At = time.Now().UTC()
		b.must(door.Reject(b.ctx, b.js, r))
	}
	reject(door.Rejected{Source: "api", Reason: door.Differs, Account: "DE", Original: "1"})
	reject(door.Rejected{Source: "service", Reason: door.Refused, Account: "DE", Original: "2"}) // told to its sender
	counts := func(n int) func(client.Message) bool {
		return func(m client.Message) bool { return m.Count == n && val(m.Account) == "DE" && !m.Button }
	}
	b.one("differs", counts(1))
	reject(door.Rejected{Source: "import", Reason: door.Differs, Account: "DE", Original: "3"})
	grown := b.one("differs", counts(2))
	for line := range 3 {
		reject(door.Rejected{Source: "import", Reason: door.Refused, Account: "DE", File: "dhl.csv", Line: line + 1, Original: "DE/abc/dhl.csv"})
	}
	rows := b.one("import_rows", counts(3))
	if val(rows.Detail) != "dhl.csv" {
		t.Errorf("rows of %q", val(rows.Detail))
	}
	b.svc = b.console("console-2")
	reject(door.Rejected{Source: "api", Reason: door.Differs, Account: "DE", Original: "4"})
	if m := b.one("differs", counts(3)); m.Id != grown.Id {
		t.Errorf("the same day makes another message: %s, was %s", m.Id, grown.Id)
	}
}

func TestRunsStartPreviewAndProgress(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rc redis.UniversalClient) {
		b := start(t, rc)
		for n := range 30 {
			b.accept("DE", n)
		}
		b.accept("FR", 40)
		b.finish("EU", "r0", nil)
		c := b.api(operator)
		p, err := c.PreviewRunWithResponse(b.ctx, &client.PreviewRunParams{Account: &[]client.AccountId{"DE"}})
		b.must(err)
		if p.JSON200 == nil || p.JSON200.Count != 30 || p.JSON200.LastRun == nil || p.JSON200.DoneBy == nil {
			t.Fatalf("preview: %s", p.Body)
		}
		if took := p.JSON200.DoneBy.Sub(p.JSON200.At); took != 11500*time.Millisecond { // 9 at once, 21 at two a second, one second to answer
			t.Errorf("30 shipments would take %s", took)
		}
		for _, text := range []string{p.JSON200.Text.De, p.JSON200.Text.En} {
			if !strings.Contains(text, "30") || !strings.Contains(text, "1 Minut") && !strings.Contains(text, "1 minut") {
				t.Errorf("warning %q", text)
			}
		}
		r, err := c.StartRunWithResponse(b.ctx, client.StartRunRequest{Accounts: &[]client.AccountId{"DE"}, OperationId: ptr("once")})
		b.must(err)
		again, err := c.StartRunWithResponse(b.ctx, client.StartRunRequest{Accounts: &[]client.AccountId{"DE"}, OperationId: ptr("once")})
		b.must(err)
		if r.JSON202 == nil || again.JSON202 == nil || len(r.JSON202.Runs) != 1 || r.JSON202.Runs[0].Id != again.JSON202.Runs[0].Id {
			t.Fatalf("start: %s, again: %s", r.Body, again.Body)
		}
		id := r.JSON202.Runs[0].Id
		if got, err := c.GetRunWithResponse(b.ctx, id); err != nil || got.JSON200 == nil || got.JSON200.Phase != client.Asked || got.JSON200.Actor != "otto" {
			t.Errorf("asked: %s, %v", got.Body, err)
		}
		b.watch(c, id)
		if list, err := c.ListRunsWithResponse(b.ctx, &client.ListRunsParams{}); err != nil || list.JSON200 == nil || list.JSON200.Runs[0].Id != id || list.JSON200.Runs[0].Phase != client.Finished {
			t.Errorf("runs: %s, %v", list.Body, err)
		}
		all, err := b.api(operator).StartRunWithResponse(b.ctx, client.StartRunRequest{})
		b.must(err)
		if all.JSON202 == nil || len(all.JSON202.Runs) != 2 || len(all.JSON202.Runs[0].Accounts) != 0 {
			t.Errorf("a run of everything: %s", all.Body)
		}
	})
}

// A reader who never leaves does not hold a console up, and the lease is free at once.
func TestStopWithAnOpenStream(t *testing.T) {
	b := start(t, redistest.Mini(t))
	c := b.api(operator)
	r, err := c.StartRunWithResponse(b.ctx, client.StartRunRequest{})
	b.must(err)
	resp, err := c.ClientInterface.WatchRun(b.ctx, r.JSON202.Runs[0].Id)
	b.must(err)
	defer resp.Body.Close()
	first := make([]byte, 1)
	_, err = io.ReadFull(resp.Body, first)
	b.must(err)
	leases, err := stream.NewLeases(b.ctx, b.js, "test", time.Minute)
	b.must(err)
	holder := func() string {
		h, err := leases.Holder(b.ctx, "messages")
		b.must(err)
		return h
	}
	b.until("the console to hold the lease", func() bool { return holder() == "console-1" })
	began := time.Now()
	b.stop()
	if took := time.Since(began); took > 2500*time.Millisecond { // it drains for three seconds at most
		t.Errorf("stopping took %s", took)
	}
	if h := holder(); h != "" {
		t.Errorf("the lease is still held by %q", h)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Errorf("the stream was cut, not ended: %v", err)
	}
}

// watch follows a run while the test plays the dispatcher.
func (b *bed) watch(c *client.ClientWithResponses, id string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 20*time.Second)
	defer cancel()
	heard := make(chan client.Progress, 100)
	ended := make(chan error, 1)
	go func() { ended <- client.Watch(ctx, c, id, func(p client.Progress) { heard <- p }) }()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for got := false; !got; { // progress is not kept, so it is told until somebody hears it
		select {
		case p := <-heard:
			got = p.RunId == id && p.Done == 7 && p.Total == 30
		case <-tick.C:
			b.must(b.board.Tell(job.Progress{RunID: "another", Connection: "EU", At: time.Now(), Done: 1}))
			b.must(b.board.Tell(job.Progress{RunID: id, Connection: "EU", At: time.Now(), Done: 7, Total: 30, PerSecond: 2}))
		case err := <-ended:
			b.t.Fatalf("the stream ended early: %v", err)
		}
	}
	asked, err := b.board.Asked(b.ctx, "EU", id)
	b.must(err)
	b.must(b.board.Write(b.ctx, job.Log{RunID: id, Connection: "EU", Phase: job.Finished, At: time.Now().UTC(), Trigger: asked, Counts: job.Counts{Attempts: 30, Confirmed: 30}}))
	b.must(b.board.Tell(job.Progress{RunID: id, Connection: "EU", At: time.Now(), Done: 30, Total: 30, Ended: true}))
	b.must(<-ended)
	var last client.Progress
	for len(heard) > 0 {
		last = <-heard
	}
	if !val(last.Ended) || last.Confirmed != 30 {
		b.t.Errorf("the last word: %+v", last)
	}
}
