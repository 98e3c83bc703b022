package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this program: the test binary plays fertig under that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fertig": main})
}

func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("REPO", root)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NOW", time.Now().Format(time.RFC3339))
			return prepare(root, e.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "waitfor": waitFor, "eventually": eventually},
	})
}

// prepare writes the annotated example with free ports and an order book, and a file of reports from today.
func prepare(root, dir string) error {
	example, err := os.ReadFile(filepath.Join(root, "deployments", "fertig.example.yaml"))
	if err != nil {
		return err
	}
	text := strings.NewReplacer("127.0.0.1:8780", "127.0.0.1:0", "127.0.0.1:8790", "127.0.0.1:0",
		"# scenario: services/amazonsim/scenarios/rehearsal.yaml", "scenario: orders.yaml").Replace(string(example))
	reports := "account;amazonOrderId;shippedAt;carrier;trackingNumber\n" +
		"DE;302-0000000-0000002;" + time.Now().Add(-time.Hour).Format(time.RFC3339) + ";Kurier Müller;KM12345\n" +
		"DE;302-17;" + time.Now().Format(time.DateOnly) + ";DHL;00340434161094042557\n"
	return errors.Join(os.WriteFile(filepath.Join(dir, "fertig.yaml"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(dir, "reports.csv"), []byte(reports), 0o600))
}

// exits runs a command and compares its exit code: exits 5 fertig orders show 302-1234567-1234567.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = err.Error()
	}
	if got != "exit status "+args[0] && !(args[0] == "0" && err == nil) {
		ts.Fatalf("%v: %s, want %s", args[1:], got, args[0])
	}
}

// poll waits until a condition holds, for at most half a minute.
func poll(ts *testscript.TestScript, what string, done func() bool) {
	late := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-late:
			ts.Fatalf("not within half a minute: %s", what)
		case <-tick.C:
		}
	}
}

// waitFor waits until a file is there.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	poll(ts, args[0], func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// eventually repeats a command until its output matches: a list may be a moment behind.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND...")
	}
	pattern, err := regexp.Compile(args[0])
	ts.Check(err)
	poll(ts, args[0], func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout"))
	})
}
