package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/fertig-project/fertig/shared/fault"
	"github.com/fertig-project/fertig/shared/job"
)

// maxLive bounds the pages that are kept fresh at once.
const maxLive = 500

// How often a page is told, and how long after a change it is told again: messages and run logs follow a little later.
const (
	beat  = time.Second
	echo  = 4  // beats
	quiet = 15 // beats without a change until a sign of life
)

// listen tells an open page whenever what it shows may have changed. The page then fetches itself.
func (c *call) listen() error {
	select {
	case c.live <- struct{}{}:
		defer func() { <-c.live }()
	default:
		return fault.New(fault.Unavailable, "%d pages are kept fresh already", maxLive)
	}
	out := http.NewResponseController(c.w)
	_ = out.SetWriteDeadline(time.Time{}) // the connection is meant to stay open; not every writer has a deadline
	c.w.Header().Set("Content-Type", "text/event-stream")
	c.w.Header().Set("X-Accel-Buffering", "no")
	if _, err := fmt.Fprint(c.w, "retry: 3000\n\n"); err != nil || out.Flush() != nil {
		return nil // the visitor has gone
	}
	ctx, cancel := context.WithCancel(c.ctx())
	moved, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		err := c.cfg.Ops.Progress(ctx, c.who, "", func(job.Progress) {
			select {
			case moved <- struct{}{}:
			default:
			}
		})
		if err != nil {
			c.cfg.Logger.WarnContext(ctx, "progress not heard", "error", err)
		}
	}()
	defer func() { cancel(); <-ended }()
	return c.pulse(ctx, out, moved)
}

func (c *call) pulse(ctx context.Context, out *http.ResponseController, moved <-chan struct{}) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	last, _ := c.cfg.Seen(ctx)
	for left, silent := 0, 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := c.cfg.Sessions.Session(c.r); err != nil {
			return nil // the session has ended; the page's next request leads to the login
		}
		changed := false
		select {
		case <-moved:
			changed = true
		default:
		}
		if at, err := c.cfg.Seen(ctx); err == nil && at != last {
			last, changed = at, true
		}
		text := ""
		switch {
		case changed:
			left, text = echo, "event: changed\ndata: 1\n\n"
		case left > 0:
			if left--; left == 0 {
				text = "event: changed\ndata: 1\n\n"
			}
		case silent >= quiet:
			text = ": still here\n\n"
		}
		silent++
		if text == "" {
			continue
		}
		silent = 0
		if _, err := fmt.Fprint(c.w, text); err != nil || out.Flush() != nil {
			return nil
		}
	}
}
