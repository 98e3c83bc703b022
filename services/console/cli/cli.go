package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/fertig-project/fertig/services/console/client"
	"github.com/fertig-project/fertig/shared/fault"
)

// DefaultDataDir is where fertig up keeps its data, and leaves address and token for the commands.
const DefaultDataDir = "fertig-data"

// Env is what the commands get from the process they run in.
type Env struct {
	Getenv func(string) string
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Now    func() time.Time
	HTTP   *http.Client // nil: the default, without a limit on the whole call: following a run takes as long as it takes

	Version string
}

// Access is what ClientFile holds: where the installation is, and a token for it.
type Access struct {
	URL   string `json:"url"`
	Token string `json:"token"`
}

// ClientFile is the file in a data directory that holds Access, readable by its owner only.
func ClientFile(dataDir string) string { return filepath.Join(dataDir, "client.json") }

// app is one invocation: the environment and the global flags.
type app struct {
	Env
	url, token, dataDir, output string
}

// Add puts the commands and the global flags on root.
func Add(root *cobra.Command, env Env) {
	a := &app{Env: env}
	f := root.PersistentFlags()
	f.StringVar(&a.url, "url", "", "address of the console (or FERTIG_URL; default: what the data directory says)")
	f.StringVar(&a.token, "token", "", "token for it (or FERTIG_TOKEN, which other people on this machine cannot see)")
	f.StringVar(&a.dataDir, "data-dir", "", "data directory of a running fertig up or demo (or FERTIG_DATA_DIR; default "+DefaultDataDir+")")
	f.StringVarP(&a.output, "output", "o", "text", "text, or json for programs")
	root.AddGroup(&cobra.Group{ID: "api", Title: "Work with a running installation:"})
	for _, c := range []*cobra.Command{
		a.orders(), a.runs(), a.replay(), a.exclude(), a.include(), a.close(), a.ship(), a.imports(),
		a.accounts(), a.messages(), a.rebuild(), a.doctor(), a.version(),
	} {
		c.GroupID = "api"
		root.AddCommand(c)
	}
}

func (a *app) printer() (Printer, error) {
	switch a.output {
	case "text", "json":
		return Printer{Out: a.Out, Err: a.Err, JSON: a.output == "json"}, nil
	}
	return Printer{}, Usage(fault.Field("--output", "%q must be text or json", a.output))
}

// access finds address and token: flag, then environment, then the data directory.
func (a *app) access() (Access, error) {
	got := Access{URL: first(a.url, a.Getenv("FERTIG_URL")), Token: first(a.token, a.Getenv("FERTIG_TOKEN"))}
	if got.URL != "" && got.Token != "" {
		return got, nil
	}
	path := ClientFile(first(a.dataDir, a.Getenv("FERTIG_DATA_DIR"), DefaultDataDir))
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return got, fault.New(fault.Unavailable, "no installation found: %s is not there: start fertig up, or give --url and FERTIG_TOKEN, or --data-dir", path)
	}
	if err != nil {
		return got, fault.Wrap(fault.Invalid, err, "read %s", path)
	}
	var file Access
	if err := json.Unmarshal(data, &file); err != nil {
		return got, fault.Wrap(fault.Invalid, err, "read %s", path)
	}
	// A token is never sent to another address than the one it was written for.
	if got.URL != "" && got.URL != file.URL {
		return got, fault.New(fault.Forbidden, "no token for %s: give FERTIG_TOKEN", got.URL)
	}
	return Access{URL: file.URL, Token: first(got.Token, file.Token)}, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// call is one command's way to the API and to the screen.
type call struct {
	*app
	Printer
	api client.ClientInterface
	at  Access
}

// run makes a cobra command's function of one that talks to the API.
func (a *app) run(do func(cmd *cobra.Command, c call, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p, err := a.printer()
		if err != nil {
			return err
		}
		at, err := a.access()
		if err != nil {
			return err
		}
		api, err := connect(at, a.HTTP)
		if err != nil {
			return err
		}
		return do(cmd, call{app: a, Printer: p, api: api, at: at}, args)
	}
}

// args wraps cobra's checks so that their errors count as wrong usage and show an example.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return Usage(fmt.Errorf("%s: %w: see %s --help", cmd.CommandPath(), err, cmd.CommandPath()))
		}
		return nil
	}
}

func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	g.AddCommand(commands...)
	return g
}
