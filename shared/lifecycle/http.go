package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Serve makes a part that serves HTTP on ln. When its context ends it takes no new requests, lets those under way finish
// for at most drain, and cuts the rest; streams that never end by themselves are cut too. It closes ln.
func Serve(ln net.Listener, h http.Handler, drain time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(ln) }()
		select {
		case err := <-ended:
			return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
		case <-ctx.Done():
		}
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		err := srv.Shutdown(draining)
		if errors.Is(err, context.DeadlineExceeded) {
			err = srv.Close()
		}
		<-ended
		return err
	}
}
