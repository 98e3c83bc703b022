// Package wire is how ledger entries and shipments are written as JSON. It guarantees that it writes the bytes the standard
// library would and reads what the standard library would read; it is apart from package shipment because it uses another
// library for that, and the domain uses none. It does not know where the bytes are kept.
package wire

import (
	"fmt"

	"github.com/goccy/go-json"

	"github.com/fertig-project/fertig/shared/shipment"
)

// Every attempt writes and reads half a dozen shipments as JSON, which is most of what an attempt costs besides the
// request. The library takes half of the standard one's time to write and a third to read; the tests hold it to both.

// EncodeEntry writes an entry as it stands in the ledger. Its sequence is not part of it.
func EncodeEntry(e shipment.Entry) ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode ledger entry of %s: %w", e.After.Key, err)
	}
	return data, nil
}

// DecodeEntry reads what EncodeEntry wrote; seq is where it stands.
func DecodeEntry(seq uint64, data []byte) (shipment.Entry, error) {
	var e shipment.Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("decode ledger entry %d: %w", seq, err)
	}
	e.Seq = seq
	return e, nil
}

// EncodeShipment writes a shipment for a view of the ledger.
func EncodeShipment(s shipment.Shipment) ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode shipment %s: %w", s.Key, err)
	}
	return data, nil
}

// DecodeShipment reads what EncodeShipment wrote.
func DecodeShipment(data []byte) (shipment.Shipment, error) {
	var s shipment.Shipment
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("decode shipment: %w", err)
	}
	return s, nil
}
