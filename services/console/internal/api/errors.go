package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/auth"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/fault"
)

// status is the HTTP status of a kind of error.
var status = map[fault.Kind]int{
	fault.Invalid: http.StatusBadRequest, fault.NotFound: http.StatusNotFound, fault.Conflict: http.StatusConflict,
	fault.Forbidden: http.StatusForbidden, fault.Throttled: http.StatusTooManyRequests,
	fault.Unavailable: http.StatusServiceUnavailable, fault.Internal: http.StatusInternalServerError,
}

// refuse answers with an error. What is ours to mend is logged, and told without its inside.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the caller has gone
	}
	err = parameter(err)
	code := status[fault.KindOf(err)]
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, auth.ErrUnknown):
		code = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="fertig"`)
	case errors.As(err, &tooLarge):
		code = http.StatusRequestEntityTooLarge
	case code == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "60")
	case code == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	}
	if code >= http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "actor", auth.From(r.Context()).Name, "error", err)
	}
	s.write(w, r, code, body(err))
}

// body is the form every error has on the wire.
func body(err error) gen.Error {
	e := gen.Error{Code: gen.ErrorCode(fault.KindOf(err)), Message: "something went wrong inside the service"}
	var f *fault.Error
	if errors.As(err, &f) {
		e.Message = f.Text
		if f.Field != "" {
			e.Field = &f.Field
		}
	}
	if r := ops.Remedy(err); r != "" {
		e.Remedy = &r
	}
	return e
}

// parameter gives the generated code's errors about parameters a kind and the parameter's name.
func parameter(err error) error {
	var format *gen.InvalidParamFormatError
	var required *gen.RequiredParamError
	var many *gen.TooManyValuesForParamError
	switch {
	case errors.As(err, &format):
		return ops.Advise(fault.Field(format.ParamName, "has a value that cannot be read"), "see docs/api/openapi.yaml for its form")
	case errors.As(err, &required):
		return ops.Advise(fault.Field(required.ParamName, "is missing"), "add it to the query")
	case errors.As(err, &many):
		return ops.Advise(fault.Field(many.ParamName, "is given %d times", many.Count), "give it once")
	}
	return err
}

func (s *server) write(w http.ResponseWriter, r *http.Request, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false) // people read it, and browsers are told not to guess
	if err := out.Encode(v); err != nil {
		s.log.DebugContext(r.Context(), "answer not delivered", "path", r.URL.Path, "error", err)
	}
}

// Foreign answers a request that a page of another origin made a browser send.
func Foreign(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusForbidden)
	e := gen.Error{Code: gen.ErrorCodeForbidden, Message: "the request comes from a page of another origin", Remedy: ptr("open the console's own address")}
	_ = json.NewEncoder(w).Encode(e) // the browser has gone: nobody is left to tell
}
