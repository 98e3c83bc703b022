package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/redistest"
)

func TestSpecificationIsSound(t *testing.T) {
	doc := loadSpec(t).doc
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			if role, _ := op.Extensions["x-role"].(string); strings.HasPrefix(path, "/api/") && role != "viewer" && role != "operator" && role != "support" {
				t.Errorf("%s does not say which role it needs", name)
			}
			if op.RequestBody != nil && op.RequestBody.Value.Content.Get("application/json").Example == nil {
				t.Errorf("%s has no example of its body", name)
			}
			for status, r := range op.Responses.Map() {
				for mime, media := range r.Value.Content {
					if media.Example == nil {
						t.Errorf("%s has no example of its answer %s as %s", name, status, mime)
					}
				}
			}
		}
	}
}

// Every operation is refused to nobody, to each role below its own, and to nobody else.
func TestRolesOverAllOperations(t *testing.T) {
	b := start(t, redistest.Mini(t))
	roles := []struct{ name, token string }{{"viewer", viewer}, {"operator", operator}, {"support", support}}
	rank := map[string]int{"viewer": 0, "operator": 1, "support": 2}
	n := 0
	for path, item := range b.spec.doc.Paths.Map() {
		for method, op := range item.Operations() {
			need, _ := op.Extensions["x-role"].(string)
			if need == "" {
				continue
			}
			n++
			body := ""
			if op.RequestBody != nil {
				text, err := json.Marshal(op.RequestBody.Value.Content.Get("application/json").Example)
				b.must(err)
				body = string(text)
			}
			target := strings.NewReplacer("{connection}", "EU", "{order}", order(1), "{package}", "1", "{id}", "EU").Replace(path)
			if status, e := b.send(method, target, "", body); status != http.StatusUnauthorized || e.Remedy == nil {
				t.Errorf("%s %s without a token: %d %+v, want 401 with a remedy", method, path, status, e)
			}
			for _, r := range roles {
				status, e := b.send(method, target, r.token, body)
				if refused := status == http.StatusForbidden; refused != (rank[r.name] < rank[need]) || refused && (e.Remedy == nil || e.Code != client.ErrorCodeForbidden) {
					t.Errorf("%s %s as %s: %d %+v, but it needs %s", method, path, r.name, status, e, need)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d operations were tried", n)
	}
}

// Every operation refuses parameters and fields it does not have: a misspelt one is not silently without effect.
func TestNothingUnknownIsTaken(t *testing.T) {
	b := start(t, redistest.Mini(t))
	for path, item := range b.spec.doc.Paths.Map() {
		for method, op := range item.Operations() {
			if _, ours := op.Extensions["x-role"]; !ours {
				continue
			}
			target := strings.NewReplacer("{connection}", "EU", "{order}", order(1), "{package}", "1", "{id}", "EU").Replace(path)
			query, body := "?strange=1", ""
			if op.RequestBody != nil {
				query, body = "", `{"strange":1}`
			}
			if status, e := b.send(method, target+query, support, body); status != http.StatusBadRequest || val(e.Field) != "strange" {
				t.Errorf("%s %s: %d %+v, want 400 for the field strange", method, path, status, e)
			}
		}
	}
}

// send makes a request by hand and returns its status and error body.
func (b *bed) send(method, path, token, body string) (int, client.Error) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.ctx, method, "http://"+b.svc.Addr().String()+path, strings.NewReader(body))
	b.must(err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	b.must(err)
	defer resp.Body.Close()
	var e client.Error
	if resp.StatusCode >= 400 {
		if err := json.NewDecoder(resp.Body).Decode(&e); err != nil {
			b.t.Errorf("%s %s answers %d without an error body: %v", method, path, resp.StatusCode, err)
		}
	}
	return resp.StatusCode, e
}

func TestProbesNeedNoToken(t *testing.T) {
	b := start(t, redistest.Mini(t))
	c := b.api("")
	ready, err := c.GetReadinessWithResponse(b.ctx)
	b.must(err)
	if ready.JSON200 == nil || (*ready.JSON200.Checks)["redis"] != "ok" || (*ready.JSON200.Checks)["nats"] != "ok" {
		t.Errorf("ready: %d %s", ready.StatusCode(), ready.Body)
	}
	alive, err := c.GetHealthWithResponse(b.ctx)
	b.must(err)
	if alive.StatusCode() != http.StatusOK {
		t.Errorf("health: %s", alive.Body)
	}
}

func TestHeadersAndForeignPages(t *testing.T) {
	b := start(t, redistest.Mini(t))
	for _, path := range []string{"/", "/healthz", "/api/v1/version", "/api/nothing"} {
		resp, err := http.Get(fmt.Sprintf("http://%s%s", b.svc.Addr(), path))
		b.must(err)
		resp.Body.Close()
		for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
			if resp.Header.Get(h) == "" {
				t.Errorf("%s lacks the header %s", path, h)
			}
		}
	}
	req, err := http.NewRequestWithContext(b.ctx, http.MethodPost, fmt.Sprintf("http://%s/api/v1/runs", b.svc.Addr()), strings.NewReader("{}"))
	b.must(err)
	req.Header.Set("Authorization", "Bearer "+operator)
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	resp, err := http.DefaultClient.Do(req)
	b.must(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign page's request: %d, want 403", resp.StatusCode)
	}
}
