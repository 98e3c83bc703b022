package profile

import (
	"bytes"
	"time"

	"github.com/fertig-project/fertig/services/carrierimport/internal/table"
)

// german are the dates German programs write.
var german = [...]string{"02.01.2006", "02.01.06", time.DateOnly, "20060102", "02.01.2006 15:04", "02.01.2006 15:04:05", "02.01.06 15:04",
	time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05"}

// DPD is the export of DPD's shipping programs: a header in German or English, fields usually separated by ; and in
// quotes, Windows letters. Columns are found by any of the names the programs give them. The sender's first reference is
// the order: Amazon's number, or the merchant's own.
func DPD() Profile {
	return german1252("DPD", Columns{Tracking: "Paketscheinnummer", Reference: "Referenz 1", ShippedAt: "Versanddatum"}, map[string][]string{
		"tracking":  {"Paketschein-Nr.", "Paketschein", "Paketnummer", "Paket-Nr.", "Parcel label number", "Parcel number", "Tracking number", "Sendungsnummer"},
		"reference": {"Referenznummer 1", "Referenz", "Kundenreferenz 1", "Kundenreferenz", "Kundenreferenznummer 1", "Kundenreferenznummer", "Reference 1", "Reference", "Customer reference 1", "Customer reference", "Auftragsnummer"},
		"shippedAt": {"Versand-Datum", "Datum", "Sendungsdatum", "Einlieferdatum", "Druckdatum", "Shipping date", "Ship date", "Date"},
		"service":   {"Produkt", "Service", "Versandart", "Product"},
	})
}

// GLS is the export of GLS's shipping programs, in the manner of DPD. Where it has both, the parcel's number is taken
// before its shorter TrackID: both lead to the parcel.
func GLS() Profile {
	return german1252("GLS", Columns{Tracking: "Paketnummer", Reference: "Referenz", ShippedAt: "Datum"}, map[string][]string{
		"tracking":  {"Paket-Nr.", "Paket Nr", "GLS Paketnummer", "Parcel number", "Parcel no.", "TrackID", "Track-ID", "Tracking-ID", "Tracking number", "Sendungsnummer"},
		"reference": {"Referenz 1", "Referenznummer", "Sendungsreferenz", "Kundenreferenz", "Kundenreferenznummer", "Reference", "Shipment reference", "Customer reference", "Auftragsnummer"},
		"shippedAt": {"Versanddatum", "Sendungsdatum", "Abholdatum", "Erstellt am", "Date", "Shipping date", "Shipment date"},
		"service":   {"Produkt", "Service", "Services", "Product"},
	})
}

func german1252(carrier string, columns Columns, variants map[string][]string) Profile {
	return Profile{
		Format:  table.Format{Encoding: table.CP1252, Delimiter: ';', Quoted: true, Header: true},
		Columns: columns, Variants: variants, Delimiters: ";\t,|", Layouts: german[:], Carrier: carrier,
	}
}

// delimiter is the one of Delimiters that stands most often in the first line, which in a header stands nowhere else.
func (p Profile) delimiter(content []byte) rune {
	line := content[:min(len(content), table.MaxLine)]
	if i := bytes.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	best, most := p.Delimiter, 0
	for _, d := range p.Delimiters {
		if n := bytes.Count(line, []byte(string(d))); n > most {
			best, most = d, n
		}
	}
	return best
}
