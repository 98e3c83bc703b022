package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/api/gen"
	"github.com/fertig-project/fertig/services/console/internal/ops"
	"github.com/fertig-project/fertig/shared/fault"
)

// Bounds of a body in bytes.
const (
	maxBody   = 1 << 20
	maxReport = 4 << 20
)

// bodyTimeout is how long a body may take to arrive.
const bodyTimeout = 30 * time.Second

// bodies says which body each operation takes, so that it can be read strictly before the generated code reads it.
var bodies = map[string]struct {
	make     func() any
	max      int64
	optional bool
}{
	"POST /api/v1/shipments": {make: func() any { return new(gen.ReportRequest) }, max: maxReport},
	"POST /api/v1/shipments/{connection}/{order}/{package}/correct": {make: func() any { return new(gen.CorrectRequest) }, max: maxBody},
	"POST /api/v1/shipments:correct":                                {make: func() any { return new(gen.CorrectManyRequest) }, max: maxBody},
	"POST /api/v1/shipments:replay":                                 {make: func() any { return new(gen.BulkRequest) }, max: maxBody},
	"POST /api/v1/shipments:exclude":                                {make: func() any { return new(gen.BulkRequest) }, max: maxBody},
	"POST /api/v1/shipments:include":                                {make: func() any { return new(gen.BulkRequest) }, max: maxBody},
	"POST /api/v1/shipments:close":                                  {make: func() any { return new(gen.CloseRequest) }, max: maxBody},
	"POST /api/v1/runs":                                             {make: func() any { return new(gen.StartRunRequest) }, max: maxBody},
	"POST /api/v1/messages/{id}/send":                               {make: func() any { return new(gen.SendMessageRequest) }, max: maxBody, optional: true},
	"POST /api/v1/accounts/{id}/mapping":                            {make: func() any { return new(gen.MapCarrierRequest) }, max: maxBody},
	"PUT /api/v1/accounts/{id}/labels":                              {make: func() any { return new(gen.SetLabelRulesRequest) }, max: maxBody},
	"POST /api/v1/accounts/{id}/pause":                              {make: func() any { return new(gen.PauseRequest) }, max: maxBody},
}

// queries says which parameters each operation takes; those not listed take none.
var queries = map[string]reflect.Type{
	"GET /api/v1/shipments":    reflect.TypeFor[gen.ListShipmentsParams](),
	"GET /api/v1/orders/open":  reflect.TypeFor[gen.ListOpenOrdersParams](),
	"GET /api/v1/runs":         reflect.TypeFor[gen.ListRunsParams](),
	"GET /api/v1/runs:preview": reflect.TypeFor[gen.PreviewRunParams](),
}

func (s *server) strictBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, ok := bodies[r.Pattern]
		limit := int64(maxBody)
		if ok {
			limit = want.max
		}
		b, err := received(w, r, limit)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if ok && (len(b) > 0 || !want.optional) {
			if err := decode(b, want.make()); err != nil {
				s.refuse(w, r, err)
				return
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		next.ServeHTTP(w, r)
	})
}

// received reads a body whole.
func received(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	// A body that trickles in would hold its connection for ever. Not every writer knows deadlines; then there is none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength, limit)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if err != nil {
		return nil, unread(err, limit)
	}
	return b.Bytes(), nil
}

func unread(err error, limit int64) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return ops.Advise(fault.Wrap(fault.Invalid, err, "the body is larger than %d bytes", limit), "send it in several parts")
	}
	return ops.Advise(fault.Wrap(fault.Invalid, err, "the body was cut off"), "send it again")
}

// decode reads one JSON value and nothing else; every refusal names the field.
func decode(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		return ops.Advise(fault.New(fault.Invalid, "the body is empty"), "send a JSON object")
	case errors.As(err, &typ):
		return ops.Advise(fault.Field(typ.Field, "must be %s, not a %s", human(typ.Type), typ.Value), "see docs/api/openapi.yaml for its form")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		name := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return ops.Advise(fault.Field(name, "is not a field of this request"), "remove it, or check its spelling")
	default:
		return ops.Advise(fault.Wrap(fault.Invalid, err, "the body is not usable JSON: %v", err), "send one JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return ops.Advise(fault.New(fault.Invalid, "the body is followed by more text"), "send one JSON object")
	}
	return nil
}

func human(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Float32:
		return "a number"
	}
	return "an object"
}

func (s *server) strictQuery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := map[string]bool{}
		if t := queries[r.Pattern]; t != nil {
			for i := range t.NumField() {
				name, _, _ := strings.Cut(t.Field(i).Tag.Get("form"), ",")
				known[name] = true
			}
		}
		for name := range r.URL.Query() {
			if !known[name] {
				s.refuse(w, r, ops.Advise(fault.Field(name, "is not a parameter of this request"), "remove it, or check its spelling"))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
