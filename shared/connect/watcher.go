package connect

import (
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// quietFor is how long a refusal or another trouble of the same kind is not said again.
const quietFor = 10 * time.Second

// watcher says in the log what a connection meets outside of any call. It is safe for concurrent use.
type watcher struct {
	log *slog.Logger

	mu   sync.Mutex
	said map[string]time.Time // kind of trouble -> when it was last said; emptied beyond a hundred kinds
}

// failed logs what the server refused. A refused publish otherwise shows only as a call without an answer.
func (w *watcher) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		verb, subject := denied(err.Error())
		if w.may(verb + " " + kind(subject)) {
			w.log.Error("NATS refuses this service a right it needs: add the subject to the permissions of its user and reload the servers",
				"right", verb, "subject", subject)
		}
		return
	}
	subject := ""
	if sub != nil {
		subject = sub.Subject
	}
	if w.may(err.Error()) {
		w.log.Warn("trouble with NATS", "error", err, "subject", subject)
	}
}

func (w *watcher) lost(_ *nats.Conn, err error) {
	if err != nil { // nil: closed by ourselves
		w.log.Warn("connection to NATS lost, will be made again", "error", err)
	}
}

func (w *watcher) back(nc *nats.Conn) {
	w.log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted())
}

// denied reads right and subject out of the server's words: Permissions Violation for Publish to "x".
func denied(text string) (verb, subject string) {
	verb = "publish"
	if strings.Contains(text, "Subscription to") {
		verb = "subscribe"
	}
	_, rest, _ := strings.Cut(text, `"`)
	subject, _, _ = strings.Cut(rest, `"`)
	return verb, subject
}

// kind is the beginning of a subject, so that a thousand refused acknowledgements are one trouble.
func kind(subject string) string {
	p := strings.SplitN(subject, ".", 6)
	return strings.Join(p[:min(len(p), 5)], ".")
}

// may reports whether a trouble was not said a moment ago, and notes that it is said now.
func (w *watcher) may(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if at, ok := w.said[what]; ok && now.Sub(at) < quietFor {
		return false
	}
	if w.said == nil || len(w.said) > 100 {
		w.said = map[string]time.Time{}
	}
	w.said[what] = now
	return true
}
