package event_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/stream"
)

const docs = "../../docs/events"

// compile loads the published schemas by event type.
func compile(t testing.TB) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	files, err := filepath.Glob(filepath.Join(docs, "*.schema.json"))
	if err != nil || len(files) != 5 {
		t.Fatalf("schemas: %v, %v", files, err)
	}
	const base = "https://github.com/fertig-project/fertig/docs/events/"
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if err := c.AddResource(base+filepath.Base(f), doc); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]*jsonschema.Schema{}
	for typ, name := range map[string]string{event.TypeShipped: "shipped", event.TypeAmended: "amended", event.TypeWithdrawn: "withdrawn", event.TypeKnown: "known"} {
		s, err := c.Compile(base + name + ".v1.schema.json")
		if err != nil {
			t.Fatal(err)
		}
		out[typ] = s
	}
	return out
}

func valid(t testing.TB, schemas map[string]*jsonschema.Schema, typ string, doc []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas[typ].Validate(v); err != nil {
		t.Fatalf("%s\n%v", doc, err)
	}
}

func TestAsyncAPI(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(docs, "asyncapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		AsyncAPI string
		Channels map[string]struct {
			Address  string
			Messages map[string]struct {
				Ref string `yaml:"$ref"`
			}
		}
		Components struct {
			Messages map[string]struct {
				Name    string
				Payload struct {
					Ref string `yaml:"$ref"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(b, &api); err != nil {
		t.Fatal(err)
	}
	if want := stream.ShippedSubject("{connection}"); api.AsyncAPI != "3.0.0" || api.Channels["shipped"].Address != want {
		t.Fatalf("version %s, channel %+v, want the address %s", api.AsyncAPI, api.Channels["shipped"], want)
	}
	types := map[string]bool{event.TypeShipped: true, event.TypeAmended: true, event.TypeWithdrawn: true, event.TypeKnown: true}
	for id, m := range api.Components.Messages {
		if !types[m.Name] || api.Channels["shipped"].Messages[id].Ref != "#/components/messages/"+id {
			t.Errorf("message %s is named %q", id, m.Name)
		}
		if _, err := os.Stat(filepath.Join(docs, m.Payload.Ref)); err != nil || !strings.Contains(m.Name, "."+strings.SplitN(filepath.Base(m.Payload.Ref), ".", 2)[0]+".") {
			t.Errorf("message %s points to %s: %v", id, m.Payload.Ref, err)
		}
		delete(types, m.Name)
	}
	if len(types) > 0 {
		t.Errorf("not described: %v", types)
	}
}
