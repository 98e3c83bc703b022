// Command page writes docs/outcomes.md from the catalogue, so that what a person reads is what the program does. It guarantees
// that every row is on the page in its order of precedence, and that the page is the same for the same catalogue. It is
// run by go generate and by nothing else.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/fertig-project/fertig/shared/outcome"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: page FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], page(outcome.All()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "page:", err)
		os.Exit(1)
	}
}

const head = `<!-- Written by go generate from shared/outcome: change the catalogue there. -->
# What Amazon's answers mean

Every answer, and every request that got none, matches one of these %d rows: the first from above whose status, code and words fit.
Amazon's own text is always shown beside the remedy, word for word. Identifiers and numbers aside, answers with the same row and
the same text are one problem; one that causes 20 of the last 30 answers is held for the rest of the run.

`

var operations = []struct {
	op    outcome.Operation
	title string
}{
	{"", "Any request about an order"},
	{outcome.Confirm, "Confirming a shipment"},
	{outcome.Read, "Reading an order back"},
	{outcome.Token, "Signing in (Login with Amazon)"},
}

// becomes is what each class makes of the shipment, in the words of the console.
var becomes = []struct {
	class outcome.Class
	text  string
}{
	{outcome.OK, "Confirmed (a reading: its order is known)."},
	{outcome.Already, "Unclear, and read back from Amazon: confirmed if it is shipped there, else deferred as rejected."},
	{outcome.Throttled, "As it was: the quota slows down and it is sent again. Refused four times in one run: deferred, *throttled*."},
	{outcome.Retry, "Deferred, *temporary problem*; the next run sends it first. What never left is tried again in the same run."},
	{outcome.Ambiguous, "Unclear: Amazon is asked before anything is sent again."},
	{outcome.Auth, "As it was: the access token is renewed and it is sent again. If the renewed one is refused, too, and nothing was let in between, the connection is halted; an order that alone is refused four times in one run is deferred, *temporary problem*."},
	{outcome.Account, "As it was. The connection is halted: nothing is sent but a probe now and then, and a run follows by itself when Amazon lets it in again."},
	{outcome.Data, "Deferred, *rejected*: somebody corrects the field or the mapping."},
	{outcome.Order, "Unclear, and read back from Amazon: the order itself may be cancelled or shipped."},
	{outcome.Skip, "Not required."},
	{outcome.Unknown, "Deferred, *rejected*: an operator reads Amazon's text."},
}

var effects = map[outcome.Effect]string{outcome.Success: "healthy", outcome.Failure: "failure", outcome.Excluded: "does not count"}

func page(rules []outcome.Rule) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, head, len(rules))
	b.WriteString("| class | what becomes of the shipment |\n|---|---|\n")
	for _, c := range becomes {
		fmt.Fprintf(&b, "| %s | %s |\n", c.class, c.text)
	}
	for _, o := range operations {
		fmt.Fprintf(&b, "\n## %s\n\n| row | answer | class | for the breaker | counts as attempt | correct | Was zu tun ist | what to do |\n|---|---|---|---|---|---|---|---|\n", o.title)
		for _, r := range rules {
			if r.Operation == o.op {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.ID, answer(r), r.Class, effects[r.Breaker], attempt(r), r.Field, r.Remedy.DE, r.Remedy.EN)
			}
		}
	}
	return b.Bytes()
}

func attempt(r outcome.Rule) string {
	if r.BurnsAttempt {
		return "yes"
	}
	return "no"
}

// answer is what a row matches.
func answer(r outcome.Rule) string {
	var parts []string
	switch {
	case r.Status == outcome.AnyStatus:
		parts = append(parts, "any status")
	case r.Status == 0:
		parts = append(parts, "no answer")
	case r.Status <= 5:
		parts = append(parts, fmt.Sprintf("%dxx", r.Status))
	default:
		parts = append(parts, fmt.Sprint(r.Status))
	}
	if r.Code != "" {
		parts = append(parts, "`"+r.Code+"`")
	}
	for _, f := range r.Fragments {
		parts = append(parts, "“"+strings.ReplaceAll(f, "|", `\|`)+"”")
	}
	return strings.Join(parts, " ")
}
