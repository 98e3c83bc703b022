package wire

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fertig-project/fertig/shared/shipment"
)

// TestGlanceSeesWhatDecodingSees: whatever stands in the texts of an entry, even a piece of an entry itself.
func TestGlanceSeesWhatDecodingSees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]string{"", `"after":{"state":"closed","since":"x"`, `,"since":"2001-01-01T00:00:00Z"`, "\"state\":\"closed\"", "ü\x00", `\`})
		s := shipment.Shipment{Key: shipment.Key{Connection: "EU", Order: odd.Draw(t, "order"), Package: "1"}, Account: "DE",
			State: rapid.SampledFrom(shipment.States[:]).Draw(t, "state"), Kind: shipment.Kind(odd.Draw(t, "kind")),
			Since: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
			Data:  shipment.Data{Tracking: odd.Draw(t, "tracking"), Reference: odd.Draw(t, "reference"), Carrier: odd.Draw(t, "carrier")}}
		if rapid.Bool().Draw(t, "doubt") {
			s.Inquiry = &shipment.Inquiry{Since: time.Unix(1, 0).UTC()}
		}
		e := shipment.Entry{ID: odd.Draw(t, "id"), Type: shipment.Noted, Comment: odd.Draw(t, "comment"), Answer: &shipment.Answer{Message: odd.Draw(t, "message")}, After: s}
		b, err := EncodeEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		state, since, ok := Glance(b)
		if !ok || state != s.State || !since.Equal(s.Since) {
			t.Fatalf("%s\nglance: %s %s %t", b, state, since, ok)
		}
	})
	for _, text := range []string{"", "{}", `{"after":{}}`, `{"after":{"state":"new","since":"2026-01-01T00:00:00Z"}}`, `{"after":{"state":"closed","x":1,"since":"yesterday"}}`} {
		if _, _, ok := Glance([]byte(text)); ok {
			t.Errorf("%s was understood", text)
		}
	}
}
