// Storybook serves every state of the console's pages on the loopback interface, without a backend. It is for people who
// work on the pages: nothing of it is linked into a product binary. Usage: go run ./internal/web/cmd/storybook [address].
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/fertig-project/fertig/services/console/internal/web/page"
	"github.com/fertig-project/fertig/services/console/internal/web/storybook"
)

func main() {
	address := "127.0.0.1:8099"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := serve(address); err != nil {
		fmt.Fprintln(os.Stderr, "storybook:", err)
		os.Exit(1)
	}
}

func serve(address string) error {
	assets, err := page.NewAssets()
	if err != nil {
		return err
	}
	renderer, err := page.NewRenderer(assets)
	if err != nil {
		return err
	}
	fmt.Println("http://" + address)
	s := http.Server{Addr: address, Handler: storybook.Handler(renderer, assets), ReadHeaderTimeout: 5 * time.Second}
	return s.ListenAndServe()
}
