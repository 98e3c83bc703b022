package contract

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

//go:embed model/amazon.json
var amazonJSON []byte

// Model is Amazon's word on the operations that Fertig uses. It is safe for concurrent use.
type Model struct {
	router     routers.Router
	operations []string
}

// LoadModel reads the transcribed models.
func LoadModel() (*Model, error) {
	doc, err := openapi3.NewLoader().LoadFromData(amazonJSON)
	if err != nil {
		return nil, fmt.Errorf("read Amazon's models: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("read Amazon's models: %w", err)
	}
	r, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("read Amazon's models: %w", err)
	}
	m := &Model{router: r}
	for _, path := range doc.Paths.Map() {
		for _, op := range path.Operations() {
			m.operations = append(m.operations, op.OperationID)
		}
	}
	slices.Sort(m.operations)
	return m, nil
}

// Exchange is a request with its answer. Status 0 means that none came.
type Exchange struct {
	Request *http.Request // its body is not read
	Body    []byte
	Status  int
	Header  http.Header
	Answer  []byte
}

var options = &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, IncludeResponseStatus: true}

// Request says which operation a request is and what is wrong with it.
func (m *Model) Request(e Exchange) (operation string, problems []string) {
	in, err := m.input(e)
	if err != nil {
		return "", []string{fmt.Sprintf("%s %s is no operation of the models: %v", e.Request.Method, e.Request.URL.Path, err)}
	}
	op := in.Route.Operation
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
		problems = append(problems, oneLine(err))
	}
	for name := range e.Request.URL.Query() {
		if op.Parameters.GetByInAndName("query", name) == nil {
			problems = append(problems, fmt.Sprintf("the parameter %s is not in the model", name))
		}
	}
	if op.OperationID != "token" {
		problems = append(problems, headers(e.Request.Header)...)
	}
	return op.OperationID, problems
}

// headers checks what Amazon's guides demand of every call, which the models leave out.
func headers(h http.Header) (problems []string) {
	if h.Get("X-Amz-Access-Token") == "" {
		problems = append(problems, "x-amz-access-token is missing")
	}
	if agent := h.Get("User-Agent"); agent == "" || len(agent) > 500 || !strings.Contains(agent, "(Language=") {
		problems = append(problems, fmt.Sprintf("the user-agent %q has not the form Amazon demands", agent))
	}
	return problems
}

// Response says what is wrong with an answer.
func (m *Model) Response(e Exchange) (problems []string) {
	in, err := m.input(e)
	if err != nil || e.Status == 0 {
		return nil
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: e.Status, Header: e.Header,
		Body: io.NopCloser(bytes.NewReader(e.Answer)), Options: options})
	if err != nil {
		problems = append(problems, oneLine(err))
	}
	declared := in.Route.Operation.Responses.Status(e.Status)
	if declared == nil || declared.Value == nil {
		return problems
	}
	if len(declared.Value.Content) == 0 && len(e.Answer) > 0 {
		problems = append(problems, fmt.Sprintf("%d has a body of %d bytes, the model declares none", e.Status, len(e.Answer)))
	}
	allowed := slices.Collect(maps.Keys(declared.Value.Headers))
	for name := range e.Header {
		amazons := strings.HasPrefix(strings.ToLower(name), "x-amz") && !strings.EqualFold(name, "x-amzn-ErrorType") // observed with every refusal
		if amazons && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, name) }) {
			problems = append(problems, fmt.Sprintf("%d has the header %s, which the model does not declare", e.Status, name))
		}
	}
	return problems
}

func (m *Model) input(e Exchange) (*openapi3filter.RequestValidationInput, error) {
	r := e.Request.Clone(context.Background())
	r.Body = io.NopCloser(bytes.NewReader(e.Body))
	route, params, err := m.router.FindRoute(r)
	if err != nil {
		return nil, err
	}
	return &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}, nil
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
