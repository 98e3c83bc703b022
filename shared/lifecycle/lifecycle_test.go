package lifecycle_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/fertig-project/fertig/shared/lifecycle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func untilDone(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func TestCallersContextIsACleanStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	g := lifecycle.New(ctx, time.Second)
	g.Go("a", untilDone)
	g.Go("b", untilDone)
	cancel()
	if err := g.Wait(); err != nil {
		t.Fatalf("clean stop returned %v", err)
	}
}

func TestFirstFailureStopsAllAndComesFirst(t *testing.T) {
	boom, worse := errors.New("boom"), errors.New("cannot close")
	g := lifecycle.New(t.Context(), time.Second)
	var order []string
	for _, n := range []string{"first", "second", "third"} {
		g.OnStop(n, func(context.Context) error {
			order = append(order, n)
			if n == "second" {
				return worse
			}
			return nil
		})
	}
	g.Go("patient", untilDone)
	g.Go("weak", func(context.Context) error { return boom })
	err := g.Wait()
	if !errors.Is(err, boom) || !errors.Is(err, worse) {
		t.Fatalf("want both errors, got %v", err)
	}
	if want := "weak: boom\nstop second: cannot close"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !slices.Equal(order, []string{"third", "second", "first"}) {
		t.Errorf("teardown ran in order %v", order)
	}
	if again := g.Stop(); !errors.Is(again, boom) || len(order) != 3 {
		t.Errorf("second stop: %v after %d teardowns", again, len(order))
	}
}

func TestQuietEndIsAFailure(t *testing.T) {
	g := lifecycle.New(t.Context(), time.Second)
	g.Go("loop", func(context.Context) error { return nil })
	if err := g.Wait(); !errors.Is(err, lifecycle.ErrEnded) || !strings.HasPrefix(err.Error(), "loop: ") {
		t.Fatalf("got %v", err)
	}
}

func TestOneDeadlineForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g := lifecycle.New(ctx, 10*time.Second)
		release := make(chan struct{})
		for _, n := range []string{"stuck", "stuck too"} {
			g.Go(n, func(context.Context) error { <-release; return nil })
		}
		var left time.Duration
		g.OnStop("connection", func(ctx context.Context) error {
			d, _ := ctx.Deadline()
			left = time.Until(d)
			return nil
		})
		began := time.Now()
		cancel()
		err := g.Wait()
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("stopping took %s, want the one deadline of 10s", took)
		}
		if err == nil || !strings.Contains(err.Error(), "stuck: still running") || !strings.Contains(err.Error(), "stuck too: still running") {
			t.Errorf("both stuck parts must be named: %v", err)
		}
		if left > 0 {
			t.Errorf("teardown had %s left, want nothing", left)
		}
		close(release)
		synctest.Wait()
	})
}

func TestServeDrainsAndCuts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered := make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // a stream that never ends by itself
	})
	ctx, cancel := context.WithCancel(t.Context())
	g := lifecycle.New(ctx, 5*time.Second)
	g.Go("http", lifecycle.Serve(ln, h, 50*time.Millisecond))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan error, 1)
	go func() {
		res, err := client.Get("http://" + ln.Addr().String())
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		answered <- err
	}()
	<-entered
	cancel()
	if err := g.Wait(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-answered; err == nil {
		t.Error("the endless request must have been cut")
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}
