package ledger_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fertig-project/fertig/shared/ledger"
	"github.com/fertig-project/fertig/shared/natstest"
	"github.com/fertig-project/fertig/shared/shipment"
)

// A scan that the server interrupts goes on with superseded entries. Whoever is told of one is told of what superseded it,
// even if that would be skipped: else a view would keep what is not so any more.
func TestHeadsAfterAnInterruptionLeaveNothingSuperseded(t *testing.T) {
	s := natstest.Start(t) // not beside others: it keeps both processors busy
	l := open(t, s.Connect(t))
	const n, step = 8000, 400 // more than a scan holds ahead of who reads it
	appended := func(ds []ledger.Draft) (out []shipment.Entry) {
		for _, r := range l.AppendAll(bounded(t), ds) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			out = append(out, r.Entry)
		}
		return out
	}
	for from := 0; from < n; from += step { // open and closed ones lie close to each other
		var closed []ledger.Draft
		for _, e := range appended(drafts(t, from, step)) {
			ev := shipment.Event{ID: fmt.Sprint("c", e.Seq), Type: shipment.CloseEvent, Kind: shipment.Withdrawn, At: noon}
			closed = append(closed, ledger.Draft{Expected: e.Seq, Entry: entry(t, e.After, ev)})
		}
		appended(closed)
	}
	begun, stopped, restarted := make(chan struct{}), make(chan struct{}), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	go func() {
		defer close(restarted)
		<-begun
		s.Stop(t)
		close(stopped)
		s.Again(t)
	}()
	shown, superseded := map[shipment.Key]shipment.State{}, 0
	_, err := l.HeadsBut(bounded(t), "", func(state shipment.State, _ time.Time) bool {
		begin()
		<-stopped
		return state == shipment.Closed
	}, func(e shipment.Entry) error {
		if e.After.State != shipment.Closed {
			superseded++
		}
		shown[e.After.Key] = e.After.State
		return nil
	})
	begin()
	<-restarted
	if err != nil {
		t.Fatal(err)
	}
	for k, state := range shown {
		if state != shipment.Closed {
			t.Fatalf("%s was shown as %s and then no more", k, state)
		}
	}
	if superseded == 0 {
		t.Error("the scan was over before it was interrupted: nothing was tested")
	}
}
