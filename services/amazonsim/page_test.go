package amazonsim_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/amazonsim"
)

// Whoever rehearses from another language has only the page: its commands are run here, in its order, on a simulator with its
// seed whose clock stands at the page's time, and must answer what it says.

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources are the package's files without its tests.
func sources(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range append(names, "cmd/amazonsim/main.go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestPageNamesEverything(t *testing.T) {
	text, code := page(t), sources(t)
	names := map[string]string{}
	for what, pattern := range map[string]string{
		"fault kind": `FaultKind = "([a-z-]+)"`, "operation": `Op[A-Za-z]+ += "([A-Za-z]+)"`, "text": ` Text = "([A-Za-z]+)"`,
		"flag": `flags\.[A-Z]\w+\("([a-z]+)"`, "status": ` Status = "([A-Z_]+)"`,
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(code, -1)
		if len(found) < 4 {
			t.Fatalf("%s: only %v found: the pattern no longer fits", what, found)
		}
		for _, m := range found {
			names[m[1]] = what
		}
	}
	for _, of := range []any{amazonsim.Scenario{}, amazonsim.Account{}, amazonsim.Generate{}, amazonsim.Quota{}, amazonsim.Fault{}, amazonsim.Order{},
		amazonsim.Item{}, amazonsim.Package{}, amazonsim.Call{}, amazonsim.Counts{}} {
		for kind, i := reflect.TypeOf(of), 0; i < kind.NumField(); i++ {
			name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			names[name] = "field of " + kind.Name()
		}
	}
	for name, what := range names {
		if what == "flag" {
			name = "--" + name
		}
		// In backquotes or in quotation marks, alone or with a value: an ordinary word of a sentence does not count.
		if !regexp.MustCompile("[`\"]" + regexp.QuoteMeta(name) + "[`\": ]").MatchString(text) {
			t.Errorf("docs/simulator.md does not tell of the %s %s", what, name)
		}
	}
}

func TestPageTellsTheTruth(t *testing.T) {
	hosts := map[string]*bench{"http://127.0.0.1:8790": newPageBench(t, false), "http://127.0.0.1:8791": newPageBench(t, true)}
	served := http.NewServeMux()
	left := map[string]bool{}
	for _, m := range regexp.MustCompile(`HandleFunc\("((?:[A-Z]+ )?/[^"]+)"`).FindAllStringSubmatch(sources(t), -1) {
		served.HandleFunc(m[1], func(http.ResponseWriter, *http.Request) {})
		left[m[1]] = true
	}
	if len(left) < 15 {
		t.Fatalf("only %d routes found: the pattern no longer fits", len(left))
	}
	vars := map[string]string{"A": "http://127.0.0.1:8790", "S": "http://127.0.0.1:8791"}
	for _, e := range examples(page(t)) {
		r, to := curl(t, e.command, vars)
		got := httptest.NewRecorder()
		hosts[to].sim.ServeHTTP(got, r)
		_, pattern := served.Handler(r)
		delete(left, pattern)
		if r.URL.Path == "/auth/o2/token" && got.Code == http.StatusOK {
			vars["T"] = accessToken(t, got)
		}
		if problem := e.differs(got); problem != "" {
			t.Errorf("docs/simulator.md, %s\n%s\ngot %d %v\n%s", e.command, problem, got.Code, got.Header(), got.Body)
		}
	}
	for pattern := range left {
		t.Errorf("docs/simulator.md has no example of %s", pattern)
	}
}

// newPageBench is a simulator as the page starts it.
func newPageBench(t *testing.T, sandbox bool) *bench {
	t.Helper()
	c := newClock()
	sim, err := amazonsim.New(amazonsim.Options{Scenario: amazonsim.Scenario{Sandbox: sandbox}, Seed: 1, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, sim: sim, clock: c}
	b.login() // as the page's shell function does, so that counts and request ids are those a reader sees
	return b
}

// example is a block with a command in it, and the block after it, which is the answer.
type example struct {
	command string
	kind    string // "json": a body with status 200; "http": a status line, headers and perhaps a body
	answer  string
}

var fenced = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// examples are the page's blocks that begin with curl. What begins otherwise is for the reader's shell alone.
func examples(text string) (all []example) {
	blocks := fenced.FindAllStringSubmatch(text, -1)
	for i, b := range blocks {
		if b[1] != "sh" || !strings.HasPrefix(b[2], "curl ") {
			continue
		}
		e := example{command: strings.ReplaceAll(b[2], "\\\n", " ")}
		if i+1 < len(blocks) {
			e.kind, e.answer = blocks[i+1][1], blocks[i+1][2]
		}
		all = append(all, e)
	}
	return all
}

var word = regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`)

// curl is the request that a command sends, and the base URL it is sent to.
func curl(t *testing.T, command string, vars map[string]string) (*http.Request, string) {
	t.Helper()
	method, target, header, form := "", "", http.Header{"User-Agent": {"curl/8"}}, []string{}
	words := word.FindAllStringSubmatch(command, -1)[1:]
	text := func(i int) string {
		if words[i][1] != "" || strings.HasPrefix(words[i][0], "'") {
			return words[i][1]
		}
		return os.Expand(words[i][2]+words[i][3], func(name string) string { return vars[name] })
	}
	for i := 0; i < len(words); i++ {
		switch option := text(i); option {
		case "-s", "-si":
			continue
		case "-X":
			method = text(i + 1)
		case "-H":
			name, value, _ := strings.Cut(text(i+1), ": ")
			header.Set(name, value)
		case "-d":
			form = append(form, text(i+1))
		case "--data-urlencode":
			name, value, _ := strings.Cut(text(i+1), "=")
			form = append(form, name+"="+url.QueryEscape(value))
		default:
			if target != "" {
				t.Fatalf("docs/simulator.md: one command a block, not %q in %s", option, command)
			}
			target = option
			continue
		}
		i++
	}
	if len(form) > 0 && method == "" {
		method = http.MethodPost
	}
	to, err := url.Parse(target)
	if err != nil || to.Host == "" {
		t.Fatalf("docs/simulator.md: no address in %s: %v", command, err)
	}
	r := httptest.NewRequest(cmp.Or(method, http.MethodGet), target, strings.NewReader(strings.Join(form, "&")))
	if r.Header = header; len(form) > 0 && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.RemoteAddr = "127.0.0.1:5555"
	return r, to.Scheme + "://" + to.Host
}

// differs says how an answer is not the page's, or "".
func (e example) differs(got *httptest.ResponseRecorder) string {
	want, status := e.answer, "200 OK"
	switch e.kind {
	case "http":
		head, rest, _ := strings.Cut(e.answer, "\n\n")
		lines := strings.Split(strings.TrimSpace(head), "\n")
		want, status = rest, strings.TrimPrefix(lines[0], "HTTP/1.1 ")
		for _, line := range lines[1:] {
			if name, value, _ := strings.Cut(line, ": "); !same(value, got.Header().Get(name)) {
				return fmt.Sprintf("the page says %s", line)
			}
		}
	case "json":
	default:
		return "no answer is shown"
	}
	if status != fmt.Sprintf("%d %s", got.Code, http.StatusText(got.Code)) {
		return "the page says " + status
	}
	if strings.TrimSpace(want) == strings.TrimSpace(got.Body.String()) {
		return ""
	}
	var shown, body any
	if err := json.Unmarshal([]byte(want), &shown); err != nil {
		return fmt.Sprintf("the page's answer is no JSON: %v", err)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &body); err != nil || !same(shown, body) {
		return "the page says " + want
	}
	return ""
}

// same compares what the page shows with what came; an ellipsis in a text stands for what the page leaves out of it.
func same(shown, got any) bool {
	switch shown := shown.(type) {
	case string:
		text, ok := got.(string)
		before, after, cut := strings.Cut(shown, "…")
		return ok && (shown == text || cut && strings.HasPrefix(text, before) && strings.HasSuffix(text, after))
	case map[string]any:
		object, ok := got.(map[string]any)
		for name, value := range shown {
			if other, there := object[name]; !there || !same(value, other) {
				return false
			}
		}
		return ok && len(object) == len(shown)
	case []any:
		list, ok := got.([]any)
		for i := range shown {
			if i >= len(list) || !same(shown[i], list[i]) {
				return false
			}
		}
		return ok && len(list) == len(shown)
	}
	return shown == got
}
