package contract

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// watch stands between client and simulator and holds both to the models.
type watch struct {
	model *Model
	next  http.Handler
	// scripted reports that the answer to a request is one that a row prescribes word for word: some of these are not
	// Amazon's at all.
	scripted func(operation string, body []byte, path string) bool

	mu         sync.Mutex
	operations map[string]int
	violations []string
}

func (w *watch) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client has gone
	}
	e := Exchange{Request: r, Body: body}
	op, problems := w.model.Request(e)
	w.note(op, "request", problems)
	r.Body = io.NopCloser(bytes.NewReader(body))
	tee := &tee{ResponseWriter: rw}
	defer func() { // also when the simulator abandons the answer
		if tee.status == 0 || w.scripted(op, body, r.URL.Path) {
			return
		}
		e.Status, e.Header, e.Answer = tee.status, rw.Header(), tee.body.Bytes()
		w.note("", op+" answer", w.model.Response(e))
	}()
	w.next.ServeHTTP(tee, r)
}

// unused are the operations of the models that nobody has called.
func (w *watch) unused() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, op := range w.model.operations {
		if w.operations[op] == 0 {
			out = append(out, op+": no request was made")
		}
	}
	return out
}

func (w *watch) note(op, what string, problems []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if op != "" {
		w.operations[op]++
		what = op + " " + what
	}
	for _, p := range problems {
		w.violations = append(w.violations, what+": "+p)
	}
}

// tee keeps what is written.
type tee struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (t *tee) WriteHeader(status int) { t.status = status; t.ResponseWriter.WriteHeader(status) }

func (t *tee) Write(b []byte) (int, error) {
	if t.status == 0 {
		t.status = http.StatusOK
	}
	t.body.Write(b)
	return t.ResponseWriter.Write(b)
}

// Unwrap lets the simulator cut connections.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }
