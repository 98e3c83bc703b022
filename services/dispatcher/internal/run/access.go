package run

import (
	"context"

	"github.com/fertig-project/fertig/shared/job"
)

// leftHalted is how a run's log says that Amazon refused the connection.
const leftHalted = "halted"

// recall finds out when the last run was, and whether it was halted, under an earlier lease: for instance before somebody
// repaired the access and started the process again.
func (w *Worker) recall(ctx context.Context) error {
	logs, err := w.Board.Recent(ctx, w.Connection, 20)
	if err != nil {
		return err
	}
	latest := true
	for _, l := range logs {
		if l.Phase == job.Finished {
			if latest && l.Left[leftHalted] > 0 {
				w.halted.Store(true)
			}
			latest = false
			w.noteRun(l)
		}
	}
	return nil
}

// noteRun remembers the last run that sent something, or would have: what came of it can be read back.
func (w *Worker) noteRun(l job.Log) {
	if at := l.At.UnixNano(); (l.Counts.Attempts > 0 || l.Left[leftShadow] > 0) && at > w.ran.Load() {
		w.ran.Store(at)
	}
}

// access waits, after a run that was halted, for Amazon to let the connection in again, and then asks for a run: what the
// halted one left does not wait for the next slot.
func (w *Worker) access(ctx context.Context) error {
	if !w.halted.Load() || w.Busy() || !w.Amazon.LetIn(ctx) {
		return nil
	}
	now := w.Now()
	id := "access-" + newID()
	w.halted.Store(false) // before asking, for that run may be halted, too
	if _, err := w.Ask(ctx, job.Trigger{RunID: id, Connection: w.Connection, Kind: job.Manual, Scope: job.All, Actor: w.Actor, At: now,
		Reason: "Amazon lets the connection in again"}); err != nil {
		w.halted.Store(true)
		return err
	}
	w.Logger.Info("amazon lets the connection in again", "run", id)
	return nil
}
