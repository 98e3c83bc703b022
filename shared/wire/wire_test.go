package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/shipment"
)

// anyEntry is an entry with anything in any field, control characters and HTML among it. Text that is no UTF-8 never
// reaches an entry: the doors refuse it.
func anyEntry() *rapid.Generator[shipment.Entry] {
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "unknown") {
			return time.Time{}
		}
		return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
	})
	return rapid.MakeCustom[shipment.Entry](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{
		reflect.TypeFor[time.Time](): moment.AsAny(),
		reflect.TypeFor[string]():    rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "<&>\u2028\\\"", "Größe"})).AsAny(),
	}})
}

// The codec is another library than the standard one and must be indistinguishable from it: what one wrote the other reads.
func TestCodecAgreesWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := anyEntry().Draw(t, "entry")
		e.Seq = 0
		ours, err := EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := json.Marshal(e)
		if err != nil || !bytes.Equal(ours, theirs) {
			t.Fatalf("written\n%s\nstandard\n%s\n%v", ours, theirs, err)
		}
		got, err := DecodeEntry(7, theirs)
		var want shipment.Entry
		if stdErr := json.Unmarshal(ours, &want); err != nil || stdErr != nil {
			t.Fatal(err, stdErr)
		}
		want.Seq = 7
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read\n%+v\nstandard\n%+v", got, want)
		}
		doc, err := EncodeShipment(e.After)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := DecodeShipment(doc); err != nil || !reflect.DeepEqual(s, want.After) {
			t.Fatalf("shipment read\n%+v\nstandard\n%+v\n%v", s, want.After, err)
		}
	})
}

// Whatever the bytes are, reading them ends with an entry or an error, and an entry means what the standard library reads.
func FuzzDecodeEntry(f *testing.F) {
	seed, err := EncodeEntry(shipment.Entry{ID: "a", Type: shipment.Accepted, After: shipment.Shipment{
		Key: shipment.Key{Connection: "EU", Order: "302-0000000-0000001", Package: "1"}, State: shipment.Pending, Data: shipment.Data{Carrier: "DHL", Tracking: "1"}}})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range [][]byte{seed, seed[:len(seed)/2], []byte(`{"after":{"data":{"items":[{}]}}}`), []byte(`{"after":null}`), []byte(`[]`), nil} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := DecodeEntry(1, data)
		if err != nil || !utf8.Valid(data) {
			return
		}
		var want shipment.Entry
		if json.Unmarshal(data, &want) != nil {
			return // this library is a little more lenient
		}
		want.Seq = 1
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s\nread %+v\nstandard %+v", data, got, want)
		}
	})
}
