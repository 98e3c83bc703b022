package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// chrome starts a Chromium that talks to nobody but the pages under test.
func chrome(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatal("there is no Chromium to open the console with: run make deps")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocated, end := chromedp.NewExecAllocator(context.Background(), opts...)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		bounded, stop := context.WithTimeout(ctx, 10*time.Second)
		defer stop()
		if err := chromedp.Cancel(bounded); err != nil {
			t.Errorf("close the browser: %v", err)
		}
		cancel()
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// visitor is a person with cookies of their own at a window of their own.
type visitor struct {
	t    *testing.T
	ctx  context.Context
	base string
}

// visit opens a window. Everything done in it has to be done by the time given.
func visit(t *testing.T, browser context.Context, base string, end time.Time) *visitor {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1360, 900)); err != nil {
		t.Fatal(err)
	}
	bounded, stop := context.WithDeadline(ctx, end)
	t.Cleanup(stop)
	return &visitor{t: t, ctx: bounded, base: base}
}

// do makes the test fail with where the visitor was when something could not be done.
func (v *visitor) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, steps...); err != nil {
		v.fail(what, err)
	}
}

func (v *visitor) fail(what string, err error) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), 5*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href.split("#")[0] + "\n" + document.querySelector("main")?.innerText`))
	v.t.Fatalf("%s: %v\nat %s", what, err, at)
}

func (v *visitor) open(path string) {
	v.t.Helper()
	v.do("open "+path, chromedp.Navigate(v.base+path))
}

// test is the selector of an element named for tests.
func test(id string) string { return `[data-test="` + id + `"]` }

func (v *visitor) click(selector string) {
	v.t.Helper()
	v.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeEnabled))
}

// follow clicks on what leads to another page and waits for that page.
func (v *visitor) follow(selector string) {
	v.t.Helper()
	if _, err := chromedp.RunResponse(v.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeEnabled)); err != nil {
		v.fail("follow "+selector, err)
	}
}

func (v *visitor) see(selector string) {
	v.t.Helper()
	v.do("see "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

func (v *visitor) gone(selector string) {
	v.t.Helper()
	v.do("see "+selector+" no more", chromedp.WaitNotPresent(chromedp.CSS(selector)))
}

// write fills a field, whatever stood in it.
func (v *visitor) write(field, value string) {
	v.t.Helper()
	v.do("write into "+field, chromedp.Clear(chromedp.CSS(field)), chromedp.SendKeys(chromedp.CSS(field), value))
}

// until waits for a condition of the page.
func (v *visitor) until(js string) {
	v.t.Helper()
	if _, err := chromedp.Run(v.ctx, chromedp.Poll[bool](js, chromedp.WithPollingTimeout(0))); err != nil {
		v.fail("wait until "+js, err)
	}
}

// reads checks that an element shows a text.
func (v *visitor) reads(selector, want string) {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		v.fail("read "+selector, err)
	}
	if !strings.Contains(got, want) {
		v.t.Errorf("%s reads %q, want %q", selector, got, want)
	}
}

// ask evaluates JavaScript in the page.
func ask[T any](v *visitor, js string) T {
	v.t.Helper()
	got, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		v.fail(js, err)
	}
	return got
}
