package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fertig-project/fertig/shared/event"
	"github.com/fertig-project/fertig/shared/fault"
)

// edited is the full golden file with one value replaced; path is dotted, a nil value removes.
func edited(t testing.TB, path string, value any) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/shipped_full.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	keys := strings.Split(path, ".")
	var at any = doc
	for _, k := range keys[:len(keys)-1] {
		if l, ok := at.([]any); ok {
			at = l[0]
		} else {
			at = at.(map[string]any)[k]
		}
		if l, ok := at.([]any); ok {
			at = l[0]
		}
	}
	if m, last := at.(map[string]any), keys[len(keys)-1]; value == nil {
		delete(m, last)
	} else {
		m[last] = value
	}
	if b, err = json.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	return b
}

func fields(err error) []string {
	var out []string
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range j.Unwrap() {
			out = append(out, fields(e)...)
		}
		return out
	}
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Invalid {
		return []string{f.Field}
	}
	return []string{fmt.Sprintf("no fault: %v", err)}
}

func TestEveryProblemNamesItsField(t *testing.T) {
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		path  string
		value any
		field string
		text  string
	}{
		{"specversion", "0.3", "specversion", "1.0"},
		{"id", nil, "id", "is missing"},
		{"id", "a\nb", "id", "control characters"},
		{"id", long + long, "id", "200"},
		{"source", "", "source", "is missing"},
		{"type", "fertig.order.shipped.v2", "type", "is not known"},
		{"time", "yesterday", "time", "is not a time"},
		{"surprise", 1, "surprise", "is not known"},
		{"data.buyerName", "Erika Mustermann", "buyerName", "is not known"},
		{"data.items.price", 1, "price", "is not known"},
		{"data.account", nil, "account", "is missing"},
		{"data.account", "amz.de", "account", "capital letters"},
		{"data.account", 5, "account", "must not be a number"},
		{"data.connection", "EU MAIN", "connection", "capital letters"},
		{"data.amazonOrderId", "302-1234567", "amazonOrderId", "302-1234567-1234567"},
		{"data.packageReferenceId", "01", "packageReferenceId", "positive number"},
		{"data.packageReferenceId", 2, "packageReferenceId", "must not be a number"},
		{"data.shippedAt", nil, "shippedAt", "is missing"},
		{"data.shippedAt", "20.11.2026", "shippedAt", "is not a time"},
		{"data.shippedAt", "2026-11-20T14:03:00", "shippedAt", "is not a time"},
		{"data.shippedAt", 1763650000, "shippedAt", "is no text"},
		{"data.shippedAt", "0026-11-20", "shippedAt", "not plausible"},
		{"data.shipBy", "9999-12-31", "shipBy", "not plausible"},
		{"data.shipBy", "2026-02-30", "shipBy", "is not a time"},
		{"data.carrier", long, "carrier", "at most 50"},
		{"data.carrier", "DHL\n", "carrier", "control characters"},
		{"data.service", " Paket", "service", "blanks around it"},
		{"data.trackingNumber", "0034 0434", "trackingNumber", "blank inside"},
		{"data.reference", long, "reference", "at most 100"},
		{"data.source", nil, "source", "small letters"},
		{"data.source", "a.b", "source", "small letters"},
		{"data.labelSource", "mine", "labelSource", "own, amazon or unknown"},
		{"data.programs", slices.Repeat([]string{"P"}, 21), "programs", "at most 20"},
		{"data.programs", []string{"two words"}, "programs[0]", "one word"},
		{"data.items", slices.Repeat([]map[string]any{{"orderItemId": "1", "quantity": 1}}, 501), "items", "at most 500"},
		{"data.items", slices.Repeat([]map[string]any{{"orderItemId": "1", "quantity": 1}}, 2), "items[1].orderItemId", "occurs twice"},
		{"data.items.orderItemId", "", "items[0].orderItemId", "missing"},
		{"data.items.quantity", 0, "items[0].quantity", "between 1"},
		{"data.items.quantity", 1.5, "items.quantity", "must not be a number 1.5"},
		{"data.items.transparencyCodes", []string{""}, "items[0].transparencyCodes[0]", "one word"},
	} {
		t.Run(fmt.Sprintf("%s=%.20v", c.path, c.value), func(t *testing.T) {
			_, err := event.Decode(edited(t, c.path, c.value))
			if got := fields(err); !slices.Equal(got, []string{c.field}) {
				t.Fatalf("blamed %q, want %q: %v", got, c.field, err)
			}
			if !strings.Contains(err.Error(), c.text) {
				t.Fatalf("%v\ndoes not say %q", err, c.text)
			}
		})
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := event.Decode([]byte(`{"specversion":"2","id":"","source":"/x","type":"x","data":{"account":"de","amazonOrderId":"1",
		"packageReferenceId":"x","shippedAt":"now","trackingNumber":" 1 ","items":[{"orderItemId":"","quantity":0}],"source":""}}`))
	want := []string{"specversion", "id", "type", "account", "amazonOrderId", "packageReferenceId", "shippedAt", "trackingNumber", "trackingNumber",
		"items[0].orderItemId", "items[0].quantity", "source"}
	if got := fields(err); !slices.Equal(got, want) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

func TestWithdrawnNeedsLittle(t *testing.T) {
	b := []byte(`{"specversion":"1.0","id":"1","source":"/x","type":"` + event.TypeWithdrawn + `","data":{"account":"DE","amazonOrderId":"302-1234567-1234567","source":"api"}}`)
	e, err := event.Decode(b)
	if err != nil || e.Data.Package != "1" {
		t.Fatalf("%+v, %v", e, err)
	}
	out, err := event.Encode(e)
	if err != nil || strings.Contains(string(out), "0001-01-01") {
		t.Fatalf("an absent time was written: %s, %v", out, err)
	}
	_, err = event.Decode([]byte(strings.Replace(string(b), `"api"`, `""`, 1)))
	if got := fields(err); !slices.Equal(got, []string{"source"}) {
		t.Fatalf("without a door: %v", err)
	}
}

func TestUnusableBytes(t *testing.T) {
	full := edited(t, "id", "1")
	for name, c := range map[string]struct {
		in   []byte
		text string
	}{
		"empty":         {nil, "not usable JSON"},
		"half":          {full[:len(full)/2], "not usable JSON"},
		"array":         {[]byte("[]"), "cannot unmarshal array"},
		"two events":    {append(slices.Clone(full), full...), "one event per message"},
		"text after it": {append(slices.Clone(full), " x"...), "one event per message"},
		"too long":      {append(slices.Clone(full), slices.Repeat([]byte(" "), event.MaxBytes)...), "at most 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := event.Decode(c.in); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("%v does not say %q", err, c.text)
			}
		})
	}
	e := golden["shipped_full.json"]
	e.Data.Reference = strings.Repeat("x", event.MaxBytes)
	if _, err := event.Encode(e); !fault.Is(err, fault.Invalid) {
		t.Fatalf("encoded %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(edited(f, "data.shipBy", "2199-12-31T23:59:59-23:59"))
	f.Add(edited(f, "data.carrier", "\u2028<\u00e9\U0001f4e6>"))
	f.Add(edited(f, "data.shippedAt", nil))
	f.Add([]byte(`{"data":{"items":[{}]}}`))
	schemas := compile(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := event.Decode(in)
		if std, ok := slowly(in); ok != (err == nil) && len(in) <= event.MaxBytes {
			t.Fatalf("the standard reader takes it: %t; %v", ok, err)
		} else if ok {
			same(t, e, std)
		}
		if err != nil {
			for _, p := range fields(err) {
				if strings.HasPrefix(p, "no fault") {
					t.Fatal(p)
				}
			}
			return
		}
		out, err := event.Encode(e)
		if err != nil {
			if len(in) > event.MaxBytes/7 && fault.Is(err, fault.Invalid) {
				return // escaping made it longer than an event may be
			}
			t.Fatalf("decoded but not encoded again: %v", err)
		}
		if std, err := json.Marshal(e); err != nil || !bytes.Equal(std, out) {
			t.Fatalf("written %s\nstandard %s, %v", out, std, err)
		}
		valid(t, schemas, e.Type, out)
		again, err := event.Decode(out)
		if err != nil {
			t.Fatalf("%s\n%v", out, err)
		}
		same(t, again, e)
		if _, err := json.Marshal(e.Data.ToData(berlin)); err != nil {
			t.Fatal(err)
		}
	})
}

// slowly decodes with the standard reader alone.
func slowly(in []byte) (event.Event, bool) {
	var e event.Event
	d := json.NewDecoder(bytes.NewReader(in))
	d.DisallowUnknownFields()
	if d.Decode(&e) != nil {
		return e, false
	}
	if e.Data.Package == "" {
		e.Data.Package = "1"
	}
	_, err := d.Token()
	return e, err == io.EOF && e.Check() == nil
}

func TestEventsTogether(t *testing.T) {
	one, two := edited(t, "id", "1"), edited(t, "id", "2")
	for name, c := range map[string]struct {
		in   string
		want []string // ids, or what is wrong
	}{
		"one":                {string(one), []string{"1"}},
		"as a list":          {string(event.Join([][]byte{one})), []string{"1"}},
		"two":                {string(event.Join([][]byte{one, two})), []string{"1", "2"}},
		"with blanks":        {" [\n" + string(one) + " , " + string(two) + "]\n", []string{"1", "2"}},
		"one is unusable":    {string(event.Join([][]byte{one, edited(t, "data.account", nil), two})), []string{"1", "account", "2"}},
		"one is not even":    {string(event.Join([][]byte{one, []byte("7"), two})), []string{"1", "not usable JSON", "2"}},
		"a stranger's field": {string(event.Join([][]byte{edited(t, "data.buyerName", "x"), two})), []string{"buyerName", "2"}},
		"one is too long":    {string(event.Join([][]byte{edited(t, "subject", strings.Repeat("x", event.MaxBytes)), two})), []string{"at most 65536", "2"}},
		"other spelling":     {string(event.Join([][]byte{bytes.Replace(one, []byte(`"id"`), []byte(`"ID"`), 1), two})), []string{"1", "2"}},
		"none":               {"[]", []string{"list of events is empty"}},
		"cut off":            {"[" + string(one) + ",", []string{"list of events is not usable"}},
		"two without list":   {string(one) + string(two), []string{"one event per message"}},
	} {
		got := event.DecodeAll([]byte(c.in))
		if len(got) != len(c.want) {
			t.Errorf("%s: %d results: %+v", name, len(got), got)
			continue
		}
		for i, want := range c.want {
			if d := got[i]; d.Err == nil && d.Event.ID != want || d.Err != nil && !strings.Contains(fmt.Sprint(d.Err, fields(d.Err)), want) {
				t.Errorf("%s, %d: %s, %v; want %s", name, i, d.Event.ID, d.Err, want)
			}
		}
	}
}
